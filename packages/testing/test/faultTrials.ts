/** Runs every operation of the client on faulty connections, and checks that only permitted outcomes occur. */
import {
  Client,
  ConnectionConfig,
  Copy,
  Notifications,
  Pool,
  type Queries,
  Session,
  Statement
} from "@hyperfect/client"
import { HyperTable } from "@hyperfect/hyper"
import type { NodePlatform } from "@hyperfect/node"
import { FaultTransport } from "@hyperfect/testing"
import { BuiltIn, Parameter } from "@hyperfect/values"
import { Cause, Clock, Effect, Exit, Fiber, Metric, Option, Result, Schema, type Scope, Stream } from "effect"
import type { Target } from "./targetServers.ts"

/** A result that differs from the one that the server has sent. */
class WrongValue
  extends Schema.TaggedError<WrongValue>()("WrongValue", { wanted: Schema.String, found: Schema.String })
{
  override get message(): string {
    return `wanted ${this.wanted}, found ${this.found}`
  }
}

const show = (value: unknown): string =>
  JSON.stringify(value, (_, part) => (typeof part === "bigint" ? `${part}n` : part))?.slice(0, 200) ?? "undefined"

const expectEqual = (found: unknown, wanted: unknown) =>
  show(found) === show(wanted)
    ? Effect.void
    : Effect.fail(new WrongValue({ wanted: show(wanted), found: show(found) }))

const { sql } = Statement
const count = 800
const sum = (count * (count + 1)) / 2
const numbers = `select n, 'row ' || n as name from generate_series(1, ${count}) as g(n) order by n`
const text = new TextEncoder()
const toLines = (rows: number) => Array.from({ length: rows }, (_, i) => `${i + 1},row ${i + 1}\n`)
/** Fewer rows, because byte-by-byte writes wake the server for each byte. */
const copiedRows = 200
const copiedSum = (copiedRows * (copiedRows + 1)) / 2
const csv = Stream.fromIterable(toLines(copiedRows)).pipe(Stream.map((line) => text.encode(line)), Stream.rechunk(50))

const makeTable = (session: Queries.Queries) =>
  session.simple("create temporary table t (n int not null, name text not null)")
const countRows = (session: Queries.Queries) =>
  Effect.map(session.values("select count(*), sum(n) from t"), ({ rows }) => rows.map((row) => row.map(Number)))

const Row = HyperTable.make("t", { n: Schema.Int, name: HyperTable.Text }, { temporary: true })

/**
 * Runs longer than the trial waits. Not forever: the server continues with a query whose client is gone, and on Hyper
 * this one takes a whole core.
 */
const longQueries = {
  postgres: "select pg_sleep(10)",
  hyper: "select count(*) from generate_series(1, 300000000) as g(n)"
}

type Kind = Target["Service"]["kind"]
type SessionOperation = (session: Session.Session, kind: Kind) => Effect.Effect<unknown, unknown, Scope.Scope>

