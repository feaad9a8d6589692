/** A trial of the cluster of `cluster/accounts.ts`: deposits while something fails, and what must hold afterwards. */
import { ConnectionConfig, Session } from "@hyperfect/client"
import { NodePlatform } from "@hyperfect/node"
import { HyperSql } from "@hyperfect/sql"
import { PostgresServer } from "@hyperfect/testing"
import { Endpoint } from "@hyperfect/transport"
import { Effect, Layer, Redacted, Schedule } from "effect"
import { SqlClient } from "effect/sql"
import { type ChildProcess, spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { startPgBouncer } from "../../client/test/pgbouncer.ts"
import { freePort } from "../../testing/test/ports.ts"
import { cluster, createTables, deposit } from "../cluster/accounts.ts"

/** The failure in the middle of a trial. */
export type Fault =
  | "none"
  | "a killed runner"
  | "a frozen runner"
  | "lost connections"
  | "lost connections through PgBouncer"
  | "a restarted database"
  | "a promoted standby"

const startRunner = (port: number, url: string) =>
  Effect.acquireRelease(
    Effect.sync(() =>
      spawn(
        process.execPath,
        [
          "--conditions=@hyperfect/source",
          fileURLToPath(new URL("../cluster.ts", import.meta.url)),
          "runner",
          `${port}`
        ],
        { env: { ...process.env, DATABASE_URL: url }, stdio: "ignore" }
      )
    ),
    (child: ChildProcess) => Effect.sync(() => child.kill("SIGKILL"))
  )

const names = ["ada", "bob", "eve", "joe"]

/** Deposits of one each, one after the other on each account; returns the balances that were answered. */
const deposits = Effect.fnUntraced(function*(count: number, strike: (runner: string) => Effect.Effect<void>) {
  return yield* Effect.forEach(
    names,
    (name) =>
      Effect.forEach(
        Array.from({ length: count }, (_, n) => n),
        (n) =>
          deposit(name, { id: `${n}`, amount: 1 }).pipe(
            Effect.timeout("40 seconds"),
            Effect.tap(({ runner }) =>
              n === Math.floor(count / 3) && name === names[0] ? strike(runner) : Effect.sleep("50 millis")
            ),
            Effect.map(({ balance }) => balance)
          )
      ),
    { concurrency: "unbounded" }
  )
})

/**
 * Runs a trial with two runners on a server of PostgreSQL of its own. Returns the balances that were answered, in the order of
 * the deposits, the balances in the database, and the number of deposits of one account that were handled at once.
 */
export const run = Effect.fnUntraced(function*(fault: Fault, count: number) {
  const pair = fault === "a promoted standby" || fault === "a restarted database"
    ? yield* PostgresServer.makePair()
    : undefined
  const server = pair?.primary ?? (yield* PostgresServer.make())
  const { database, endpoint, user } = fault === "lost connections through PgBouncer"
    ? yield* startPgBouncer(server, "session", 40)
    : server
  const hosts = [endpoint, ...pair === undefined ? [] : [pair.standby.endpoint]].map(Endpoint.format).join()
  const url = `postgresql://${user}:${
    Redacted.value(server.password)
  }@${hosts}/${database}?target_session_attrs=read-write`
  const config = yield* ConnectionConfig.fromUri(url)
  const ports = [yield* freePort, yield* freePort]
  const live = Layer.provideMerge(cluster(), HyperSql.layer(config, { max: 8 })).pipe(Layer.provide(NodePlatform.layer))
  return yield* Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    yield* createTables
    const runners = yield* Effect.forEach(ports, (port) => startRunner(port, url))
    // Deposits are handled from the start, but the trial is about two runners.
    yield* sql`select count(*)::int as n from cluster_runners`.pipe(
      Effect.flatMap(([row]) => row!["n"] === 2 ? Effect.void : Effect.fail("not yet" as const)),
      Effect.retry(Schedule.spaced("100 millis")),
      Effect.timeout("30 seconds")
    )
    const loseConnections = Effect.ignore(
      sql`select pg_terminate_backend(pid) from pg_stat_activity where backend_type = 'client backend'`
    )
    // The runner that has an account is struck, so that the account must move.
    const strike = (port: string) => {
      const runner = runners[ports.indexOf(Number(port))]!
      return {
        none: Effect.void,
        "a killed runner": Effect.sync(() => void runner.kill("SIGKILL")),
        "a frozen runner": Effect.sync(() => {
          runner.kill("SIGSTOP")
          setTimeout(() => runner.kill("SIGCONT"), 12_000)
        }),
        "lost connections": loseConnections,
        "lost connections through PgBouncer": loseConnections,
        "a restarted database": Effect.suspend(() => {
          process.kill(server.pid, "SIGKILL")
          return pair === undefined ? Effect.void : pair.restartPrimary()
        }).pipe(Effect.orDie, Effect.asVoid),
        "a promoted standby": Effect.suspend(() => {
          process.kill(server.pid, "SIGKILL")
          return pair === undefined ? Effect.void : Effect.scoped(
            Effect.flatMap(Session.make({ ...pair.standby }), (standby) => standby.query("select pg_promote()"))
          )
        }).pipe(Effect.provide(NodePlatform.layer), Effect.orDie, Effect.asVoid)
      }[fault]
    }
    const answered = yield* deposits(count, strike)
    const stored = yield* sql`select account, count(*)::int as n, sum(amount)::int as balance from deposits
      group by account order by account`
    const [overlapping] = yield* sql<{ n: number }>`select count(*)::int as n from deposits a join deposits b
      on a.account = b.account and a.id < b.id and a.started < b.ended and b.started < a.ended`
    const [moved] = yield* sql<{ n: number }>`select count(distinct runner)::int as n from deposits`
    return { answered, stored: stored.map((row) => ({ ...row })), overlapping: overlapping!.n, runners: moved!.n }
  }).pipe(Effect.provide(live, { local: true }))
}, Effect.scoped)

/** The results of a trial in which everything held. */
export const expected = (count: number) => ({
  answered: names.map(() => Array.from({ length: count }, (_, n) => n + 1)),
  stored: names.map((account) => ({ account, n: count, balance: count })),
  overlapping: 0
})
