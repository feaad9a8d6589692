// Runs the checks of reachChecks.ts on each runtime, from the built packages, against one PostgreSQL and one Hyper server:
// npm run reach [-- part of a runtime's name]. The runtimes come from the folder `reach`, which is installed if needed. A
// run of all of them writes packages/docs/runtimes.md. With --servers, it runs the client's tests on the versions of
// PostgreSQL instead, and writes their table in packages/docs/servers.md.
import { NodePlatform } from "@hyperfect/node"
import { Certificates, HyperdServer, PostgresServer } from "@hyperfect/testing"
import { Console, Effect, Redacted } from "effect"
import { execFile, execFileSync } from "node:child_process"
import { statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { Outcome } from "./reachChecks.ts"

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
  /** The module that runs the checks. Defaults to the one for Node.js. */
  readonly module?: string
}

const root = join(import.meta.dirname, "../..")
const folder = join(root, "reach")
const bin = (name: string, program: string) => join(folder, "node_modules", name, program)

const runtimes: ReadonlyArray<Runtime> = [
  { name: "Node.js 22", program: bin("node-22", "bin/node") },
  { name: "Node.js 24", program: process.execPath },
  { name: "Node.js 26", program: bin("node-26", "bin/node") },
  { name: "Bun", program: bin("bun", "bin/bun") },
  { name: "Deno", program: bin("deno", "deno"), arguments: ["run", "-A", "--quiet", "--node-modules-dir=manual"] },
  { name: "Chromium", program: process.execPath, module: "reachChromium.ts" },
  { name: "workerd", program: process.execPath, module: "reachWorkerd.ts" }
]

/** Runs a program, and returns its output, which contains its errors if it has failed. */
const execute = (program: string, args: ReadonlyArray<string>, env: Readonly<Record<string, string>>) =>
  Effect.callback<{ readonly output: string; readonly isFailed: boolean }>((resume) => {
    const child = execFile(
      program,
      args,
      { cwd: root, env: { ...process.env, ...env }, timeout: 120_000 },
      (error, stdout) =>
        resume(Effect.succeed({ output: `${stdout}\n${error?.message ?? ""}`, isFailed: error !== null }))
    )
    return Effect.sync(() => child.kill("SIGKILL"))
  })

const resultOf = ({ impossible }: Outcome): string => impossible === undefined ? "passed" : "not possible"

const isReport = (line: string): boolean => /^\{"(?:name|version)"/.test(line)

/** Runs all checks, and returns them with the version of the runtime. */
const run = Effect.fnUntraced(function*(
  { arguments: args = [], module = "reachNode.ts", name, program }: Runtime,
  servers: Servers
) {
  const { database, host, password, port, user } = servers.postgres
  const { isFailed, output } = yield* execute(program, [...args, join(import.meta.dirname, module)], {
    REACH: JSON.stringify(servers),
    PGHOST: host,
    PGPORT: String(port),
    PGUSER: user,
    PGPASSWORD: password,
    PGDATABASE: database,
    NODE_NO_WARNINGS: "1"
  })
  const lines = output.split("\n")
  const reports = lines.filter(isReport).map((line) => JSON.parse(line) as Outcome & { readonly version?: string })
  const version = reports.find(({ version }) => version !== undefined)?.version
  const checks: Array<Outcome> = reports.filter(({ version }) => version === undefined)
  if (isFailed) checks.push({ name: "the program itself", problem: "has not run to its end" })
  const rest = lines.filter((line) => line.trim() !== "" && !isReport(line)).join("\n")
  yield* Console.log(`\n${name} (${version ?? "not started"})`)
  for (const check of checks) {
    yield* Console.log(`  ${check.problem === undefined ? resultOf(check) : "FAILED"}  ${check.name}`)
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

/** Writes a table with a row for each check and a column for each runtime, and why some cells are not possible. */
const writePage = (
  results: ReadonlyArray<{ readonly name: string; readonly checks: ReadonlyArray<Outcome> }>
): void => {
  const row = (cells: ReadonlyArray<string>) => `| ${cells.join(" | ")} |`
  const names = results[0]!.checks.map(({ name }) => name)
  const lines = names.map((name) =>
    row([name, ...results.map(({ checks }) => resultOf(checks.find((check) => check.name === name)!))])
  )
  const reasons = results.flatMap(({ checks, name }) => {
    const impossible = Map.groupBy(
      checks.filter((check) => check.impossible !== undefined),
      (check) => check.impossible
    )
    return Array.from(
      impossible,
      ([reason, checks]) => `- ${name}, ${checks.map(({ name }) => name).join(", ")}: ${reason}.`
    )
  })
  writeFileSync(
    join(root, "packages/docs/runtimes.md"),
    `# Runtimes

Generated by \`npm run reach\`, which runs each check on each runtime, with the built packages, against a real PostgreSQL 18 and a
real Hyper server on Linux. Windows and macOS were not tested. The check of PGlite starts a PGlite in the runtime itself, and in
Chromium also one in a Worker (\`PGliteWorker\`); it runs a query, COPY in both directions, a notification and an error.

A page in Chromium reaches both servers through [the WebSocket proxy of the examples](../examples/proxy/webSocketProxy.ts). workerd
is the runtime of Cloudflare Workers, and uses \`cloudflare:sockets\`.

${row(["check", ...results.map(({ name }) => name)])}
${row(Array.from({ length: results.length + 1 }, () => "---"))}
${lines.join("\n")}

These checks are not possible. Where a program can try them, they fail with a typed error.

${reasons.join("\n")}
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
const installed = statSync(join(folder, "node_modules/.package-lock.json"), { throwIfNoEntry: false })
if (installed === undefined || installed.mtimeMs < statSync(join(folder, "package-lock.json")).mtimeMs) {
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
const impossible = cells.filter((cell) => cell.impossible !== undefined).length
const passed = cells.length - failed - impossible
const expected = chosen.length * Math.max(...results.map(({ checks }) => checks.length))
console.log(
  `\n${expected} cells: ${passed} passed, ${impossible} not possible, ${expected - passed - impossible} failed`
)
if (failed > 0 || cells.length < expected || expected === 0) process.exitCode = 1
else if (part === "") writePage(results)