/** Operations that run on a given session. */
const sessionOperations: Readonly<Record<string, SessionOperation>> = {
  connect: (session, kind) => expectEqual(session.server.kind, kind),

  query: (session) =>
    Effect.gen(function*() {
      for (const n of [1, 2, 3]) {
        const { commandTag, rows } = yield* session.query(sql`select ${n}::int as n, ${"ä€😀"}::text as t`)
        yield* expectEqual([commandTag, rows], ["SELECT 1", [{ n, t: "ä€😀" }]])
      }
    }),

  "many queries at once": (session) =>
    Effect.forEach(
      Array.from({ length: 40 }, (_, i) => i),
      (i) =>
        Effect.flatMap(
          session.values(sql`select ${`token ${i}`}::text`),
          ({ rows }) => expectEqual(rows, [[`token ${i}`]])
        ),
      { concurrency: "unbounded", discard: true }
    ),

  values: (session) =>
    Effect.flatMap(
      session.values(numbers),
      ({ rowCount, rows }) =>
        expectEqual([rowCount, rows.length, rows.reduce((total, [n]) => total + Number(n), 0), rows.at(-1)], [
          count,
          count,
          sum,
          [count, `row ${count}`]
        ])
    ),

  simple: (session) =>
    Effect.flatMap(
      session.simple(numbers),
      (results) =>
        expectEqual(results.map(({ rowCount, rows }) => [rowCount, rows[0], rows.at(-1)]), [[
          count,
          { n: 1, name: "row 1" },
          { n: count, name: `row ${count}` }
        ]])
    ),

  "a statement that fails": (session) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(session.query("select 1 / 0"))
      if (error._tag !== "ServerError") return yield* error
      yield* expectEqual(error.reason._tag, "DivisionByZero")
      yield* expectEqual((yield* session.values("select 1")).rows, [[1]])
    }),

  columns: (session) =>
    Effect.flatMap(
      session.columns(numbers),
      ({ columns, rowCount }) => expectEqual([rowCount, columns.length, columns[1]?.length], [count, 2, count])
    ),

  "one, optional and execute": (session) =>
    Effect.gen(function*() {
      yield* expectEqual(yield* session.one("select 7 as n"), { n: 7 })
      yield* expectEqual(Option.isNone(yield* session.optional("select 7 as n where 1 = 2")), true)
      yield* expectEqual((yield* session.execute(numbers)).rowCount, count)
    }),

  batch: (session) =>
    Effect.gen(function*() {
      yield* makeTable(session)
      const insert = (n: number) => sql`insert into t values (${n}, ${`row ${n}`})`
      const results = yield* session.batch([insert(1), insert(2), insert(3)])
      yield* expectEqual(results.map(({ rowCount }) => rowCount), [1, 1, 1])
      const error = yield* Effect.flip(session.batch([insert(4), "select 1 / 0"]))
      if (error._tag !== "ServerError") return yield* error
      yield* expectEqual(yield* countRows(session), [[3, 6]])
    }),

  pipeline: (session) =>
    Effect.gen(function*() {
      const found = yield* session.pipeline(["select 1 as n", "select 1 / 0", "select 3 as n"])
      const lost = found.flatMap((result) => Result.isFailure(result) ? [result.failure] : []).find(({ _tag }) =>
        _tag !== "ServerError"
      )
      if (lost !== undefined) return yield* lost
      yield* expectEqual(found.map((result) => Result.isSuccess(result) ? result.success.rows : "failed"), [
        [{ n: 1 }],
        "failed",
        [{ n: 3 }]
      ])
    }),

  "describe and prepare": (session) =>
    Effect.gen(function*() {
      const { fields } = yield* session.describe("select cast(1 as int) as n, cast('a' as text) as t")
      yield* expectEqual(fields.map(({ name }) => name), ["n", "t"])
      const prepared = yield* session.prepare("select $1 + 1 as n", [BuiltIn.int4])
      for (const n of [1, 2, 3]) yield* expectEqual((yield* prepared.query(n)).rows, [{ n: n + 1 }])
    }),

  "a stream in portions": (session) =>
    Effect.gen(function*() {
      const rows = yield* Stream.runCollect(session.streamValues(numbers, { fetchSize: 100 }))
      yield* expectEqual([rows.length, rows.at(-1)], [count, [count, `row ${count}`]])
      yield* checkQuery(session)
    }),

  retryTransaction: (session) =>
    Effect.gen(function*() {
      yield* makeTable(session)
      yield* session.retryTransaction(session.execute(sql`insert into t values (${7}, ${"seven"})`))
      yield* expectEqual(yield* countRows(session), [[1, 7]])
    }),

  stream: (session) =>
    Effect.gen(function*() {
      let next = 0
      yield* Stream.runForEachArray(session.stream(numbers), (rows) =>
        Effect.forEach(rows, (row) => expectEqual(row, { n: ++next, name: `row ${next}` }), { discard: true }))
      yield* expectEqual(next, count)
    }),

  "a stream that is left early": (session) =>
    Effect.gen(function*() {
      const rows = yield* Stream.runCollect(Stream.take(session.streamValues(numbers), 3))
      yield* expectEqual(rows, [[1, "row 1"], [2, "row 2"], [3, "row 3"]])
      yield* expectEqual((yield* session.values("select 1")).rows, [[1]])
    }),

  copyIn: (session) =>
    Effect.gen(function*() {
      yield* makeTable(session)
      const result = yield* session.copyIn("copy t from stdin with (format csv)", csv)
      yield* expectEqual(result, { commandTag: `COPY ${copiedRows}`, rowCount: copiedRows })
      yield* expectEqual(yield* countRows(session), [[copiedRows, copiedSum]])
    }),

  "a copyIn whose source fails": (session) =>
    Effect.gen(function*() {
      yield* makeTable(session)
      const failing = Stream.concat(csv, Stream.fail("the source failed" as const))
      const error = yield* Effect.flip(session.copyIn("copy t from stdin with (format csv)", failing))
      if (error !== "the source failed") return yield* error
      yield* expectEqual(yield* countRows(session), [[0, 0]])
    }),

  copyOut: (session) =>
    Effect.gen(function*() {
      const found = yield* session.copyOut(`copy (${numbers}) to stdout with (format csv)`).pipe(
        Stream.decodeText(),
        Stream.mkString
      )
      yield* expectEqual(found, toLines(count).join(""))
    }),

  "rows by COPY": (session) =>
    Effect.gen(function*() {
      yield* makeTable(session)
      const rows = Array.from({ length: copiedRows }, (_, i) => [i + 1, `row ${i + 1}`])
      yield* expectEqual((yield* Copy.intoValues(rows, "t", { messageSize: 1000 })).rowCount, copiedRows)
      const found = yield* Stream.runCollect(Copy.fromValues("t"))
      yield* expectEqual(found.length, copiedRows)
      yield* expectEqual(found.reduce((total, [n]) => total + Number(n), 0), copiedSum)
    }).pipe(Effect.provideService(Client.Client, session)),

  transaction: (session) =>
    Effect.gen(function*() {
      yield* makeTable(session)
      const insert = session.query(sql`insert into t values (${7}, ${"seven"})`)
      yield* session.transaction(insert)
      yield* Effect.flatMap(
        Effect.flip(session.transaction(Effect.andThen(insert, Effect.fail("no" as const)))),
        (error) => (error === "no" ? Effect.void : Effect.fail(error))
      )
      yield* expectEqual(yield* countRows(session), [[1, 7]])
      yield* expectEqual(session.transactionStatus(), "I")
    }),

  "cancel by interruption": (session, kind) =>
    Effect.gen(function*() {
      const running = yield* Effect.forkChild(session.query(longQueries[kind]), { startImmediately: true })
      yield* Effect.sleep("20 millis")
      yield* Fiber.interrupt(running)
      yield* expectEqual((yield* session.values("select 1")).rows, [[1]])
    }),

  "close while others wait": (session) =>
    Effect.forEach([1, 2, 3], () => Effect.forkScoped(Effect.ignore(session.values(numbers))), { discard: true }),

  "HyperTable.insert": (session) =>
    Effect.gen(function*() {
      yield* Row.create
      const rows = Array.from({ length: copiedRows }, (_, i) => ({ n: i + 1, name: `row ${i + 1}` }))
      yield* expectEqual((yield* Row.insert(rows, { messageSize: 1000 })).rows, copiedRows)
      yield* expectEqual(yield* countRows(session), [[copiedRows, copiedSum]])
    }).pipe(Effect.provideService(Client.Client, session))
}

