/**
 * A soak: mixed work on a pool for as long as one likes, while everything that can go wrong does.
 *
 * The lines are bad, server processes are ended and killed, the server is stopped and another one started in its place,
 * and what runs is interrupted at random. In the end the pool is closed, and whatever is left of it is a violation.
 */
import type { ConnectionConfig } from "@hyperfect/client/ConnectionConfig"
import * as Pool from "@hyperfect/client/Pool"
import * as Session from "@hyperfect/client/Session"
import * as FaultTransport from "@hyperfect/testing/FaultTransport"
import * as PostgresServer from "@hyperfect/testing/PostgresServer"
import { Transport } from "@hyperfect/transport/Transport"
import { Cause, Context, Effect, Exit, Fiber, Layer, Metric, Random, Schedule, Scope } from "effect"
import { makeReport, type Report } from "./soakReport.ts"
import {
  application,
  checkGone,
  checkHeap,
  checkRest,
  heapSize,
  inTime,
  max,
  patience,
  sockets,
  statementCacheSize
} from "./soakRest.ts"
import { type Book, type Heard, listening, makeBook, notifying, type Piece, pieces, tables } from "./soakWork.ts"

export interface Options {
  readonly seconds: number
  readonly seed: number
  /** How many fibers work at once; 24 when absent. */
  readonly workers?: number | undefined
  /** How long one server lives, in seconds; 60 when absent. */
  readonly era?: number | undefined
  /** How many servers more there are at least, however long it takes; none when absent. */
  readonly restarts?: number | undefined
  /** Called now and then with what has come to pass. */
  readonly onProgress?: ((report: Report) => void) | undefined
}

/** Counts the lines that are open. */
const counted = (inner: Transport["Service"], counts: { lines: number }): Transport["Service"] => ({
  ...inner,
  connect: (endpoint, options) =>
    Effect.andThen(
      Effect.acquireRelease(Effect.sync(() => void counts.lines++), () => Effect.sync(() => void counts.lines--)),
      inner.connect(endpoint, options)
    )
})

const nameOf = (error: unknown): string => {
  if (typeof error !== "object" || error === null || !("_tag" in error)) return String(error)
  const reason = "reason" in error && typeof error.reason === "object" && error.reason !== null ? error.reason : {}
  return "_tag" in reason ? `${String(error._tag)} ${String(reason._tag)}` : String(error._tag)
}

/** Errors that no server, line or interruption can be the reason for. */
const isViolation = (name: string): boolean =>
  name.startsWith("ValueError") || name.startsWith("UnsupportedError") ||
  (name.startsWith("ProtocolError") && name !== "ProtocolError StreamEnded") ||
  [
    "SyntaxError",
    "ActiveSqlTransaction",
    "InFailedSqlTransaction",
    "NoActiveSqlTransaction",
    "DuplicatePreparedStatement",
    "InvalidSqlStatementName"
  ].some((reason) => name === `ServerError ${reason}`)

/** Does one piece of work, and notes what came of it. */
const attempt = (piece: Piece, report: Report): Effect.Effect<void> =>
  Effect.gen(function*() {
    const counts = report.work[piece.name] ??= { answered: 0, failed: 0, interrupted: 0 }
    const fiber = yield* Effect.forkChild(piece.run, { startImmediately: true })
    if ((yield* Random.next) < 0.25) {
      yield* Effect.sleep((yield* Random.next) ** 3 * 60)
    } else {
      yield* Effect.timeoutOption(Fiber.await(fiber), "3 seconds")
    }
    // It is over already, or it is interrupted now: on a line that stands still nothing else ends it.
    yield* Effect.forkChild(Fiber.interrupt(fiber), { startImmediately: true })
    const exit = yield* Effect.timeoutOption(Fiber.await(fiber), patience)
    if (exit._tag === "None") {
      report.violations.push(`${piece.name} did not settle in ${patience}`)
      return
    }
    if (Exit.isSuccess(exit.value)) return void counts.answered++
    for (const reason of exit.value.cause.reasons) {
      if (reason._tag === "Fail") {
        const name = nameOf(reason.error)
        report.errors[name] = (report.errors[name] ?? 0) + 1
        if (isViolation(name)) report.violations.push(`${piece.name}: ${name}: ${String(reason.error)}`)
      }
      if (reason._tag === "Die") report.violations.push(`${piece.name}: ${String(reason.defect)}`)
    }
    if (Cause.hasInterruptsOnly(exit.value.cause)) counts.interrupted++
    else counts.failed++
  })

