// Bundles what each package publishes: one module with all its code, and a file for each public module that names its
// exports. Node's loader spends more time on some hundred small files than their code takes to run.
import { existsSync, globSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { isAbsolute, join } from "node:path"
import { rolldown } from "rolldown"

const packages = join(import.meta.dirname, "..")

interface Manifest {
  readonly private?: boolean
  readonly exports: Readonly<Record<string, unknown>>
}

/** Modules outside the one file, as not all programs need what they import. */
const optional = /\/(?:auth\/src\/(?:OAuthFlow|internal\/authorizationServer)|node\/src\/NodePlatform)\.ts$/

const bundle = async (directory: string, { exports }: Manifest): Promise<void> => {
  const source = join(directory, "src")
  const names = globSync("**/*.ts", { cwd: source }).map((path) => path.slice(0, -3))
  const out = join(directory, "dist/bundle")
  rmSync(out, { recursive: true, force: true })
  const build = await rolldown({
    input: Object.fromEntries(
      names
        .filter((name) => !name.startsWith("internal/") || `./${name}` in exports)
        .map((name) => [name, join(source, `${name}.ts`)])
    ),
    external: (id) => !id.startsWith(".") && !isAbsolute(id),
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
      groups: [{ name: "all", test: (id) => !optional.test(id) }],
      includeDependenciesRecursively: false
    }
  })
  await build.close()
}

for (const name of readdirSync(packages)) {
  const path = join(packages, name, "package.json")
  if (!existsSync(path)) continue
  const manifest: Manifest = JSON.parse(readFileSync(path, "utf8"))
  if (manifest.private !== true) await bundle(join(packages, name), manifest)
}
