/**
 * Interrupts every kind of operation at each step of the scheduler, next to another operation that must not be
 * affected.
 *
 * A trial starts an operation, lets the scheduler run for a number of steps and interrupts the operation, while another
 * operation reads and writes on the same session or pool. Once all have ended, the rows written by the operations are
 * counted: each operation wrote all of its rows or none, once, and all of them if its caller was told that it
 * succeeded.
 */
import * as Lock from "@hyperfect/client/Lock"
import * as Notifications from "@hyperfect/client/Notifications"
import * as Pool from "@hyperfect/client/Pool"
import type * as Queries from "@hyperfect/client/Queries"
import * as Session from "@hyperfect/client/Session"
import * as Statement from "@hyperfect/client/Statement"
import { Transport } from "@hyperfect/transport/Transport"
import * as BuiltIn from "@hyperfect/values/BuiltIn"
import { Effect, Exit, Fiber, References, Schedule, Stream } from "effect"
import { forkImmediately } from "./fibers.ts"
import { TestServer } from "./liveServers.ts"
import { openPool, trackConnections, waitUntil } from "./pools.ts"

const { sql } = Statement
const encoder = new TextEncoder()

interface Place {
  /** The client of the operation and its neighbour. */
  readonly client: Queries.Queries<unknown>
  readonly pool: Pool.Pool | undefined
  readonly notifications: Notifications.Listening
}

interface Operation {
  readonly run: (place: Place, trial: number) => Effect.Effect<unknown, unknown>
  /** The number of rows that it writes: all of them or none, unless its statements are independent. */
  readonly rows?: number
  readonly isPipeline?: boolean
  /** The only kind of server that it runs on. */
  readonly only?: "postgres"
}

const insert = (trial: number, part: number) => sql`insert into written values (${trial}, ${part})`
const numbers = "select n from generate_series(1, 500) as g(n)"
const lines = (trial: number) => Stream.make(...[0, 1, 2].map((part) => encoder.encode(`${trial},${part}\n`)))

const clientOperations: Readonly<Record<string, Operation>> = {
  query: { rows: 1, run: ({ client }, trial) => client.query(insert(trial, 0)) },
  one: { run: ({ client }) => client.one("select 7 as n") },
  values: { run: ({ client }) => client.values(numbers) },
  columns: { run: ({ client }) => client.columns(numbers) },
  execute: { rows: 1, run: ({ client }, trial) => client.execute(insert(trial, 0)) },
  simple: { rows: 1, run: ({ client }, trial) => client.simple(`insert into written values (${trial}, 0)`) },
  "a new text": { run: ({ client }, trial) => client.values(`select ${trial} as n`) },
  describe: { run: ({ client }) => client.describe("select 7 as n") },
  batch: { rows: 2, run: ({ client }, trial) => client.batch([insert(trial, 0), insert(trial, 1)]) },
  pipeline: {
    rows: 2,
    isPipeline: true,
    run: ({ client }, trial) => client.pipeline([insert(trial, 0), insert(trial, 1)])
  },
  prepare: {
    run: ({ client }) =>
      Effect.scoped(Effect.flatMap(client.prepare("select $1 + 1 as n", [BuiltIn.int4]), ({ query }) => query(1)))
  },
  stream: { run: ({ client }) => Stream.runDrain(client.stream(numbers)) },
  "a stream in portions": { run: ({ client }) => Stream.runDrain(client.stream(numbers, { fetchSize: 200 })) },
  "a stream that is left early": { run: ({ client }) => Stream.runDrain(Stream.take(client.stream(numbers), 3)) },
  transaction: {
    rows: 2,
    run: ({ client }, trial) =>
      client.transaction(Effect.andThen(client.query(insert(trial, 0)), client.query(insert(trial, 1))))
  },
  savepoint: {
    rows: 2,
    only: "postgres",
    run: ({ client }, trial) =>
      client.transaction(
        Effect.andThen(client.query(insert(trial, 0)), client.transaction(client.query(insert(trial, 1))))
      )
  },
  "a transaction that fails": {
    rows: 0,
    run: ({ client }, trial) =>
      Effect.flip(client.transaction(Effect.andThen(client.query(insert(trial, 0)), Effect.fail("no"))))
  },
  "a stream in a transaction": {
    run: ({ client }) => client.transaction(Stream.runDrain(client.stream(numbers)))
  },
  copyIn: {
    rows: 3,
    run: ({ client }, trial) => client.copyIn("copy written from stdin with (format csv)", lines(trial))
  },
  copyOut: { run: ({ client }) => Stream.runDrain(client.copyOut(`copy (${numbers}) to stdout with (format csv)`)) }
}