/** Session operations that only PostgreSQL supports. */
const postgresSessionOperations: Readonly<Record<string, SessionOperation>> = {
  call: (session) =>
    // int4abs
    Effect.flatMap(
      session.call(1397, [Parameter.make(-7, BuiltIn.int4)], BuiltIn.int4),
      (found) => expectEqual(found, 7)
    ),

  savepoint: (session) =>
    Effect.gen(function*() {
      yield* makeTable(session)
      const insert = session.execute(sql`insert into t values (${7}, ${"seven"})`)
      yield* session.transaction(Effect.gen(function*() {
        yield* insert
        const inner = session.transaction(Effect.andThen(insert, Effect.fail("no" as const)))
        yield* Effect.catchIf(inner, (error) => error === "no", () => Effect.void)
      }))
      yield* expectEqual(yield* countRows(session), [[1, 7]])
    })
}

type Operation = (target: Target["Service"]) => Effect.Effect<unknown, unknown, Scope.Scope | NodePlatform.NodePlatform>

const checkQuery = (session: Session.Session) =>
  Effect.flatMap(session.values("select 1"), ({ rows }) => expectEqual(rows, [[1]]))

/** Operations that open their sessions themselves. */
const connectionOperations: Readonly<Record<string, Operation>> = {
  "TLS, verified": ({ config, roots }) =>
    Effect.gen(function*() {
      const session = yield* Session.make({ ...config, sslMode: "verify-full", rootCertificates: roots })
      yield* expectEqual(session.tls !== undefined, true)
      yield* checkQuery(session)
    }),

  "TLS, if there is any": ({ config }) => Effect.flatMap(Session.make({ ...config, sslMode: "prefer" }), checkQuery),

  "one of several servers": ({ config }) =>
    Effect.gen(function*() {
      const alternatives = [config.endpoint, config.endpoint]
      yield* checkQuery(yield* Session.make({ ...config, alternatives, targetSessionAttrs: "read-write" }))
    }),

  "a password that a program fetches": ({ config }) =>
    Effect.gen(function*() {
      const fetched = ConnectionConfig.withPassword(config, Effect.delay(Effect.succeed(config.password), "5 millis"))
      yield* checkQuery(yield* Session.make(yield* fetched))
    }),

  "queries of a pool": ({ config }) =>
    Effect.gen(function*() {
      const pool = yield* Pool.make(config, { max: 3, acquireTimeout: "2 seconds", drainTimeout: "1 second" })
      const one = (n: number) =>
        Effect.flatMap(pool.values(sql`select ${n}::int`), ({ rows }) => expectEqual(rows, [[n]]))
      yield* Effect.forEach([1, 2, 3, 4, 5, 6, 7, 8], one, { concurrency: "unbounded", discard: true })
      yield* expectEqual(yield* Stream.runCount(pool.stream(numbers)), count)
    }),

  "transactions of a pool": ({ config }) =>
    Effect.gen(function*() {
      const pool = yield* Pool.make(config, { max: 3, acquireTimeout: "2 seconds", drainTimeout: "1 second" })
      const both = (n: number) =>
        pool.transaction(Effect.gen(function*() {
          for (const wanted of [n, -n]) {
            const { rows } = yield* pool.values(sql`select ${wanted}::int`)
            yield* expectEqual(rows, [[wanted]])
          }
        }))
      yield* Effect.forEach([1, 2, 3, 4], both, { concurrency: "unbounded", discard: true })
      yield* Effect.scoped(Effect.flatMap(pool.session, checkQuery))
    })
}

