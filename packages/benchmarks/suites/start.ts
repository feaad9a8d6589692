/** B9: programs that start, ask once and end, from the files that a user installs. */
import { execFile, execFileSync } from "node:child_process"
import { join } from "node:path"
import type { Entry, Kind, Workload } from "../Workload.ts"
import { start as startServer } from "./client.ts"
import { getAddress } from "./client/address.ts"

const root = join(import.meta.dirname, "../../..")

/** Builds the packages, and starts the server. */
export const start = (): Promise<() => Promise<void>> => {
  execFileSync("npm", ["run", "build"], { cwd: root, stdio: "ignore" })
  return startServer()
}

/** Programs that have `address` and `text`, and collect the rows of `text` as objects. */
const programs = {
  hyperfect: `import * as Client from "@hyperfect/client/Client"
import { layer } from "@hyperfect/node/NodePlatform"
import { Endpoint } from "@hyperfect/transport"
import { Effect, Layer, Redacted } from "effect"
const { database, host, port, user } = address
const config = { endpoint: Endpoint.tcp(host, port), database, user, password: Redacted.make(address.password) }
const { rows } = await Effect.runPromise(
  Effect.flatMap(Client.Client, (client) => client.query(text)).pipe(
    Effect.provide(Layer.provide(Client.layer(config), layer))
  )
)`,
  "@effect/sql-pg": `import { PgClient } from "@effect/sql-pg"
import { Effect, Redacted } from "effect"
import { SqlClient } from "effect/sql"
const { database, host, port, user } = address
const config = { host, port, database, username: user, password: Redacted.make(address.password) }
const rows = await Effect.runPromise(
  Effect.flatMap(SqlClient.SqlClient, (sql) => sql.unsafe(text)).pipe(Effect.provide(PgClient.layer(config)))
)`,
  pg: `import pg from "pg"
const client = new pg.Client(address)
await client.connect()
const { rows } = await client.query(text)
await client.end()`,
  postgres: `import postgres from "postgres"
const { database, host, password, port, user } = address
const sql = postgres({ host, port, database, user, password, max: 1 })
const rows = await sql.unsafe(text)
await sql.end()`
} as const

/** Runs a program in a process of its own, and returns a digest of its rows. */
const run = (program: string, text: string, conditions: ReadonlyArray<string>) =>
  new Promise<{ readonly digest: string; readonly childCpuMs: number }>((resolve, reject) => {
    const code = `${program}
let sum = 0
for (const row of rows) for (const key in row) sum += Number(row[key]) || String(row[key]).length
const { system, user: own } = process.cpuUsage()
console.log(JSON.stringify({ digest: rows.length + " rows, " + sum, childCpuMs: (system + own) / 1000 }))`
    const { database, host, password, port, user } = getAddress()
    const given = `const address = ${JSON.stringify({ database, host, password, port, user })}
const text = ${JSON.stringify(text)}\n`
    const args = [...conditions.map((name) => `--conditions=${name}`), "--input-type=module", "-e", given + code]
    execFile(process.execPath, args, { cwd: join(root, "packages/benchmarks") }, (error, output) => {
      if (error === null) resolve(JSON.parse(output))
      else reject(error)
    })
  })

const entry = (
  name: string,
  kind: Kind,
  program: string,
  text: string,
  conditions: ReadonlyArray<string> = []
): Entry => ({
  name,
  kind,
  setup: () =>
    Promise.resolve({
      run: () => run(program, text, conditions),
      check: async () => (await run(program, text, conditions)).digest
    })
})

const workload = (id: string, title: string, text: string): Workload => ({
  id,
  title,
  entries: [
    entry("hyperfect", "ours", programs.hyperfect, text),
    entry("hyperfect, a file a module", "ours", programs.hyperfect, text, ["module"]),
    entry("@effect/sql-pg", "peer", programs["@effect/sql-pg"], text),
    entry("pg", "peer", programs.pg, text),
    entry("postgres", "peer", programs.postgres, text)
  ]
})

export const workloads: ReadonlyArray<Workload> = [
  workload("B9a", "A fresh process that connects with SCRAM, asks once and ends", "select 1 as n"),
  workload(
    "B9b",
    "A fresh process that collects 200k rows of 4 columns once",
    "select i as id, 'name ' || i as name, i / 1024.0::float8 as ratio, i % 2 as odd from generate_series(1, 200000) as g(i)"
  )
]
