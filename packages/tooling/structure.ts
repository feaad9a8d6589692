/**
 * The rules of the repository's structure: permitted imports, and required declarations of every package.
 *
 * The rules check texts only, given as a map from path to content, so that a test can define a repository in a few
 * lines. Imports are found by pattern, which is safe because of the formatter's fixed layout: a statement starts its
 * line, and specifiers are in double quotes.
 */
import { isBuiltin } from "node:module"
import { posix } from "node:path"

/** Every source file, manifest and compiler configuration, by its path relative to the root. */
export type Tree = ReadonlyMap<string, string>

/** Each public package, and the packages that its sources may import. Imports only point down this list of layers. */
export const layers: Readonly<Record<string, ReadonlyArray<string>>> = {
  protocol: [],
  transport: ["protocol"],
  values: ["protocol"],
  auth: ["protocol", "transport"],
  node: ["protocol", "transport"],
  workers: ["transport"],
  client: ["auth", "protocol", "transport", "values"],
  hyper: ["auth", "client", "protocol", "transport", "values"],
  grpc: ["client", "protocol", "transport"],
  pglite: ["auth", "client", "protocol", "transport"],
  sql: ["auth", "client", "transport", "values"],
  kysely: ["client", "values"],
  pg: ["client", "node", "protocol", "values"],
  testing: ["auth", "client", "hyper", "protocol", "transport", "values"]
}

/** A part of a package: the folder `<name>` in `src` or `src/internal`, if any, and its public modules. */
interface Room {
  readonly modules: ReadonlyArray<string>
  /** The parts that it may import. Each of them precedes it in its package's table, so that there are no cycles. */
  readonly imports: ReadonlyArray<string>
}

/** The parts of each package that has more internal modules than one folder may contain. */
export const rooms: Readonly<Record<string, Readonly<Record<string, Room>>>> = {
  client: {
    model: {
      modules: [
        "ConnectError",
        "Dialect",
        "ConnectionConfigError",
        "Notification",
        "PoolError",
        "PoolStats",
        "Queries",
        "QueryError",
        "QueryResult",
        "QueryText",
        "RowError",
        "ServerError",
        "Statement",
        "Telemetry"
      ],
      imports: []
    },
    session: { modules: [], imports: ["model"] },
    config: { modules: ["ConnectionConfig", "Conninfo"], imports: ["model"] },
    connect: { modules: [], imports: ["model", "session", "config"] },
    engine: { modules: [], imports: ["model", "session"] },
    statement: { modules: [], imports: ["model", "session", "engine"] },
    query: { modules: ["Query"], imports: ["model", "session", "engine", "statement"] },
    client: {
      modules: ["Client", "Session"],
      imports: ["model", "session", "config", "connect", "engine", "statement", "query"]
    },
    notify: { modules: ["Notifications"], imports: ["model", "session", "config", "connect", "engine", "client"] },
    pool: {
      modules: ["Pool", "Lock", "Replicas"],
      imports: ["model", "session", "config", "connect", "engine", "statement", "query", "client", "notify"]
    },
    copy: { modules: ["Copy"], imports: ["model", "session", "query", "client"] },
    replication: { modules: ["Replication"], imports: ["model", "session", "config", "engine", "query", "client"] }
  },
  testing: {
    certificates: { modules: ["Certificates"], imports: [] },
    servers: { modules: ["AuthorizationServer", "HyperdServer"], imports: ["certificates"] },
    postgres: { modules: ["PostgresServer", "PostgresServerError"], imports: [] },
    conformance: { modules: ["LawBroken", "TransportConformance"], imports: [] },
    faults: { modules: ["FaultTransport"], imports: [] },
    script: { modules: ["ScriptedServer", "ScriptError"], imports: [] },
    recording: { modules: ["Recording", "RecordingError"], imports: ["script"] }
  },
  values: {
    model: { modules: ["Type", "ValueError"], imports: [] },
    codec: { modules: [], imports: ["model"] },
    dateTime: { modules: [], imports: [] },
    schema: { modules: [], imports: ["model"] },
    value: {
      modules: [
        "CalendarDate",
        "Geometry",
        "Interval",
        "Json",
        "Money",
        "Numeric",
        "PgArray",
        "Range",
        "TimeOfDay",
        "TimeOfDayTz",
        "Timestamp",
        "TimestampTz",
        "UnknownValue"
      ],
      imports: ["model", "codec", "dateTime", "schema"]
    },
    text: { modules: [], imports: ["model", "codec", "value"] },
    types: { modules: ["BuiltIn"], imports: ["model", "codec", "dateTime", "schema", "value", "text"] },
    registry: { modules: ["Catalogue", "TypeRegistry"], imports: ["model", "types"] },
    rows: {
      modules: ["Preset", "Row", "RowReader"],
      imports: ["model", "codec", "schema", "value", "types", "registry"]
    },
    columns: { modules: ["Columns"], imports: ["model", "codec", "dateTime", "value", "types", "rows"] },
    writers: {
      modules: ["BindWriter", "Literal", "Parameter", "RowWriter"],
      imports: ["model", "codec", "value", "types", "registry"]
    },
    copy: {
      modules: ["CopyFormat", "HyperBinaryCopy", "PgBinaryCopy"],
      imports: ["model", "codec", "types", "rows", "writers"]
    }
  }
}

