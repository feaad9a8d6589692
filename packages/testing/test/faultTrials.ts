/** Every operation of the client on a bad line: what may come of it, and what may not. */
import { Client, type Queries, Session, Statement } from "@hyperfect/client"
import { HyperTable } from "@hyperfect/hyper"
import { FaultTransport } from "@hyperfect/testing"
import { Cause, Clock, Effect, Exit, Fiber, Metric, Schema, type Scope, Stream } from "effect"
import type { Target } from "./faultServers.ts"

/** A result that is not the one that the server had sent. */
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
/** Fewer, for what is written byte by byte wakes the server for each of them. */
const copied = 200
const copiedSum = (copied * (copied + 1)) / 2
const csv = Stream.fromIterable(toLines(copied)).pipe(Stream.map((line) => text.encode(line)), Stream.rechunk(50))

const makeTable = (session: Queries.Queries) =>
  session.simple("create temporary table t (n int not null, name text not null)")
const countRows = (session: Queries.Queries) =>
  Effect.map(session.values("select count(*), sum(n) from t"), ({ rows }) => rows.map((row) => row.map(Number)))

const Row = HyperTable.make("t", { n: Schema.Int, name: HyperTable.Text }, { temporary: true })

/**
 * Runs longer than the trial waits for it. Not for ever: the server goes on with a query whose client it has lost, and on
 * Hyper this one takes a whole core.
 */
const long = {
  postgres: "select pg_sleep(10)",
  hyper: "select count(*) from generate_series(1, 300000000) as g(n)"
}

type Run = (session: Session.Session, kind: Target["Service"]["kind"]) => Effect.Effect<unknown, unknown, Scope.Scope>

export const operations: Readonly<Record<string, Run>> = {
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
      yield* expectEqual(result, { commandTag: `COPY ${copied}`, rowCount: copied })
      yield* expectEqual(yield* countRows(session), [[copied, copiedSum]])
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
      const running = yield* Effect.forkChild(session.query(long[kind]), { startImmediately: true })
      yield* Effect.sleep("20 millis")
      yield* Fiber.interrupt(running)
      yield* expectEqual((yield* session.values("select 1")).rows, [[1]])
    }),

  "close while others wait": (session) =>
    Effect.forEach([1, 2, 3], () => Effect.forkScoped(Effect.ignore(session.values(numbers))), { discard: true }),

  "HyperTable.insert": (session) =>
    Effect.gen(function*() {
      yield* Row.create
      const rows = Array.from({ length: copied }, (_, i) => ({ n: i + 1, name: `row ${i + 1}` }))
      yield* expectEqual((yield* Row.insert(rows, { messageSize: 1000 })).rows, copied)
      yield* expectEqual(yield* countRows(session), [[copied, copiedSum]])
    }).pipe(Effect.provideService(Client.Client, session))
}

/** How the lines of a trial are bad. */
interface Lines {
  readonly options: FaultTransport.PlanOptions
  /** Milliseconds after which the operation is interrupted, for faults that only time can tell; else it ends by itself. */
  readonly patience?: number
}

/** About the bytes of a log-in, in either direction: there every other seed begins. */
const login = 400

export const modes = {
  broken: { options: { bytes: 16_384, stall: false } },
  stalling: { options: { bytes: 16_384, stall: true }, patience: 1000 },
  corrupt: { options: { bytes: 16_384, stall: false, corrupt: true }, patience: 1000 }
} satisfies Record<string, Lines>

export type Mode = keyof typeof modes

/** The faults that a seed stands for. */
export const plan = (mode: Mode, seed: number): FaultTransport.Options =>
  FaultTransport.plan(seed, { ...modes[mode].options, from: seed % 2 === 0 ? login : 0 })

/** Milliseconds that a trial may take at most: longer than anything that the client waits for. */
const deadline = 30_000

export interface Outcome {
  /** `"value"`, `"given up"`, or the tag of the error. */
  readonly result: string
  readonly milliseconds: number
  /** What must not be. */
  readonly problem: string | undefined
}

const tagOf = (error: unknown): string =>
  typeof error === "object" && error !== null && "_tag" in error ? String(error._tag) : String(error)

/** A bad line may break, and a message may end with it; nothing else may come of it, unless bytes are changed. */
const isDue = (error: unknown, mode: Mode): boolean => {
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

const judge = (
  exit: Exit.Exit<"value" | "given up", unknown>,
  mode: Mode
): Pick<Outcome, "problem" | "result"> => {
  if (Exit.isSuccess(exit)) return { result: exit.value, problem: undefined }
  const failure = exit.cause.reasons.find(Cause.isFailReason)
  const isTyped = failure !== undefined && exit.cause.reasons.every(Cause.isFailReason)
  if (!isTyped) return { result: "defect", problem: Cause.pretty(exit.cause) }
  const isFine = isDue(failure.error, mode)
  return { result: tagOf(failure.error), problem: isFine ? undefined : Cause.pretty(exit.cause) }
}

/** Runs one operation on a session of its own, over lines as the seed has them. */
export const trial = Effect.fnUntraced(function*(
  { config, kind }: Target["Service"],
  mode: Mode,
  operation: string,
  seed: number
) {
  const { patience }: Lines = modes[mode]
  const fibers = { active: 0 }
  const run = Effect.flatMap(Session.make(config), (session) => operations[operation]!(session, kind)).pipe(
    Effect.as("value" as const),
    Effect.scoped,
    Effect.provide(FaultTransport.layer(plan(mode, seed))),
    patience === undefined
      ? (effect) => effect
      : Effect.timeoutOrElse({ duration: patience, orElse: () => Effect.succeed("given up" as const) }),
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
  yield* Effect.sleep("10 millis").pipe(Effect.repeat({ times: 300, until: () => fibers.active <= 0 }))
  const judged = judge(exit.value, mode)
  return {
    ...judged,
    milliseconds,
    problem: judged.problem ?? (fibers.active > 0 ? `${fibers.active} fibers are left` : undefined)
  }
})
