/**
 * Rounds of a failover: writers work on a pool with both servers of a pair while one of them dies, or cannot be reached,
 * and the other one is promoted. The rows of every server that lives are compared with what the client has reported.
 */
import type { ConnectionConfig } from "@hyperfect/client/ConnectionConfig"
import * as Pool from "@hyperfect/client/Pool"
import { sql } from "@hyperfect/client/Statement"
import * as PostgresServer from "@hyperfect/testing/PostgresServer"
import * as Endpoint from "@hyperfect/transport/Endpoint"
import { Transport } from "@hyperfect/transport/Transport"
import { Cause, Effect, Exit, Fiber, Schedule, Scope } from "effect"
import { type Fault, faults, makePlan, strike, withSession } from "./failoverFaults.ts"
import { makeHost, makeTransport } from "./failoverNetwork.ts"
import { type Append, History, type Row } from "./failoverOracle.ts"
import { type Round, table, writer } from "./failoverWrites.ts"
import { nameOf } from "./soakRunner.ts"
import { makeRandom } from "./stalenessOperations.ts"

export interface Options {
  readonly rounds: number
  /** The seed of the first round; those of the others follow. */
  readonly seed: number
  /** The faults to choose from; all when absent. */
  readonly faults?: ReadonlyArray<Fault> | undefined
  /** Changes the rows that were read, to show that this is found. */
  readonly alter?: ((rows: ReadonlyArray<Row>) => ReadonlyArray<Row>) | undefined
}

export interface Report {
  readonly seed: number
  /** The number of rounds by fault. */
  readonly rounds: Record<string, number>
  /** The number of writes by way and outcome. */
  readonly outcomes: Record<string, number>
  /** The number of failures by name. */
  readonly errors: Record<string, number>
  /**
   * Milliseconds from the time when the promoted server was the only primary to the first write that it has answered, by
   * fault.
   */
  readonly promotions: Record<string, ReadonlyArray<number>>
  readonly violations: ReadonlyArray<string>
}

const workers = 6
/** The delay between looks at servers, which bounds the time that a promotion goes unnoticed. */
const recheck = 100

/** Short limits, so that a round with a silent host is short. */
const limits = { connectTimeout: 1000, queryTimeout: 400, silenceTimeout: 800 }

const count = (counts: Record<string, number>, name: string): void => {
  counts[name] = (counts[name] ?? 0) + 1
}

/** Errors that a failover can cause; all others are violations. */
const expected = new Set([
  "TransportError Closed",
  "TransportError OpenFailed",
  "TransportError OpenTimeout",
  "TransportError ReadFailed",
  "TransportError Unresponsive",
  "TransportError WriteFailed",
  "ProtocolError StreamEnded",
  "PoolError AcquireTimeout",
  "QueryTimeout",
  "TimeoutError",
  "ServerError AdminShutdown",
  "ServerError CannotConnectNow",
  "ServerError CrashShutdown",
  "ServerError QueryCanceled",
  // The end of a wait for the standby.
  "ServerError Warning"
])

const applicationName = "failover"

/** Reads the rows of a round, once no client of it can write any more. */
const readRows = (server: ConnectionConfig, round: number) =>
  withSession(server, (session) =>
    Effect.gen(function*() {
      yield* session.values(
        sql`select pg_terminate_backend(pid) from pg_stat_activity where application_name = ${applicationName}`
      ).pipe(Effect.repeat({ schedule: Schedule.spaced("20 millis"), until: ({ rows }) => rows.length === 0 }))
      const { rows } = yield* session.values(
        sql`select key, value from appended where round = ${round} order by id`
      )
      return rows.map(([key, value]): Row => ({ key: Number(key), value: Number(value) }))
    }))

/** The time after which a writer hangs: far more than all limits together. */
const settleTimeout = "60 seconds"

type Servers = PostgresServer.Pair & { readonly scope: Scope.Closeable }

interface World {
  readonly options: Options
  readonly rounds: Record<string, number>
  readonly outcomes: Record<string, number>
  readonly errors: Record<string, number>
  readonly promotions: Record<string, Array<number>>
  readonly violations: Array<string>
}