/** Operations that open their sessions themselves, on PostgreSQL. */
const postgresConnectionOperations: Readonly<Record<string, Operation>> = {
  "TLS at once": ({ config, roots }) =>
    Effect.flatMap(
      Session.make({ ...config, sslMode: "verify-full", sslNegotiation: "direct", rootCertificates: roots }),
      checkQuery
    ),

  "version 3.2, with a cancelled query": ({ config }) =>
    Effect.gen(function*() {
      const session = yield* Session.make({ ...config, minProtocolVersion: "3.2" })
      const running = yield* Effect.forkChild(session.query(longQueries.postgres), { startImmediately: true })
      yield* Effect.sleep("20 millis")
      yield* Fiber.interrupt(running)
      yield* checkQuery(session)
    }),

  listen: ({ config }) =>
    Effect.gen(function*() {
      const notifications = yield* Notifications.make(config)
      const events = yield* notifications.subscribe("news")
      const session = yield* Session.make(config)
      yield* session.execute("notify news, 'something'")
      // A connection that breaks meanwhile is replaced; notifications sent in between are lost, which may or may not be
      // reported as a gap.
      const first = yield* Effect.timeoutOption(Stream.runHead(events), "500 millis")
      const event = Option.flatten(first)
      if (Option.isSome(event) && event.value._tag === "Notification") {
        yield* expectEqual(event.value.payload, "something")
      }
    })
}

const withSession = (run: SessionOperation): Operation => ({ config, kind }) =>
  Effect.flatMap(Session.make(config), (session) => run(session, kind))

const withSessions = (runs: Readonly<Record<string, SessionOperation>>): Readonly<Record<string, Operation>> =>
  Object.fromEntries(Object.entries(runs).map(([name, run]) => [name, withSession(run)]))

const common = { ...withSessions(sessionOperations), ...connectionOperations }

/** Every operation that a server supports, by name. */
export const operations: Readonly<Record<Kind, Readonly<Record<string, Operation>>>> = {
  hyper: common,
  postgres: { ...common, ...withSessions(postgresSessionOperations), ...postgresConnectionOperations }
}

/** The faults of a trial's connections. */
interface ModeOptions {
  readonly options: FaultTransport.PlanOptions
  /**
   * The time in milliseconds after which the operation is interrupted, for faults that only a timeout can detect;
   * otherwise it must end without one.
   */
  readonly timeout?: number
}

/** Roughly the size of a login in bytes, in either direction: with every other seed, faults start within it. */
const loginBytes = 400

export const modes = {
  broken: { options: { bytes: 16_384, stall: false } },
  stalling: { options: { bytes: 16_384, stall: true }, timeout: 1000 },
  corrupt: { options: { bytes: 16_384, stall: false, corrupt: true }, timeout: 1000 }
} satisfies Record<string, ModeOptions>

export type Mode = keyof typeof modes