/** The maximum number of modules in one internal folder. */
export const folderLimit = 14

/** The topmost packages, which may import everything and which no package may import. None of them is published. */
export const topPackages: ReadonlyArray<string> = ["benchmarks", "docs", "examples", "tooling"]

/** The only public package that may depend on a platform. */
const platformPackage = "node"

/** The modules of Node.js that are part of the interface that a package has to have. */
const interfaceModules: Readonly<Record<string, ReadonlyArray<string>>> = { pg: ["node:buffer", "node:events"] }

/** The only module that evaluates source text: it decides what may become code, and falls back where that is refused. */
const codegenModule = "packages/protocol/src/internal/codegen.ts"

/** The length above which modules are listed, as they may contain more than one concept. */
export const longModule = 600

const scope = "@hyperfect/"

interface Import {
  readonly specifier: string
  readonly line: number
}

interface Manifest {
  readonly name?: string
  readonly version?: string
  readonly private?: boolean
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
}

interface Project {
  readonly references?: ReadonlyArray<{ readonly path: string }>
}

const patterns = [
  /^import\s+(?:type\s+)?(?:[\w$*\s{},]+?\s+from\s+)?"([^"]+)"/gm,
  /^export\s+(?:type\s+)?(?:\*(?:\s+as\s+[\w$]+)?|\{[^}]*\})\s+from\s+"([^"]+)"/gm,
  /^(?!\s*(?:\*|\/\/))[^`\n]*?\bimport\(\s*"([^"]+)"/gm
]

/** Returns the import and re-export statements of a module, including dynamic and type-only ones. */
export const importsOf = (text: string): ReadonlyArray<Import> =>
  patterns.flatMap((pattern) =>
    Array.from(text.matchAll(pattern), (match) => ({
      specifier: match[1]!,
      line: text.slice(0, match.index).split("\n").length
    }))
  )

/** Returns the package of a specifier: `effect` of `effect/Effect`, `@effect/vitest` of `@effect/vitest/utils`. */
const packageOf = (specifier: string): string => specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/")

const json = <A>(tree: Tree, path: string): A | undefined => {
  const text = tree.get(path)
  return text === undefined ? undefined : JSON.parse(text) as A
}

const directories = (tree: Tree): ReadonlyArray<string> =>
  [...tree.keys()].flatMap((path) => /^packages\/([^/]+)\/package\.json$/.exec(path)?.[1] ?? []).sort()

const modules = (tree: Tree, prefix: string): ReadonlyArray<string> =>
  [...tree.keys()].filter((path) => path.startsWith(prefix) && path.endsWith(".ts")).sort()

/**
 * Returns the file that an import of a module in `from` resolves to, or `undefined` if it is outside the repository.
 */
export const resolve = (from: string, specifier: string): string | undefined => {
  if (specifier.startsWith(".")) return posix.normalize(posix.join(posix.dirname(from), specifier))
  if (!specifier.startsWith(scope)) return undefined
  const [name, ...rest] = specifier.slice(scope.length).split("/")
  return `packages/${name}/src/${rest.length === 0 ? "index" : rest.join("/")}.ts`
}

const checkSource = (tree: Tree, name: string, manifest: Manifest, path: string): Array<string> => {
  const declared = { ...manifest.dependencies, ...manifest.peerDependencies }
  return importsOf(tree.get(path)!).flatMap(({ line, specifier }) => {
    const at = `${path}:${line}: `
    const target = resolve(path, specifier)
    if (specifier.startsWith(".")) {
      if (!tree.has(target!)) return [`${at}"${specifier}" leads to no module`]
      return target!.startsWith(`packages/${name}/src/`) ? [] : [`${at}"${specifier}" leads out of the package's src`]
    }
    if (isBuiltin(specifier)) {
      if (interfaceModules[name]?.includes(specifier)) return []
      if (name !== platformPackage) return [`${at}only packages/${platformPackage} may import "${specifier}"`]
      return specifier.startsWith("node:") ? [] : [`${at}write "node:${specifier}"`]
    }
    const wanted = packageOf(specifier)
    if (wanted.startsWith("@effect/platform-") && name !== platformPackage) {
      return [`${at}only packages/${platformPackage} may import "${specifier}"`]
    }
    const found: Array<string> = []
    if (target !== undefined) {
      const other = wanted.slice(scope.length)
      if (other === name) return [`${at}the package imports itself by name`]
      if (!layers[name]!.includes(other)) return [`${at}${name} may not import ${other}: imports only point down`]
      if (!tree.has(target)) found.push(`${at}"${specifier}" leads to no module`)
    }
    if (specifier === "effect" || specifier === wanted && target !== undefined) {
      found.push(`${at}import the module, not the barrel "${specifier}"`)
    }
    if (!Object.hasOwn(declared, wanted)) found.push(`${at}"${wanted}" is missing from the package's dependencies`)
    return found
  })
}

