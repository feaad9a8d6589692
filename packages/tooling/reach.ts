// Runs the checks of reachChecks.ts on each runtime, from the built packages, against one PostgreSQL and one Hyper server:
// npm run reach [-- part of a runtime's name]. The runtimes come from the folder `reach`, which is installed if needed. A
// run of all of them writes packages/docs/runtimes.md. With --servers, it runs the client's tests on the versions of
// PostgreSQL instead, and writes their table in packages/docs/servers.md.
import { NodePlatform } from "@hyperfect/node"
import { Certificates, HyperdServer, PostgresServer } from "@hyperfect/testing"
import { Console, Effect, Redacted } from "effect"
import { execFile, execFileSync } from "node:child_process"
import { existsSync, writeFileSync } from "node:fs"
import { join } from "node:path"

/** The addresses of the servers. */
export interface Servers {
  readonly postgres: {
    readonly host: string
    readonly port: number
    readonly socket: string
    readonly user: string
    readonly password: string
    readonly database: string
    /** The root of the server's certificate, and another root, in PEM. */
    readonly root: string
    readonly otherRoot: string
  }
  readonly hyper: {
    readonly host: string
    readonly port: number
    readonly user: string
    readonly password: string | undefined
  }
}

interface Runtime {
  readonly name: string
  readonly program: string
  readonly arguments?: ReadonlyArray<string>
}

interface Check {
  readonly name: string
  /** The failure; absent if the check passed. */
  readonly problem?: string
}

const root = join(import.meta.dirname, "../..")
const folder = join(root, "reach")
const bin = (name: string, program: string) => join(folder, "node_modules", name, program)

const runtimes: ReadonlyArray<Runtime> = [
  { name: "Node.js 22", program: bin("node-22", "bin/node") },
  { name: "Node.js 24", program: process.execPath },
  { name: "Node.js 26", program: bin("node-26", "bin/node") },
  { name: "Bun", program: bin("bun", "bin/bun") },
  { name: "Deno", program: bin("deno", "deno"), arguments: ["run", "-A", "--quiet", "--node-modules-dir=manual"] }
]

const execute = (program: string, args: ReadonlyArray<string>, env: Readonly<Record<string, string>> = {}) =>
  Effect.callback<string>((resume) => {
    const child = execFile(
      program,
      args,
      { cwd: root, env: { ...process.env, ...env }, timeout: 120_000 },
      (error, stdout, stderr) =>
        resume(Effect.succeed(error === null ? stdout : `${stdout}\n${stderr}${error.message}`))
    )
    return Effect.sync(() => child.kill("SIGKILL"))
  })

const isCheck = (line: string): boolean => line.startsWith("{\"name\"")

/** Runs all checks, and returns them with the version of the runtime. */
const run = Effect.fnUntraced(function*({ arguments: args = [], name, program }: Runtime, servers: Servers) {
  const version = /\d+(\.\d+)+/.exec(yield* execute(program, ["--version"]))?.[0]
  const output = yield* execute(program, [...args, join(import.meta.dirname, "reachChecks.ts")], {
    REACH: JSON.stringify(servers),
    NODE_NO_WARNINGS: "1"
  })
  const lines = output.split("\n")
  const checks = lines.filter(isCheck).map((line) => JSON.parse(line) as Check)
  const rest = lines.filter((line) => line.trim() !== "" && !isCheck(line)).join("\n")
  yield* Console.log(`\n${name} (${version ?? "not started"})`)
  for (const check of checks) {
    yield* Console.log(`  ${check.problem === undefined ? "passed" : "FAILED"}  ${check.name}`)
  }
  for (const { name, problem } of checks) if (problem !== undefined) yield* Console.log(`${name}: ${problem}`)
  if (rest !== "") yield* Console.log(rest)
  return { name: `${name.replace(/ \d+$/, "")} ${version}`, checks }
})

const servers = Effect.gen(function*() {
  const authority = yield* Certificates.makeAuthority({ name: "Root" })
  const other = yield* Certificates.makeAuthority({ name: "Other" })
  const tls = yield* authority.issue({ name: "localhost", hosts: ["localhost", "127.0.0.1"] })
  const postgres = yield* PostgresServer.make({ tls })
  const hyper = yield* HyperdServer.make()
  const { database, endpoint, password, socket, user } = postgres
  if (hyper.endpoint._tag !== "Tcp") return yield* Effect.die("Hyper listens on a socket file")
  const found: Servers = {
    postgres: {
      host: endpoint.host,
      port: endpoint.port,
      socket: socket.path,
      user,
      password: Redacted.value(password),
      database,
      root: authority.certificate,
      otherRoot: other.certificate
    },
    hyper: {
      host: hyper.endpoint.host,
      port: hyper.endpoint.port,
      user: hyper.user,
      password: hyper.password && Redacted.value(hyper.password)
    }
  }
  return found
})

/** Writes a table with a row for each check and a column for each runtime. */
const writePage = (results: ReadonlyArray<{ readonly name: string; readonly checks: ReadonlyArray<Check> }>): void => {
  const row = (cells: ReadonlyArray<string>) => `| ${cells.join(" | ")} |`
  const names = results[0]!.checks.map(({ name }) => name)
  const lines = names.map((name) =>
    row([name, ...results.map(({ checks }) => checks.some((check) => check.name === name) ? "passed" : "not run")])
  )
  writeFileSync(
    join(root, "packages/docs/runtimes.md"),
    `# Runtimes

Written by \`npm run reach\`, which runs each check on each runtime, from the built packages, against a real PostgreSQL 18 and a real
Hyper server on Linux. Windows and macOS were not tested on machines.

${row(["check", ...results.map(({ name }) => name)])}
${row(Array.from({ length: results.length + 1 }, () => "---"))}
${lines.join("\n")}
`
  )
  execFileSync("npx", [
    "dprint",
    "fmt",
    "-c",
    "packages/tooling/dprint.json",
    "--config-discovery=false",
    "packages/docs/runtimes.md"
  ], {
    cwd: root,
    stdio: "ignore"
  })
}

const part = process.argv[2] ?? ""
if (part === "--servers") {
  await import("./reachServers.ts")
  process.exit()
}
const chosen = runtimes.filter(({ name }) => name.toLowerCase().includes(part.toLowerCase()))
if (chosen.some(({ program }) => !existsSync(program))) {
  execFileSync("npm", ["ci", "--ignore-scripts"], { cwd: folder, stdio: "inherit" })
}
execFileSync("npm", ["run", "build"], { cwd: root, stdio: "ignore" })
const results = await Effect.runPromise(
  Effect.flatMap(servers, (servers) => Effect.forEach(chosen, (runtime) => run(runtime, servers))).pipe(
    Effect.scoped,
    Effect.provide(NodePlatform.layer)
  )
)
const cells = results.flatMap(({ checks }) => checks)
const failed = cells.filter(({ problem }) => problem !== undefined).length
const expected = chosen.length * Math.max(...results.map(({ checks }) => checks.length))
console.log(`\n${expected} cells: ${cells.length - failed} passed, ${failed + expected - cells.length} failed`)
if (failed > 0 || cells.length < expected || expected === 0) process.exitCode = 1
else if (part === "") writePage(results)
