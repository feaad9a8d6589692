// What a user gets is what is checked: every public package is packed, its tarball looked at by publint and
// are-the-types-wrong, and all of them are installed into an empty project that imports every module of theirs.
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

/** Runs a program and resolves with what it printed, or with why it failed. */
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

/** The names by which a user may import the package: its barrel, and each module that is not internal. */
const entries = ({ directory, manifest }: Package): ReadonlyArray<string> => [
  manifest.name,
  ...globSync("**/*.ts", { cwd: join(directory, "src") })
    .filter((path) => path !== "index.ts" && !path.startsWith("internal/"))
    .map((path) => `${manifest.name}/${path.slice(0, -3)}`)
    .sort()
]

/** Only the tarballs are installed, so that nothing is fetched; what they ask of their user is borrowed from the root. */
const install = async (packages: ReadonlyArray<Package>): Promise<void> => {
  mkdirSync(project)
  const dependencies = Object.fromEntries(packages.map(({ manifest, tarball }) => [manifest.name, `file:${tarball}`]))
  writeFileSync(join(project, "package.json"), JSON.stringify({ private: true, type: "module", dependencies }))
  const quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"]
  await step("npm install", "npm", ["install", "--legacy-peer-deps", "--prefer-offline", ...quiet], project)
  const peers = new Set(packages.flatMap(({ manifest }) => Object.keys(manifest.peerDependencies ?? {})))
  for (const peer of [...peers, "@types/node"]) {
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
`
  )
  await step(`import ${names.length} modules`, process.execPath, ["run.js"], project)

  const lines = names.map((name, index) => `import * as m${index} from "${name}"\nexport const x${index} = m${index}\n`)
  writeFileSync(join(project, "use.ts"), lines.join(""))
  const compilerOptions = { module: "nodenext", target: "es2023", strict: true, noEmit: true, types: ["node"] }
  writeFileSync(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["use.ts"] }))
  const tsc = join(root, "node_modules/typescript/bin/tsc")
  await step(`types of ${names.length} modules`, process.execPath, [tsc, "-p", "."], project)
}

try {
  const packages: Array<Package> = []
  for (const name of readdirSync(join(root, "packages")).sort()) {
    if (existsSync(join(root, "packages", name, "package.json"))) packages.push(...await pack(name))
  }
  for (const { manifest: { name }, tarball } of packages) {
    await step(`publint ${name}`, "publint", ["run", tarball, "--strict"], root)
    await step(`attw ${name}`, "attw", [tarball, "--profile", "esm-only"], root)
  }
  await install(packages)
  await importAll(packages)
  console.log(`packages: ${packages.length} packed, ${failures} failures`)
} finally {
  rmSync(work, { recursive: true, force: true })
}
if (failures > 0) process.exitCode = 1