/** Checks a module of a test or a topmost package: it may use what the root installs, but it must be declared. */
const checkUser = (tree: Tree, name: string, manifest: Manifest, root: Manifest, path: string): Array<string> => {
  const isTest = path.startsWith(`packages/${name}/test/`)
  const own = { ...manifest.dependencies, ...manifest.devDependencies, ...manifest.peerDependencies }
  const declared = { ...own, ...root.devDependencies, ...root.optionalDependencies }
  return importsOf(tree.get(path)!).flatMap(({ line, specifier }) => {
    if (specifier.startsWith(".") || isBuiltin(specifier) || specifier.startsWith("cloudflare:")) return []
    const wanted = packageOf(specifier)
    if (wanted.startsWith(scope)) {
      const other = wanted.slice(scope.length)
      if (topPackages.includes(other)) return [`${path}:${line}: nothing imports ${wanted}`]
      // The compiler's project references already name the packages that a test uses.
      return isTest || Object.hasOwn(own, wanted) ? [] : [`${path}:${line}: "${wanted}" is missing from package.json`]
    }
    return Object.hasOwn(declared, wanted) ? [] : [`${path}:${line}: "${wanted}" is declared nowhere`]
  })
}

/** Checks that no other module than {@link codegenModule} evaluates source text. */
const checkEvaluation = (tree: Tree, path: string): Array<string> =>
  path === codegenModule ?
    [] :
    tree.get(path)!.split("\n").flatMap((line, i) =>
      /^(?!\s*(?:\*|\/\/)).*\b(?:Function|eval)\(/.test(line)
        ? [`${path}:${i + 1}: only ${codegenModule} may evaluate source text`]
        : []
    )

const checkManifest = (tree: Tree, name: string, manifest: Manifest): Array<string> => {
  const path = `packages/${name}/package.json`
  const used = new Set(
    modules(tree, `packages/${name}/src/`).flatMap((module) =>
      importsOf(tree.get(module)!).map(({ specifier }) => packageOf(specifier))
    )
  )
  const found: Array<string> = []
  if (manifest.name !== scope + name) found.push(`${path}: the name is not ${scope}${name}`)
  for (const dependency of Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies })) {
    if (!used.has(dependency)) found.push(`${path}: nothing in src imports "${dependency}"`)
  }
  const internal = Object.entries(manifest.dependencies ?? {}).filter(([dependency]) => dependency.startsWith(scope))
  for (const [dependency, version] of internal) {
    const other = json<Manifest>(tree, `packages/${dependency.slice(scope.length)}/package.json`)
    if (other?.version !== version) found.push(`${path}: "${dependency}" is not pinned to ${other?.version}`)
  }
  const config = `packages/${name}/tsconfig.src.json`
  const references = (json<Project>(tree, config)?.references ?? []).map((reference) => reference.path).sort()
  const wanted = internal.map(([dependency]) => `../${dependency.slice(scope.length)}/tsconfig.src.json`).sort()
  if (references.join() !== wanted.join()) found.push(`${config}: the references are not the package's dependencies`)
  return found
}

