/** Writes of every kind on a pool, each of which appends values, and notes its outcome in a history. */
import type { Pool } from "@hyperfect/client/Pool"
import { sql } from "@hyperfect/client/Statement"
import { Cause, Effect, Exit, Schedule, Stream } from "effect"
import type { Append, History, Outcome } from "./failoverOracle.ts"

export const table =
  "create table appended (id bigint generated always as identity primary key, round int, key int, value int)"

/** The state that the writers of a round share. */
export interface Round {
  /** The number that tells its rows from those of other rounds. */
  readonly number: number
  readonly pool: Pool
  readonly history: History
  /** Called with the outcome of every write, and the server that has answered it. */
  readonly onOutcome: (way: Way, outcome: Outcome, server: number | undefined) => void
  /** Called with the failure of every write. */
  readonly onFailure: (way: Way, cause: Cause.Cause<unknown>) => void
}

/**
 * Returns the outcome of a write that has failed, as a program would read it: only one that was interrupted, or of which it
 * is unknown what was sent, may be there, and no transaction of which no COMMIT was sent.
 */
const outcomeOf = (cause: Cause.Cause<unknown>, isComplete: boolean): Outcome => {
  const error = cause.reasons.find(Cause.isFailReason)?.error as { readonly sent?: unknown } | undefined
  const isCertain = error !== undefined && !Cause.isTimeoutError(error) && error.sent !== "unknown"
  return !isComplete || isCertain ? "failed" : "unknown"
}

const insert = ({ number }: Round, { key, value }: Append) =>
  sql`insert into appended (round, key, value) values (${number}, ${key}, ${value})
    returning current_setting('port')::int as port`

type Rows = { readonly rows: ReadonlyArray<{ readonly [name: string]: unknown }> }

const portOf = ({ rows }: Rows): number => Number(rows[0]!["port"])

/** Notes the end of a write. */
const settle = (
  { history, onFailure, onOutcome }: Round,
  way: Way,
  appends: ReadonlyArray<Append>,
  exit: Exit.Exit<number | undefined, unknown>,
  isComplete = true
): Outcome => {
  const outcome = Exit.isSuccess(exit) ? "answered" : outcomeOf(exit.cause, isComplete)
  const server = Exit.isSuccess(exit) ? exit.value : undefined
  history.end(appends, outcome, server)
  onOutcome(way, outcome, server)
  if (Exit.isFailure(exit)) onFailure(way, exit.cause)
  return outcome
}

/** Runs a write of values that are written together. It succeeds with the server, if that is known. */
const write = <R>(
  round: Round,
  way: Way,
  key: number,
  count: number,
  run: (appends: ReadonlyArray<Append>) => Effect.Effect<number | undefined, unknown, R>
): Effect.Effect<Outcome, never, R> =>
  Effect.suspend(() => {
    const appends = round.history.begin(key, count)
    return Effect.map(Effect.exit(run(appends)), (exit) => settle(round, way, appends, exit))
  })

const single = (round: Round, [append]: ReadonlyArray<Append>) =>
  Effect.map(round.pool.query(insert(round, append!)), portOf)

/** Writes two values in a transaction, once or for as often as it may be repeated. */
const inTransaction = (way: "transaction" | "retryTransaction") => (round: Round, key: number) =>
  Effect.suspend(() => {
    const { history, pool } = round
    const [first, second] = history.begin(key, 2) as [Append, Append]
    let isComplete = false
    const body = Effect.gen(function*() {
      isComplete = false
      yield* pool.query(insert(round, first))
      const port = portOf(yield* pool.query(insert(round, second)))
      isComplete = true
      return port
    })
    const run = way === "transaction"
      ? pool.transaction(body)
      : pool.retryTransaction(body, { schedule: Schedule.max([Schedule.spaced("50 millis"), Schedule.recurs(40)]) })
    return Effect.map(Effect.exit(run), (exit) => settle(round, way, [first, second], exit, isComplete))
  })

/** Writes three values, each on its own, but sent together. */
const pipelined = Effect.fnUntraced(function*(round: Round, key: number) {
  const appends = [1, 2, 3].map(() => round.history.begin(key, 1)[0]!)
  const results = yield* Effect.exit(round.pool.pipeline(appends.map((append) => insert(round, append))))
  for (const [i, append] of appends.entries()) {
    const own = Effect.flatMap(results, (all) => Effect.map(Effect.fromResult(all[i]!), portOf))
    settle(round, "pipeline", [append], yield* Effect.exit(own))
  }
})

/** Writes some values by a statement that is prepared by hand, until one of them fails. */
const prepared = (round: Round, key: number) =>
  Effect.scoped(Effect.gen(function*() {
    const statement = yield* round.pool.prepare(
      "insert into appended (round, key, value) values ($1, $2, $3) returning current_setting('port')::int as port"
    )
    for (let i = 0; i < 3; i++) {
      const outcome = yield* write(
        round,
        "prepared",
        key,
        1,
        ([append]) => Effect.map(statement.query(round.number, key, append!.value), portOf)
      )
      if (outcome !== "answered") break
    }
  })).pipe(Effect.catchCause((cause) => Effect.sync(() => round.onFailure("prepared", cause))))

/** Writes a value, again for as long as the error says that this does no harm. */
const retried = (round: Round, key: number) =>
  write(round, "retry", key, 1, (appends) =>
    Effect.retry(single(round, appends), {
      while: ({ isRetryable }) => isRetryable,
      schedule: Schedule.spaced("20 millis"),
      times: 40
    }))

const copied = (round: Round, key: number) =>
  write(round, "copy", key, 3, (appends) => {
    const text = appends.map(({ value }) => `${round.number}\t${key}\t${value}\n`).join("")
    return Effect.as(
      round.pool.copyIn("copy appended (round, key, value) from stdin", Stream.make(new TextEncoder().encode(text))),
      undefined
    )
  })

export type Way =
  | "query"
  | "retry"
  | "prepared"
  | "transaction"
  | "retryTransaction"
  | "batch"
  | "pipeline"
  | "copy"
  | "interrupted"

/** The ways to write. `chance` is a random number. */
const ways: ReadonlyArray<(round: Round, key: number, chance: number) => Effect.Effect<unknown>> = [
  (round, key) => write(round, "query", key, 1, (appends) => single(round, appends)),
  retried,
  prepared,
  inTransaction("transaction"),
  inTransaction("retryTransaction"),
  (round, key) =>
    write(
      round,
      "batch",
      key,
      2,
      (appends) =>
        Effect.map(round.pool.batch(appends.map((append) => insert(round, append))), ([result]) => portOf(result!))
    ),
  pipelined,
  copied,
  (round, key, chance) =>
    write(round, "interrupted", key, 1, (appends) => Effect.timeout(single(round, appends), 20 * chance))
]

/**
 * Writes one after the other on one key until `isOver`, and then until one is answered: so that each of the writers has
 * seen the end of every fault.
 */
export const writer = (round: Round, key: number, random: () => number, isOver: () => boolean) =>
  Effect.gen(function*() {
    while (!isOver()) {
      yield* ways[Math.floor(random() * ways.length)]!(round, key, random())
      yield* Effect.sleep(4 * random())
    }
    yield* Effect.repeat(write(round, "query", key, 1, (appends) => single(round, appends)), {
      schedule: Schedule.spaced("20 millis"),
      until: (outcome) => outcome === "answered"
    })
  })