const worker = (work: ReadonlyArray<Piece>, report: Report): Effect.Effect<never> => {
  const total = work.reduce((sum, { weight }) => sum + weight, 0)
  return Effect.forever(Effect.gen(function*() {
    let drawn = (yield* Random.next) * total
    yield* attempt(work.find(({ weight }) => (drawn -= weight) < 0) ?? work[0]!, report)
  }))
}

/** The server process of a session of the soak, chosen by chance. */
const victim = (admin: Session.Session) =>
  Effect.map(
    admin.values(
      `select pid from pg_stat_activity where application_name = '${application}' order by random() limit 1`
    ),
    ({ rows }) => rows[0]?.[0] as number | undefined
  )

/** Ends, cancels and kills server processes. */
const makeTrouble = (admin: Session.Session, report: Report) =>
  Effect.gen(function*() {
    yield* Effect.sleep(100 + (yield* Random.next) ** 2 * 2000)
    const pid = yield* victim(admin)
    if (pid === undefined) return
    const drawn = yield* Random.next
    if (drawn < 0.45) {
      yield* admin.query(`select pg_terminate_backend(${pid})`)
      report.trouble.ended++
    } else if (drawn < 0.97) {
      yield* admin.query(`select pg_cancel_backend(${pid})`)
      report.trouble.cancelled++
    } else {
      // The whole server starts anew when one of its processes dies.
      process.kill(pid, "SIGKILL")
      report.trouble.crashed++
    }
  })

/** Makes trouble until the server goes. */
const troubling = (server: Server, book: Book, report: Report) =>
  Effect.scoped(Effect.flatMap(Session.make(server), (admin) =>
    Effect.gen(function*() {
      for (let i = 0; i < 20; i++) yield* makeTrouble(admin, report)
      yield* compareLedger(admin, book, report)
    }))).pipe(
      // The session dies with a server that it has crashed.
      Effect.ignore,
      Effect.repeat(Schedule.spaced("200 millis"))
    )

/** Compares what transactions have left with what was said of them. */
const compareLedger = (admin: Session.Session, book: Book, report: Report) =>
  Effect.gen(function*() {
    const [committed, undone] = [[...book.committed], [...book.undone]]
    const { rows } = yield* admin.values("select token, count(*)::int from ledger group by token")
    const counts = new Map(rows as unknown as ReadonlyArray<readonly [number, number]>)
    for (const [token, count] of counts) {
      if (count !== 2) report.violations.push(`the transaction of token ${token} left ${count} rows of 2`)
    }
    for (const token of committed) {
      if (!counts.has(token)) {
        report.violations.push(`the transaction of token ${token} was committed, and is not there`)
      }
    }
    for (const token of undone) {
      if (counts.has(token)) report.violations.push(`the transaction of token ${token} was rolled back, and is there`)
    }
    const raised = book.raised
    const counter = yield* admin.values("select n from counter")
    if ((counter.rows[0]![0] as number) < raised) {
      report.violations.push(`the counter was raised ${raised} times, and is ${String(counter.rows[0]![0])}`)
    }
    report.trouble.compared++
  })

/** The server may be on its way up from a crash. */
const checkLedger = (server: Server, book: Book, report: Report) =>
  inTime(
    "comparing what transactions have left",
    Effect.retry(
      Effect.scoped(Effect.flatMap(Session.make(server), (admin) => compareLedger(admin, book, report))),
      Schedule.spaced("100 millis")
    ),
    report
  )

type Server = ConnectionConfig & Pick<PostgresServer.PostgresServer["Service"], "endpoint">

/** What was committed has to survive a crash of the server, though not one of the machine. */
const settings = { max_connections: 60, restart_after_crash: true, synchronous_commit: true }

/** Starts a server with empty tables. */
const startServer = (port: number | undefined, book: Book) =>
  Effect.map(
    PostgresServer.make({ port, setup: tables, settings }),
    ({ database, endpoint, password, user }): Server => {
      book.committed.clear()
      book.undone.clear()
      book.raised = 0
      return { endpoint, user, password, database }
    }
  )