/** Returns the text of a package's barrel: one line per module, complete and in alphabetical order. */
export const barrel = (paths: ReadonlyArray<string>, name: string): string => {
  const prefix = `packages/${name}/src/`
  return paths.filter((path) => path.startsWith(prefix))
    .flatMap((path) => {
      const match = /^((?:mechanisms\/)?([A-Z]\w*))\.ts$/.exec(path.slice(prefix.length))
      return match === null ? [] : [{ path: match[1]!, module: match[2]! }]
    })
    .sort((a, b) => a.path.toLowerCase() < b.path.toLowerCase() ? -1 : 1)
    .map(({ module, path }) => `export * as ${module} from "./${path}.ts"\n`)
    .join("")
}

const checkBarrel = (tree: Tree, name: string): Array<string> => {
  const path = `packages/${name}/src/index.ts`
  const wanted = barrel([...tree.keys()], name)
  const text = tree.get(path)
  if (text === undefined) return [`${path}: missing`]
  if (wanted === "") return [`${path}: the package has no modules`]
  return text === wanted ? [] : [`${path}: not one line for each module, in alphabetical order`]
}

/** Checks that every package is in the compiler's project references; otherwise it is not type-checked. */
const checkProjects = (tree: Tree, names: ReadonlyArray<string>): Array<string> => {
  const references = (path: string) => (json<Project>(tree, path)?.references ?? []).map((reference) => reference.path)
  const all = references("tsconfig.json")
  const build = references("packages/tsconfig.build.json")
  return names.flatMap((name) => {
    const found: Array<string> = []
    const sources = modules(tree, `packages/${name}/`)
    if (sources.length > 0 && !all.includes(`packages/${name}`)) {
      found.push(`tsconfig.json: packages/${name} is missing`)
    }
    if (Object.hasOwn(layers, name) && !build.includes(`${name}/tsconfig.src.json`)) {
      found.push(`packages/tsconfig.build.json: ${name} is missing`)
    }
    return found
  })
}

/** Returns each import cycle once, including type-only imports: modules in a cycle cannot be understood one by one. */
const checkCycles = (tree: Tree, paths: ReadonlyArray<string>): Array<string> => {
  const found: Array<string> = []
  const done = new Set<string>()
  const trail: Array<string> = []
  const visit = (path: string): void => {
    if (done.has(path)) return
    const start = trail.indexOf(path)
    if (start !== -1) {
      found.push(`${path}: circular import: ${[...trail.slice(start), path].join(" -> ")}`)
      return
    }
    trail.push(path)
    for (const { specifier } of importsOf(tree.get(path) ?? "")) {
      const target = resolve(path, specifier)
      if (target !== undefined) visit(target)
    }
    trail.pop()
    done.add(path)
  }
  paths.forEach(visit)
  return found
}

/** Returns the part that a module belongs to, `undefined` if the table has none for it. */
const roomOf = (table: Readonly<Record<string, Room>>, name: string, path: string): string | undefined => {
  const inside = path.slice(`packages/${name}/src/`.length)
  const folder = /^(?:internal\/)?([^/]+)\//.exec(inside)?.[1]
  if (folder !== undefined) return Object.hasOwn(table, folder) ? folder : undefined
  const module = inside.replace(/\.ts$/, "")
  return Object.keys(table).find((room) => table[room]!.modules.includes(module))
}