/** Returns the faults for a seed. */
export const plan = (mode: Mode, seed: number): FaultTransport.Options =>
  FaultTransport.plan(seed, { ...modes[mode].options, from: seed % 2 === 0 ? loginBytes : 0 })

/**
 * The time limit of a trial in milliseconds: longer than every timeout of the client, even on a busy machine. Thousands
 * of one-byte writes also take their time.
 */
const deadline = process.env["HYPERFECT_FAULT_SEEDS"] === undefined ? 50_000 : 300_000

export interface Outcome {
  /** `"value"`, `"given up"`, or the tag of the error. */
  readonly result: string
  readonly milliseconds: number
  /** The violation, if any. */
  readonly problem: string | undefined
}

const tagOf = (error: unknown): string =>
  typeof error === "object" && error !== null && "_tag" in error ? String(error._tag) : String(error)

/** Returns the causes of an error that wraps others. */
const causesOf = (error: unknown): ReadonlyArray<unknown> | undefined => {
  const { failures, reason } = error as {
    readonly failures?: ReadonlyArray<{ readonly cause: unknown }>
    readonly reason?: { readonly cause?: unknown }
  }
  switch (tagOf(error)) {
    case "NoServerFound":
      return failures?.map(({ cause }) => cause)
    case "PoolError":
      // An acquire timeout does not include the reason.
      return reason?.cause === undefined ? [] : [reason.cause]
    default:
      return undefined
  }
}

/**
 * True if an error is permitted: a faulty connection may break, and a message may end with it; unless bytes are
 * changed, nothing else may happen.
 */
const isExpected = (error: unknown, mode: Mode): boolean => {
  const causes = causesOf(error)
  if (causes !== undefined) return causes.every((cause) => isExpected(cause, mode))
  const tag = tagOf(error)
  if (tag === "TransportError") return true
  if (mode !== "corrupt") {
    const isEnd = ["StreamEnded", "ServerClosed"].includes(tagOf((error as { readonly reason?: unknown }).reason))
    return (tag === "ProtocolError" || tag === "AuthError") && isEnd
  }
  return tag === "ProtocolError" ||
    ["AuthError", "RowError", "ServerError", "TableMismatch", "UnsupportedError", "ValueError", "WrongValue"].includes(
      tag
    )
}

const classify = (
  exit: Exit.Exit<"value" | "given up", unknown>,
  mode: Mode
): Pick<Outcome, "problem" | "result"> => {
  if (Exit.isSuccess(exit)) return { result: exit.value, problem: undefined }
  const failure = exit.cause.reasons.find(Cause.isFailReason)
  const isTyped = failure !== undefined && exit.cause.reasons.every(Cause.isFailReason)
  if (!isTyped) return { result: "defect", problem: Cause.pretty(exit.cause) }
  const isFine = isExpected(failure.error, mode)
  return { result: tagOf(failure.error), problem: isFine ? undefined : Cause.pretty(exit.cause) }
}

/** Runs one operation on its own session, over connections with the faults of the seed. */
export const runTrial = Effect.fnUntraced(function*(
  target: Target["Service"],
  mode: Mode,
  operation: string,
  seed: number
) {
  const { timeout }: ModeOptions = modes[mode]
  const fibers = { active: 0 }
  const run = operations[target.kind][operation]!(target).pipe(
    Effect.as("value" as const),
    Effect.scoped,
    Effect.provide(FaultTransport.layer(plan(mode, seed))),
    timeout === undefined
      ? (effect) => effect
      : Effect.timeoutOrElse({ duration: timeout, orElse: () => Effect.succeed("given up" as const) }),
    Effect.provideService(Metric.FiberRuntimeMetrics, {
      recordFiberStart: () => void fibers.active++,
      recordFiberEnd: () => void fibers.active--
    })
  )
  const start = yield* Clock.currentTimeMillis
  const running = yield* Effect.forkDetach(run)
  const exit = yield* Effect.timeoutOption(Fiber.await(running), deadline)
  const milliseconds = (yield* Clock.currentTimeMillis) - start
  if (exit._tag === "None") return { result: "hang", milliseconds, problem: `no end within ${deadline} ms` }
  // Longer than the timeout of a cancel request on a stalled connection.
  yield* Effect.sleep("10 millis").pipe(Effect.repeat({ times: 1000, until: () => fibers.active <= 0 }))
  const judged = classify(exit.value, mode)
  return {
    ...judged,
    milliseconds,
    problem: judged.problem ?? (fibers.active > 0 ? `${fibers.active} fibers are left` : undefined)
  }
})
