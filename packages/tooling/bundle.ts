// Bundles what each package publishes: one module with the code that every client loads, one with the rest, and a file
// for each public module that names its exports. Node's loader spends more time on some hundred small files than their
// code takes to run.
import { existsSync, globSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { isAbsolute, join } from "node:path"
import { type Plugin, rolldown } from "rolldown"

const packages = join(import.meta.dirname, "..")

interface Manifest {
  readonly private?: boolean
  readonly exports: Readonly<Record<string, unknown>>
  readonly dependencies?: Readonly<Record<string, string>>
}

const owned = /^@hyperfect\/([^/]+)(?:\/(.+))?$/

/** True for a module that is neither of this repository nor named by a path. */
const isForeign = (id: string): boolean => !id.startsWith(".") && !isAbsolute(id) && !owned.test(id)

/** Finds the source of a module of another package. */
const fromSource: Plugin = {
  name: "from-source",
  resolveId: (id) => {
    const [, owner, module = "index"] = owned.exec(id) ?? []
    return owner === undefined ? null : join(packages, owner, "src", `${module}.ts`)
  }
}

/** Returns the modules that a program loads which connects. */
const loadedByClients = async (): Promise<ReadonlySet<string>> => {
  const build = await rolldown({
    input: ["client/src/Client.ts", "node/src/NodePlatform.ts"].map((path) => join(packages, path)),
    external: isForeign,
    plugins: [fromSource],
    treeshake: false,
    platform: "neutral",
    tsconfig: false
  })
  const { output } = await build.generate()
  await build.close()
  return new Set(output.flatMap((chunk) => chunk.type === "chunk" && !chunk.isDynamicEntry ? chunk.moduleIds : []))
}

/** The file of a module that only names exports of one with code. */
const naming = /^export \{[^}]*\} from "[./]+(core|rest)\.js";\s*$/

/**
 * Imports the code of another package of this repository from its `core` or `rest`, without the file that names the
 * exports of a module: each file costs Node's loader a millisecond or so (M-19). The names in there are those of one
 * build, and so the packages depend on exact versions of each other.
 */
const fromBundle: Plugin = {
  name: "from-bundle",
  resolveId: (id, _importer, { kind }) => {
    const [, owner, module = "index"] = owned.exec(id) ?? []
    if (owner === undefined) return null
    const file = join(packages, owner, "dist/bundle", `${module}.js`)
    const [, group] = existsSync(file) ? naming.exec(readFileSync(file, "utf8")) ?? [] : []
    return kind === "dynamic-import" || group === undefined
      ? { id, external: true }
      : `\0${group}:${owner}/${module}`
  },
  load: (id) => {
    const [, group, owner, module] = /^\0(core|rest):([^/]+)\/(.+)$/.exec(id) ?? []
    if (owner === undefined) return null
    const text = readFileSync(join(packages, owner, "dist/bundle", `${module}.js`), "utf8")
    return text.replace(/"[./]+(core|rest)\.js"/, `"@hyperfect/${owner}/internal/${group}"`)
  }
}

/** Modules in files of their own, as not all programs need what they import. */
const optional = /\/(?:auth\/src\/(?:OAuthFlow|internal\/authorizationServer)|node\/src\/NodePlatform)\.ts$/

const core = await loadedByClients()

const bundle = async (directory: string, { exports }: Manifest): Promise<void> => {
  const source = join(directory, "src")
  const names = globSync("**/*.ts", { cwd: source }).map((path) => path.slice(0, -3))
  const out = join(directory, "dist/bundle")
  const hasCore = names.some((name) => core.has(join(source, `${name}.ts`)))
  rmSync(out, { recursive: true, force: true })
  const build = await rolldown({
    input: Object.fromEntries(
      names
        .filter((name) => !name.startsWith("internal/") || `./${name}` in exports)
        .map((name) => [name, join(source, `${name}.ts`)])
    ),
    external: isForeign,
    plugins: [fromBundle],
    platform: "neutral",
    // The index needs the namespace of an optional module, so that its file exports one name more.
    preserveEntrySignatures: "allow-extension",
    tsconfig: false
  })
  await build.write({
    dir: out,
    format: "es",
    sourcemap: true,
    entryFileNames: "[name].js",
    chunkFileNames: "[name].js",
    minifyInternalExports: false,
    comments: { jsdoc: false },
    codeSplitting: {
      groups: [
        {
          name: "core",
          test: (id) => hasCore && (core.has(id) || /^\0(core:|rolldown)/.test(id)) && !optional.test(id)
        },
        { name: "rest", test: (id) => !optional.test(id) }
      ],
      includeDependenciesRecursively: false
    }
  })
  await build.close()
}

const manifests = new Map<string, Manifest>()
for (const name of readdirSync(packages)) {
  const path = join(packages, name, "package.json")
  if (existsSync(path)) manifests.set(name, JSON.parse(readFileSync(path, "utf8")))
}

/** Bundles a package after those that it depends on. */
const bundleInOrder = async (name: string): Promise<void> => {
  const manifest = manifests.get(name)
  if (manifest === undefined || !manifests.delete(name)) return
  for (const dependency of Object.keys(manifest.dependencies ?? {})) {
    await bundleInOrder(dependency.replace("@hyperfect/", ""))
  }
  if (manifest.private !== true) await bundle(join(packages, name), manifest)
}

for (const name of manifests.keys()) await bundleInOrder(name)
