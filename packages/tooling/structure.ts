/**
 * The rules of the house: who may import what, and what every package has to declare.
 *
 * The rules look at texts only, given as a map from path to content, so that a test can build a house in a few lines.
 * Imports are found by pattern, which the formatter's fixed layout makes safe: a statement starts its line, and
 * specifiers stand in double quotes.
 */
import { isBuiltin } from "node:module"
import { posix } from "node:path"

/** Every source file, manifest and compiler configuration, by its path from the root. */
export type Tree = ReadonlyMap<string, string>

/** Each public package, and the packages that its sources may import. An arrow only ever points down. */
export const layers: Readonly<Record<string, ReadonlyArray<string>>> = {
  protocol: [],
  transport: ["protocol"],
  values: ["protocol"],
  auth: ["protocol", "transport"],
  node: ["protocol", "transport"],
  client: ["auth", "protocol", "transport", "values"],
  hyper: ["auth", "client", "protocol", "transport", "values"],
  testing: ["auth", "client", "hyper", "protocol", "transport", "values"]
}

/** The packages on top, which may import everything and which nothing may import. None of them is published. */
export const top: ReadonlyArray<string> = ["benchmarks", "docs", "examples", "tooling"]

/** The only public package that may know on which platform it runs. */
const platformPackage = "node"

/** Modules above this length are listed, so that somebody asks whether they hold one concept. */
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

/** The import and re-export statements of a module, dynamic and type-only ones included. */
export const importsOf = (text: string): ReadonlyArray<Import> =>
  patterns.flatMap((pattern) =>
    Array.from(text.matchAll(pattern), (match) => ({
      specifier: match[1]!,
      line: text.slice(0, match.index).split("\n").length
    }))
  )

/** `effect` of `effect/Effect`, `@effect/vitest` of `@effect/vitest/utils`. */
const packageOf = (specifier: string): string => specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/")

const json = <A>(tree: Tree, path: string): A | undefined => {
  const text = tree.get(path)
  return text === undefined ? undefined : JSON.parse(text) as A
}

const directories = (tree: Tree): ReadonlyArray<string> =>
  [...tree.keys()].flatMap((path) => /^packages\/([^/]+)\/package\.json$/.exec(path)?.[1] ?? []).sort()

const modules = (tree: Tree, prefix: string): ReadonlyArray<string> =>
  [...tree.keys()].filter((path) => path.startsWith(prefix) && path.endsWith(".ts")).sort()

/** The file that an import of a module in `from` leads to, or `undefined` when it leads out of the house. */
const resolve = (from: string, specifier: string): string | undefined => {
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

/** Tests and the packages on top may lean on what the root installs; what they use still has to be declared. */
const checkUser = (tree: Tree, name: string, manifest: Manifest, root: Manifest, path: string): Array<string> => {
  const isTest = path.startsWith(`packages/${name}/test/`)
  const own = { ...manifest.dependencies, ...manifest.devDependencies, ...manifest.peerDependencies }
  const declared = { ...own, ...root.devDependencies, ...root.optionalDependencies }
  return importsOf(tree.get(path)!).flatMap(({ line, specifier }) => {
    if (specifier.startsWith(".") || isBuiltin(specifier)) return []
    const wanted = packageOf(specifier)
    if (wanted.startsWith(scope)) {
      const other = wanted.slice(scope.length)
      if (top.includes(other)) return [`${path}:${line}: nothing imports ${wanted}`]
      // The compiler's project references already name the packages that a test uses.
      return isTest || Object.hasOwn(own, wanted) ? [] : [`${path}:${line}: "${wanted}" is missing from package.json`]
    }
    return Object.hasOwn(declared, wanted) ? [] : [`${path}:${line}: "${wanted}" is declared nowhere`]
  })
}

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

/** The barrel is one line a module, in alphabetical order, with nothing left out. */
const checkBarrel = (tree: Tree, name: string): Array<string> => {
  const prefix = `packages/${name}/src/`
  const names = modules(tree, prefix).flatMap((path) => /^([A-Z]\w*)\.ts$/.exec(path.slice(prefix.length))?.[1] ?? [])
  const wanted = names
    .sort((a, b) => a.toLowerCase() < b.toLowerCase() ? -1 : 1)
    .map((module) => `export * as ${module} from "./${module}.ts"\n`)
    .join("")
  const text = tree.get(`${prefix}index.ts`)
  if (text === undefined) return [`${prefix}index.ts: missing`]
  if (wanted === "") return [`${prefix}index.ts: the package has no modules`]
  return text === wanted ? [] : [`${prefix}index.ts: not one line for each module, in alphabetical order`]
}

/** A package that the compiler is not told of is a package that nobody checks. */
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

/** Each circle of imports, once, type-only imports included: modules in a circle cannot be understood one by one. */
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

/** Everything that breaks a rule, as lines of `path:line: what is wrong`. */
export const violations = (tree: Tree): ReadonlyArray<string> => {
  const root = json<Manifest>(tree, "package.json") ?? {}
  const names = directories(tree)
  const found = names.flatMap((name) => {
    const manifest = json<Manifest>(tree, `packages/${name}/package.json`)!
    const isPublic = Object.hasOwn(layers, name)
    if (!isPublic && !top.includes(name)) return [`packages/${name}: in no layer; give it one in packages/tooling`]
    if (isPublic === (manifest.private === true)) {
      return [`packages/${name}/package.json: "private" does not fit its layer`]
    }
    const all = modules(tree, `packages/${name}/`)
    const sources = modules(tree, `packages/${name}/src/`)
    if (!isPublic) return all.flatMap((path) => checkUser(tree, name, manifest, root, path))
    return [
      ...sources.flatMap((path) => checkSource(tree, name, manifest, path)),
      ...all.filter((path) => !sources.includes(path)).flatMap((path) => checkUser(tree, name, manifest, root, path)),
      ...checkManifest(tree, name, manifest),
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

/** The modules that are longer than a module should be, longest first. */
export const longModules = (tree: Tree): ReadonlyArray<{ readonly path: string; readonly lines: number }> =>
  modules(tree, "packages/")
    .map((path) => ({ path, lines: tree.get(path)!.split("\n").length - 1 }))
    .filter(({ lines }) => lines > longModule)
    .sort((a, b) => b.lines - a.lines)