/** The first session has to be opened over a bad line, too. */
const openPool = (server: Server) =>
  Effect.retry(
    Pool.make({ ...server, applicationName: application, statementCacheSize, connectTimeout: 5000 }, {
      min: 2,
      max,
      depth: 8,
      acquireTimeout: "10 seconds",
      checkAfter: "500 millis",
      idleTimeout: "2 seconds",
      lifetime: "20 seconds",
      notifications: { checkAfter: "2 seconds" }
    }),
    { times: 50 }
  )

const listener = (pool: Pool.Pool, book: Book, heard: Heard, report: Report) =>
  Effect.catchCause(listening(pool, book, heard), (cause) =>
    Effect.sync(() => {
      if (!Cause.hasInterruptsOnly(cause)) report.violations.push(`a listener: ${Cause.pretty(cause)}`)
    }))

/** Every other line is as bad as chance will have it. No soak opens more of them. */
const badLines = (seed: number) => {
  const { lines = [] } = FaultTransport.plan(seed, { lines: 20_000, from: 4000, bytes: 3_000_000, delay: 5 })
  return FaultTransport.layer({ seed, lines: lines.map((faults, i) => i % 2 === 0 ? {} : faults) })
}

/** Runs until the time is over; whatever must never be is in the report. */
export const soak = Effect.fnUntraced(function*(options: Options) {
  const { era = 60, restarts = 0, seconds, seed, workers = 24 } = options
  const report = makeReport(seed)
  const book = makeBook()
  const counts = { lines: 0, fibers: 0, sockets: 0 }
  const fiberMetrics = Metric.FiberRuntimeMetrics.of({
    recordFiberStart: () => void counts.fibers++,
    recordFiberEnd: () => void counts.fibers--
  })
  const started = performance.now()
  const left = () => seconds - (performance.now() - started) / 1000
  const note = () => {
    report.seconds = seconds - left()
    report.heap.push(heapSize())
    options.onProgress?.(report)
  }
  const onUnhandled = (reason: unknown) => report.violations.push(`an unhandled rejection: ${String(reason)}`)
  process.on("unhandledRejection", onUnhandled)

  const run = Effect.gen(function*() {
    const scope = yield* Effect.scope
    const poolScope = yield* Scope.fork(scope)
    let serverScope = yield* Scope.fork(scope)
    const server = yield* Scope.provide(startServer(undefined, book), serverScope)
    counts.sockets = sockets()
    const transport = counted(yield* Effect.map(Layer.build(badLines(seed)), Context.get(Transport)), counts)
    const pool = yield* openPool(server).pipe(
      Scope.provide(poolScope),
      Effect.provideService(Transport, transport),
      Effect.provideService(Metric.FiberRuntimeMetrics, fiberMetrics)
    )
    const crew = yield* Effect.forEach([
      ...Array.from({ length: workers }, () => worker(pieces(pool, book), report)),
      notifying(pool, book),
      ...report.listeners.map((heard) => listener(pool, book, heard, report))
    ], (effect) => Effect.forkIn(Effect.provideService(effect, Metric.FiberRuntimeMetrics, fiberMetrics), scope))
    yield* Effect.forkIn(
      Effect.repeat(Effect.sync(note), Schedule.spaced(Math.max(1000, seconds * 1000 / 60))),
      scope
    )
    while (true) {
      yield* Effect.timeoutOption(troubling(server, book, report), Math.max(1, Math.min(left(), era)) * 1000)
      yield* checkLedger(server, book, report)
      if (left() <= 0 && report.trouble.restarted >= restarts) break
      yield* Scope.close(serverScope, Exit.void)
      yield* Effect.sleep((yield* Random.next) * 2000)
      serverScope = yield* Scope.fork(scope)
      yield* Scope.provide(startServer(server.endpoint.port, book), serverScope)
      report.trouble.restarted++
    }
    yield* inTime("the work", Effect.forEach(crew, Fiber.interrupt, { concurrency: "unbounded" }), report)
    yield* checkLedger(server, book, report)
    yield* checkRest(pool, report)
    yield* inTime("closing the pool", Scope.close(poolScope, Exit.void), report)
    yield* checkGone(server, counts, report)
  })
  yield* run.pipe(
    Effect.scoped,
    Random.withSeed(seed),
    Effect.catchCause((cause) => Effect.sync(() => report.violations.push(`the soak itself: ${Cause.pretty(cause)}`))),
    Effect.ensuring(Effect.sync(() => process.off("unhandledRejection", onUnhandled)))
  )
  note()
  checkHeap(report)
  return report
})