/** Runs a round. Returns the servers, if they are a pair as before. */
const runRound = Effect.fnUntraced(function*(world: World, servers: Servers, seed: number) {
  const random = makeRandom(seed)
  const plan = makePlan(random, world.options.faults ?? faults)
  const name = `${plan.fault}${plan.isPromoted ? ", promoted" : ""}${plan.isPromoted && plan.returns ? ", back" : ""}`
  count(world.rounds, name)
  const violate = (problem: string) => void world.violations.push(`seed ${seed}, ${JSON.stringify(plan)}: ${problem}`)

  const { primary, standby } = servers
  const hosts = [yield* makeHost(primary.endpoint.port), yield* makeHost(standby.endpoint.port)] as const
  const { database, password, user } = primary
  const [endpoint, ...alternatives] = (plan.isReversed ? hosts.toReversed() : hosts)
    .map(({ port }) => Endpoint.tcp("127.0.0.1", port)) as [Endpoint.Endpoint, Endpoint.Endpoint]
  const config: ConnectionConfig = {
    endpoint,
    alternatives,
    database,
    user,
    password,
    applicationName,
    targetSessionAttrs: "read-write",
    ...limits
  }
  const poolScope = yield* Scope.fork(yield* Effect.scope)
  const pool = yield* Pool.make(config, {
    max: 4,
    depth: 4,
    acquireTimeout: "10 seconds",
    hostRecheck: Schedule.spaced(recheck)
  }).pipe(
    // A busy machine may take longer for a login.
    Effect.retry({ times: 50 }),
    Scope.provide(poolScope),
    Effect.provideService(Transport, yield* makeTransport(hosts, seed))
  )

  let promotedAt: number | undefined
  let isOver = false
  const history = new History()
  const round: Round = {
    number: seed,
    pool,
    history,
    onOutcome: (way, outcome, server) => {
      count(world.outcomes, `${way} ${outcome}`)
      if (promotedAt === undefined || server !== standby.endpoint.port) return
      ;(world.promotions[plan.fault] ??= []).push(performance.now() - promotedAt)
      promotedAt = undefined
    },
    onFailure: (way, cause) => {
      for (const reason of cause.reasons) {
        const failure = Cause.isFailReason(reason) ? nameOf(reason.error) : reason._tag
        const sent = Cause.isFailReason(reason) ? (reason.error as { readonly sent?: string }).sent : undefined
        count(world.errors, sent === undefined ? failure : `${failure}, ${sent} sent`)
        if (!expected.has(failure)) violate(`${way}: ${failure}: ${Cause.pretty(cause)}`)
      }
    }
  }
  const writers = yield* Effect.forEach(
    Array.from({ length: workers }, (_, key) => key),
    (key) => Effect.forkChild(writer(round, key, makeRandom(seed * workers + key), () => isOver))
  )
  const returned = yield* strike(plan, servers, hosts, random, () => {
    promotedAt = performance.now()
  })
  isOver = true
  const ended = yield* Effect.timeoutOption(
    Effect.forEach(writers, (fiber) => Fiber.await(fiber), { concurrency: "unbounded" }),
    settleTimeout
  )
  if (ended._tag === "None") {
    violate(`a writer has not ended within ${settleTimeout}: ${JSON.stringify(pool.stats())}`)
    yield* Fiber.interruptAll(writers)
  }
  for (const exit of ended._tag === "None" ? [] : ended.value) {
    if (Exit.isFailure(exit)) violate(`a writer: ${Cause.pretty(exit.cause)}`)
  }
  yield* Scope.close(poolScope, Exit.void)

  const byPrimary = ({ end }: Append) => end?.server === primary.endpoint.port
  const living: ReadonlyArray<readonly [ConnectionConfig, ((append: Append) => boolean) | undefined]> = plan.isPromoted
    ? [[standby, undefined], ...returned === undefined ? [] : [[returned, byPrimary] as const]]
    : [[returned ?? primary, undefined], [standby, undefined]]
  for (const [server, isRequired] of living) {
    const rows = yield* readRows(server, seed)
    const problems = history.check(world.options.alter?.(rows) ?? rows, isRequired)
    for (const problem of problems) violate(`${Endpoint.format(server.endpoint)}: ${problem}`)
  }
  return plan.isPromoted ? undefined : { ...servers, primary: returned ?? primary }
}, Effect.scoped)

/** With `remote_apply`, what was answered can be read on the standby at once. */
const settings = { synchronous_commit: "remote_apply", wal_retrieve_retry_interval: "100ms" }

const startServers = Effect.gen(function*() {
  const scope = yield* Scope.fork(yield* Effect.scope)
  const pair = yield* Scope.provide(
    PostgresServer.makePair({ authentication: "trust", setup: [table], settings }),
    scope
  )
  return { ...pair, scope } satisfies Servers as Servers
})

/** Runs the rounds, each with one fault, and collects the violations. A pair is used until its standby is promoted. */
export const findViolations = Effect.fnUntraced(function*(options: Options) {
  const world: World = { options, rounds: {}, outcomes: {}, errors: {}, promotions: {}, violations: [] }
  let servers: Servers | undefined
  for (let seed = options.seed; seed < options.seed + options.rounds; seed++) {
    const current: Servers = servers ?? (yield* startServers)
    servers = yield* runRound(world, current, seed)
    if (servers === undefined) yield* Scope.close(current.scope, Exit.void)
  }
  return { seed: options.seed, ...world } satisfies Report as Report
}, Effect.scoped)

const lines = (counts: Readonly<Record<string, number>>): ReadonlyArray<string> =>
  Object.entries(counts).toSorted(([a], [b]) => a < b ? -1 : 1)
    .map(([name, count]) => `  ${name.padEnd(28)}${String(count).padStart(6)}`)

const times = (promotions: Report["promotions"]): ReadonlyArray<string> =>
  Object.entries(promotions).toSorted(([a], [b]) => a < b ? -1 : 1).map(([fault, times]) => {
    const sorted = times.toSorted((a, b) => a - b).map(Math.round)
    return `  ${fault.padEnd(28)}${sorted.length} times: median ${sorted[sorted.length >> 1]}, most ${sorted.at(-1)}`
  })

/** Formats the report as text. */
export const format = ({ errors, outcomes, promotions, rounds, seed, violations }: Report): string =>
  [
    `failovers from seed ${seed} on`,
    ...lines(rounds),
    "",
    ...lines(outcomes),
    "",
    ...lines(errors),
    "",
    `milliseconds from a promotion to the first write, with a hostRecheck of ${recheck}`,
    ...times(promotions),
    "",
    violations.length === 0 ? "no violations" : `${violations.length} VIOLATIONS`,
    ...violations.map((violation) => `  ${violation}`)
  ].join("\n")