const listenOperations: Readonly<Record<string, Operation>> = {
  listen: {
    only: "postgres",
    run: ({ notifications }, trial) => Effect.scoped(notifications.subscribe(`channel ${trial % 3}`))
  }
}

const poolOperations: Readonly<Record<string, Operation>> = {
  acquire: { run: ({ pool }) => Effect.scoped(pool!.session) },
  session: {
    rows: 1,
    run: ({ pool }, trial) => Effect.scoped(Effect.flatMap(pool!.session, (own) => own.query(insert(trial, 0))))
  },
  lock: {
    rows: 1,
    only: "postgres",
    run: ({ pool }, trial) =>
      pool!.query(insert(trial, 0)).pipe(Lock.withLock([0, trial]), Effect.provideService(Pool.Pool, pool!))
  },
  "a lock with a lease": {
    rows: 1,
    only: "postgres",
    run: ({ pool }, trial) =>
      pool!.query(insert(trial, 0)).pipe(
        Lock.withLock([0, trial], { lease: "1 minute" }),
        Effect.provideService(Pool.Pool, pool!)
      )
  }
}

/** The selection of trials. */
export interface Choice {
  /** The number of steps of the scheduler within which each operation is interrupted. */
  readonly ticks: number
  /** The distance between the steps that are tried. */
  readonly stride: number
}

/** The numbers of operations that a fiber may run before it has to yield; `undefined` is the default. */
const budgets = [undefined, 3, 4, 7] as const

const expected = (found: unknown, wanted: unknown, what: string): ReadonlyArray<string> =>
  JSON.stringify(found) === JSON.stringify(wanted)
    ? []
    : [`${what}: ${JSON.stringify(found)} instead of ${JSON.stringify(wanted)}`]

/** Runs the trials of an operation and returns the problems found. */
const runOperation = Effect.fnUntraced(function*(
  place: Place,
  observer: Session.Session,
  { isPipeline = false, rows = 0, run }: Operation,
  { stride, ticks }: Choice
) {
  const problems: Array<string> = []
  const done = new Set<number>()
  const trials: Array<string> = []
  for (const [b, budget] of budgets.entries()) {
    const first = (b * stride) >> 2
    const chosen = Array.from({ length: Math.ceil((ticks - first) / stride) }, (_, i) => first + i * stride)
    // How far it gets in so many steps depends on the server: the last one is interrupted when it has ended.
    for (const tick of [...chosen, Infinity]) {
      const trial = trials.length
      const what = `interrupted at ${tick} with a budget of ${budget ?? "the default"}`
      trials.push(what)
      const operation = run(place, trial)
      const running = yield* forkImmediately(
        budget === undefined ? operation : Effect.provideService(operation, References.MaxOpsBeforeYield, budget)
      )
      const neighbour = yield* forkImmediately(Effect.all([
        place.client.values(sql`select ${`token ${trial}`}::text`),
        place.client.query(sql`insert into beside values (${trial})`)
      ], { concurrency: "unbounded" }))
      for (let i = 0; i < tick && running.pollUnsafe() === undefined; i++) yield* Effect.yieldNow
      yield* Fiber.interrupt(running)
      const exit = yield* Fiber.await(running)
      if (Exit.isSuccess(exit)) done.add(trial)
      else if (!Exit.hasInterrupts(exit)) problems.push(`${what}: ${String(exit.cause)}`)
      const beside = yield* Effect.exit(Effect.timeout(Fiber.join(neighbour), "30 seconds"))
      if (Exit.isFailure(beside)) problems.push(`${what}, the neighbour: ${String(beside.cause)}`)
      else problems.push(...expected(beside.value[0].rows, [[`token ${trial}`]], `${what}, the neighbour's answer`))
      const after = yield* Effect.exit(
        Effect.timeout(place.client.values(sql`select ${`after ${trial}`}::text`), "30 seconds")
      )
      if (Exit.isFailure(after)) problems.push(`${what}, afterwards: ${String(after.cause)}`)
      else problems.push(...expected(after.value.rows, [[`after ${trial}`]], `${what}, the answer afterwards`))
    }
  }
  const { pool } = place
  if (pool !== undefined) {
    const isIdle = () => {
      const { queries, taken, waiting } = pool.stats()
      return queries === 0 && taken === 0 && waiting === 0
    }
    const settled = yield* Effect.timeoutOption(waitUntil(isIdle), "30 seconds")
    if (settled._tag === "None") problems.push(`a slot was lost: ${JSON.stringify(pool.stats())}`)
  }
  const counts = yield* observer.values("select trial::int, count(*)::int from written group by trial")
  const written = new Map(counts.rows as ReadonlyArray<readonly [number, number]>)
  const parts = yield* observer.values(
    "select trial::int, part::int from written group by trial, part having count(*) > 1"
  )
  for (const [trial, part] of parts.rows) {
    problems.push(`${trials[Number(trial)]}: part ${String(part)} was written twice`)
  }
  for (const [trial, what] of trials.entries()) {
    const found = written.get(trial) ?? 0
    const isWhole = found === rows || (!done.has(trial) && (found === 0 || (isPipeline && found < rows)))
    if (!isWhole) problems.push(`${what}: ${found} of ${rows} rows were written`)
  }
  const beside = yield* observer.values("select trial::int from beside group by trial having count(*) = 1")
  if (beside.rows.length !== trials.length) {
    problems.push(`of the neighbour's ${trials.length} rows, ${beside.rows.length} were written once`)
  }
  yield* observer.simple("delete from written")
  yield* observer.simple("delete from beside")
  return { problems, trials: trials.length, done: done.size }
})