/** Checks that each module belongs to one part, and that a part imports only those that its table names. */
const checkRooms = (tree: Tree, name: string, table: Readonly<Record<string, Room>> | undefined): Array<string> => {
  if (table === undefined) return []
  const order = Object.keys(table)
  const found = order.flatMap((room, i) =>
    table[room]!.imports.filter((other) => !order.slice(0, i).includes(other))
      .map((other) => `packages/${name}: the room ${room} may not import ${other}, which does not stand before it`)
  )
  for (const path of modules(tree, `packages/${name}/src/`)) {
    if (path.endsWith("/src/index.ts")) continue
    const room = roomOf(table, name, path)
    if (room === undefined) {
      found.push(`${path}: in no room; give it one in packages/tooling`)
      continue
    }
    for (const { line, specifier } of importsOf(tree.get(path)!)) {
      const target = resolve(path, specifier)
      const other = target?.startsWith(`packages/${name}/src/`) === true ? roomOf(table, name, target) : undefined
      if (other === undefined || other === room || table[room]!.imports.includes(other)) continue
      found.push(`${path}:${line}: the room ${room} may not import ${other}`)
    }
  }
  return found
}

/** Checks that no internal folder contains too many modules: it needs parts. */
const checkFolders = (tree: Tree, name: string): Array<string> => {
  const counts = new Map<string, number>()
  for (const path of modules(tree, `packages/${name}/src/internal/`)) {
    const folder = posix.dirname(path)
    counts.set(folder, (counts.get(folder) ?? 0) + 1)
  }
  return [...counts].filter(([, count]) => count > folderLimit)
    .map(([folder, count]) => `${folder}: ${count} modules, over ${folderLimit}`)
}

/** The packages whose clients may talk to any server. */
const serverPackages: ReadonlySet<string> = new Set(["client", "hyper", "kysely", "pg", "sql"])

const kindOfServer = /[!=]==\s*"(?:hyper|postgres)"|"(?:hyper|postgres)"\s*[!=]==|\bcase "(?:hyper|postgres)"/

/** Checks that code asks for a capability of the server's dialect, not for the kind of server. */
const checkCapabilities = (tree: Tree, name: string): Array<string> =>
  !serverPackages.has(name) ?
    [] :
    modules(tree, `packages/${name}/src/`).flatMap((path) =>
      tree.get(path)!.split("\n").flatMap((line, i) =>
        kindOfServer.test(line) ? [`${path}:${i + 1}: read a capability of the dialect, not the kind of server`] : []
      )
    )

/** Returns every violation of a rule, as lines of `path:line: problem`. */
export const violations = (tree: Tree, table: typeof rooms = rooms): ReadonlyArray<string> => {
  const root = json<Manifest>(tree, "package.json") ?? {}
  const names = directories(tree)
  const found = names.flatMap((name) => {
    const manifest = json<Manifest>(tree, `packages/${name}/package.json`)!
    const isPublic = Object.hasOwn(layers, name)
    if (!isPublic && !topPackages.includes(name)) {
      return [`packages/${name}: in no layer; give it one in packages/tooling`]
    }
    if (isPublic === (manifest.private === true)) {
      return [`packages/${name}/package.json: "private" does not fit its layer`]
    }
    const all = modules(tree, `packages/${name}/`)
    const sources = modules(tree, `packages/${name}/src/`)
    if (!isPublic) return all.flatMap((path) => checkUser(tree, name, manifest, root, path))
    return [
      ...sources.flatMap((path) => checkSource(tree, name, manifest, path)),
      ...sources.flatMap((path) => checkEvaluation(tree, path)),
      ...all.filter((path) => !sources.includes(path)).flatMap((path) => checkUser(tree, name, manifest, root, path)),
      ...checkManifest(tree, name, manifest),
      ...checkRooms(tree, name, table[name]),
      ...checkFolders(tree, name),
      ...checkCapabilities(tree, name),
      ...checkBarrel(tree, name)
    ]
  })
  const published = names.filter((name) => Object.hasOwn(layers, name))
  return [
    ...found,
    ...checkProjects(tree, names),
    ...checkCycles(tree, published.flatMap((name) => modules(tree, `packages/${name}/src/`)))
  ]
}

/** Returns the modules that are too long, longest first. */
export const longModules = (tree: Tree): ReadonlyArray<{ readonly path: string; readonly lines: number }> =>
  modules(tree, "packages/")
    .map((path) => ({ path, lines: tree.get(path)!.split("\n").length - 1 }))
    .filter(({ lines }) => lines > longModule)
    .sort((a, b) => b.lines - a.lines)
