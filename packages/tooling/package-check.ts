// Checks what a user installs: every public package is packed, its tarball checked by publint and are-the-types-wrong,
// and all of them are installed into an empty project that imports every module.
import { execFile } from "node:child_process"
import {
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"

const root = join(import.meta.dirname, "../..")
const work = mkdtempSync(join(tmpdir(), "hyperfect-packages-"))
const project = join(work, "project")

interface Manifest {
  readonly name: string
  readonly private?: boolean
  readonly files?: ReadonlyArray<string>
  readonly peerDependencies?: Readonly<Record<string, string>>
}

interface Package {
  readonly directory: string
  readonly manifest: Manifest
  readonly tarball: string
}

let failures = 0
const report = (what: string, failure: string | undefined): void => {
  console.log(`${failure === undefined ? "ok  " : "FAIL"} ${what}`)
  if (failure === undefined) return
  failures++
  console.log(failure + "\n")
}

/** Runs a program and resolves with its output, and the reason if it failed. */
const run = (command: string, args: ReadonlyArray<string>, cwd: string) =>
  new Promise<{ readonly output: string; readonly failure: string | undefined }>((resolve) => {
    execFile(command, args, { cwd, maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) => {
      resolve({ output: stdout, failure: error === null ? undefined : `${stdout}${stderr}${error.message}` })
    })
  })

const step = async (what: string, command: string, args: ReadonlyArray<string>, cwd: string): Promise<string> => {
  const { failure, output } = await run(command, args, cwd)
  report(what, failure)
  return output
}

const pack = async (name: string): Promise<ReadonlyArray<Package>> => {
  const directory = join(root, "packages", name)
  const manifest: Manifest = JSON.parse(readFileSync(join(directory, "package.json"), "utf8"))
  if (manifest.private === true) return []
  const args = ["pack", "--ignore-scripts", "--json", "--pack-destination", work]
  const { failure, output } = await run("npm", args, directory)
  if (failure !== undefined) throw new Error(failure)
  return [{ directory, manifest, tarball: join(work, JSON.parse(output)[0].filename) }]
}

/** Returns the import specifiers of a package: its barrel, and each module that is not internal. */
const entries = ({ directory, manifest }: Package): ReadonlyArray<string> => [
  manifest.name,
  ...globSync("**/*.ts", { cwd: join(directory, "src") })
    .filter((path) => path !== "index.ts" && !path.startsWith("internal/"))
    .map((path) => `${manifest.name}/${path.slice(0, -3)}`)
    .sort()
]

/** Installs only the tarballs, so that nothing is downloaded; peer dependencies are linked from the root. */
const install = async (packages: ReadonlyArray<Package>): Promise<void> => {
  mkdirSync(project)
  const dependencies = Object.fromEntries(packages.map(({ manifest, tarball }) => [manifest.name, `file:${tarball}`]))
  writeFileSync(join(project, "package.json"), JSON.stringify({ private: true, type: "module", dependencies }))
  const quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"]
  await step("npm install", "npm", ["install", "--legacy-peer-deps", "--prefer-offline", ...quiet], project)
  const peers = new Set(packages.flatMap(({ manifest }) => Object.keys(manifest.peerDependencies ?? {})))
  // The declarations of PGlite name Emscripten's, which it does not install.
  for (const peer of [...peers, "@types/emscripten", "@types/node"]) {
    const link = join(project, "node_modules", peer)
    mkdirSync(dirname(link), { recursive: true })
    symlinkSync(join(root, "node_modules", peer), link)
  }
}

const importAll = async (packages: ReadonlyArray<Package>): Promise<void> => {
  const names = packages.flatMap(entries)
  writeFileSync(
    join(project, "run.js"),
    `for (const name of ${JSON.stringify(names)}) await import(name)
for (const name of ${JSON.stringify(packages.map(({ manifest }) => manifest.name))}) {
  if (Object.keys(await import(name)).length === 0) throw new Error(name + " exports nothing")
  const code = await import(name + "/internal/any").then(() => "imported", (error) => error.code)
  if (code !== "ERR_PACKAGE_PATH_NOT_EXPORTED") throw new Error(name + "/internal is not closed: " + code)
}
for (const name of ${JSON.stringify(names)}) {
  const [scope, own, ...path] = name.split("/")
  const exported = path.length === 0 ? undefined : (await import(scope + "/" + own))[path.at(-1)]
  for (const [key, value] of Object.entries(exported ?? {})) {
    if ((await import(name))[key] !== value) throw new Error(name + " and the index have different " + key)
  }
}
`
  )
  await step(`import ${names.length} modules`, process.execPath, ["run.js"], project)
  await step("import them as bundlers do", process.execPath, ["--conditions=module", "run.js"], project)

  const lines = names.map((name, index) => `import * as m${index} from "${name}"\nexport const x${index} = m${index}\n`)
  writeFileSync(join(project, "use.ts"), lines.join(""))
  const compilerOptions = {
    module: "nodenext",
    target: "es2023",
    strict: true,
    noEmit: true,
    types: ["node", "emscripten"]
  }
  writeFileSync(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["use.ts"] }))
  const tsc = join(root, "node_modules/typescript/bin/tsc")
  await step(`types of ${names.length} modules`, process.execPath, [tsc, "-p", "."], project)
}

/** Checks the licence of each tarball, and the notice of those that derive from another project's work. */
const checkTexts = ({ directory, manifest }: Package): void => {
  const files = (manifest.files ?? []).includes("NOTICE") ? ["LICENSE", "NOTICE"] : ["LICENSE"]
  const differing = files.filter((file) => {
    const path = join(directory, file)
    return !existsSync(path) || readFileSync(path, "utf8") !== readFileSync(join(root, file), "utf8")
  })
  const missing = existsSync(join(directory, "README.md")) ? [] : ["README.md is missing"]
  const problems = [...missing, ...differing.map((file) => `${file} is not the same as at the root`)]
  report(`texts ${manifest.name}`, problems.length === 0 ? undefined : problems.join("\n"))
}

try {
  const packages: Array<Package> = []
  for (const name of readdirSync(join(root, "packages")).sort()) {
    if (existsSync(join(root, "packages", name, "package.json"))) packages.push(...await pack(name))
  }
  for (const { manifest: { name }, tarball } of packages) {
    await step(`publint ${name}`, "publint", ["run", tarball, "--strict"], root)
    await step(`attw ${name}`, "attw", [
      tarball,
      "--profile",
      "esm-only",
      "--exclude-entrypoints",
      "internal/core",
      "internal/rest"
    ], root)
  }
  for (const item of packages) checkTexts(item)
  await install(packages)
  await importAll(packages)
  console.log(`packages: ${packages.length} packed, ${failures} failures`)
} finally {
  rmSync(work, { recursive: true, force: true })
}
if (failures > 0) process.exitCode = 1