/** Runs the trials of all operations, on one session and over a pool, and returns the problems found. */
export const runAll = Effect.fnUntraced(function*(choice: Choice) {
  const { config, kind } = yield* TestServer
  const { connections, transport } = trackConnections(yield* Transport)
  const observer = yield* Session.make(config)
  yield* observer.simple("create table written (trial int not null, part int not null)")
  yield* observer.simple("create table beside (trial int not null)")
  const problems: Array<string> = []
  const table: Record<string, { readonly trials: number; readonly done: number }> = {}
  const runPlace = Effect.fnUntraced(function*(
    name: string,
    place: Place,
    sessions: () => number,
    operations: Readonly<Record<string, Operation>>
  ) {
    for (const [title, operation] of Object.entries(operations)) {
      if (operation.only !== undefined && operation.only !== kind) continue
      const outcome = yield* runOperation(place, observer, operation, choice)
      const what = `${title} on ${name}`
      table[what] = { trials: outcome.trials, done: outcome.done }
      problems.push(...outcome.problems.map((problem) => `${what}, ${problem}`))
      if (kind === "postgres") {
        // The server may take a moment to end a session, or a statement whose caller has gone.
        const released = yield* observer.values("select from pg_locks where locktype = 'advisory'").pipe(
          Effect.repeat({ until: ({ rowCount }) => rowCount === 0, schedule: Schedule.spaced("20 millis") }),
          Effect.timeoutOption("30 seconds")
        )
        if (released._tag === "None") problems.push(`${what}: a lock is still held`)
      }
      const settled = yield* Effect.timeoutOption(waitUntil(() => connections.open <= sessions()), "30 seconds")
      if (settled._tag === "None") problems.push(`${what}: ${connections.open} connections for ${sessions()} sessions`)
    }
  })
  yield* Effect.scoped(Effect.gen(function*() {
    const session = yield* Session.make(config)
    const notifications = yield* Notifications.make(config)
    const place: Place = { client: session, pool: undefined, notifications }
    yield* runPlace("a session", place, () => 1, clientOperations)
    yield* runPlace("a session", place, () => 2, listenOperations)
    if (session.transactionStatus() !== "I") problems.push("a transaction was left open on the session")
  })).pipe(Effect.provideService(Transport, transport))
  yield* Effect.scoped(Effect.gen(function*() {
    const notifications = yield* Notifications.make(config)
    const { connections: own, pool } = yield* openPool({ max: 2 })
    const place: Place = { client: pool, pool, notifications }
    yield* runPlace("a pool", place, () => own.open, { ...clientOperations, ...poolOperations })
    const settled = yield* Effect.timeoutOption(waitUntil(() => own.open <= pool.stats().size), "30 seconds")
    if (settled._tag === "None") problems.push(`the pool has ${own.open} connections for ${pool.stats().size} sessions`)
  }))
  return { problems, table }
})
