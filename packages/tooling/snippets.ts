// Type-checks and runs every example: the TypeScript fences of all README.md files and of the doc comments of all
// public modules. Each fence is a whole program, which starts the servers that it needs and fails if a claim in it is
// wrong.
import { spawn } from "node:child_process"
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { availableParallelism, tmpdir } from "node:os"
import { dirname, join, relative } from "node:path"
import { fromMarkdown, fromModule } from "./codeFences.ts"

const timeLimit = 120_000
const root = join(import.meta.dirname, "../..")
const out = join(import.meta.dirname, ".snippets")

interface Snippet {
  /** The location for a reader, such as `README.md:12`. */
  readonly place: string
  readonly file: string
}

const extract = (path: string): ReadonlyArray<Snippet> => {
  const text = readFileSync(join(root, path), "utf8")
  return (path.endsWith(".md") ? fromMarkdown : fromModule)(text).map((fence) => {
    const file = join(out, `${path}@${fence.line}.ts`)
    mkdirSync(dirname(file), { recursive: true })
    // The empty lines in front make the compiler and stack traces report line numbers of the original file.
    writeFileSync(file, "\n".repeat(fence.line - 1) + fence.text + "\n")
    return { place: `${path}:${fence.line}`, file }
  })
}

interface Outcome {
  readonly failure: string | undefined
  readonly output: string
}

const run = (args: ReadonlyArray<string>, cwd: string): Promise<Outcome> =>
  new Promise((resolve) => {
    const child = spawn(process.execPath, args, { cwd, timeout: timeLimit, killSignal: "SIGKILL", stdio: "pipe" })
    child.stdin.end()
    let output = ""
    const collect = (chunk: Buffer) => output += chunk.toString()
    child.stdout.on("data", collect)
    child.stderr.on("data", collect)
    child.on("close", (code, signal) => {
      resolve({
        failure: code === 0 ? undefined : signal === null ? `exit code ${code}` : `ended by ${signal}`,
        output
      })
    })
  })

/** Replaces the paths of extracted files by those of the original ones. */
const readable = (output: string): string =>
  output.replaceAll(`${relative(root, out)}/`, "").replaceAll(`${out}/`, "").replaceAll(/@\d+\.ts/g, "")

const report = (place: string, { failure, output }: Outcome, milliseconds: number): void => {
  console.log(`${failure === undefined ? "ok  " : "FAIL"} ${place} (${Math.round(milliseconds)} ms)`)
  if (failure === undefined) return
  failures++
  console.log(readable(output) + failure + "\n")
}

let failures = 0
rmSync(out, { recursive: true, force: true })
mkdirSync(out)
const paths = [
  "README.md",
  ...globSync("packages/*/README.md", { cwd: root }).sort(),
  ...globSync("packages/*/src/**/*.ts", { cwd: root }).sort()
]
const snippets = paths.filter((path) => !path.includes("/internal/")).flatMap(extract)
if (!snippets.some(({ place }) => place.startsWith("README.md"))) throw new Error("README.md has no example")

writeFileSync(
  join(out, "tsconfig.json"),
  JSON.stringify({
    extends: "../../tsconfig.base.json",
    include: ["**/*.ts"],
    compilerOptions: {
      composite: false,
      incremental: false,
      declaration: false,
      declarationMap: false,
      sourceMap: false,
      noEmit: true,
      noUnusedLocals: false,
      types: ["node"]
    }
  })
)
const checked = performance.now()
const types = await run([join(root, "node_modules/typescript/bin/tsc"), "-p", out], root)
report("types of all examples", types, performance.now() - checked)

const waiting = [...snippets]
const worker = async (): Promise<void> => {
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const { file, place } = next
    // Files that an example writes go into a temporary directory.
    const cwd = mkdtempSync(join(tmpdir(), "hyperfect-snippet-"))
    const started = performance.now()
    const outcome = await run(["--conditions=@hyperfect/source", file], cwd)
    report(place, outcome, performance.now() - started)
    rmSync(cwd, { recursive: true, force: true })
  }
}
await Promise.all(Array.from({ length: availableParallelism() }, worker))

console.log(`snippets: ${snippets.length} run, ${failures} failures`)
if (failures > 0) process.exitCode = 1
else rmSync(out, { recursive: true, force: true })
