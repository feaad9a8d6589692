/**
 * A soak: a mixed workload on a pool for any length of time, under injected faults.
 *
 * Connections are faulty, server processes are terminated and killed, the server is stopped and replaced by another
 * one, and work is interrupted at random. At the end the pool is closed, and everything left of it is a violation.
 */
import type { ConnectionConfig } from "@hyperfect/client/ConnectionConfig"
import * as Pool from "@hyperfect/client/Pool"
import * as Session from "@hyperfect/client/Session"
import * as FaultTransport from "@hyperfect/testing/FaultTransport"
import * as PostgresServer from "@hyperfect/testing/PostgresServer"
import { Transport } from "@hyperfect/transport/Transport"
import { Cause, Context, Effect, Exit, Fiber, Layer, Metric, Random, Schedule, Scope } from "effect"
import {
  applicationName,
  checkClosedPool,
  checkHeap,
  checkIdlePool,
  expectEnd,
  heapSize,
  maxSessions,
  settleTimeout,
  sockets,
  statementCacheSize
} from "./soakChecks.ts"
import { hyperLoads } from "./soakHyper.ts"
import { makeReport, type Report } from "./soakReport.ts"
import {
  type ExpectedState,
  type ListenerStats,
  listenForNotifications,
  makeExpectedState,
  sendNotifications,
  tables,
  type WorkItem,
  workItems
} from "./soakWorkload.ts"

export interface Options {
  readonly seconds: number
  readonly seed: number
  /** The number of concurrent fibers; 24 when absent. */
  readonly workers?: number | undefined
  /** The lifetime of a server in seconds; 60 when absent. */
  readonly serverLifetime?: number | undefined
  /** The minimum number of further servers, regardless of the time; none when absent. */
  readonly restarts?: number | undefined
  /** Called periodically with the current report. */
  readonly onProgress?: ((report: Report) => void) | undefined
}

/** Counts the open connections. */
const countConnections = (inner: Transport["Service"], counts: { lines: number }): Transport["Service"] => ({
  ...inner,
  connect: (endpoint, options) =>
    Effect.andThen(
      Effect.acquireRelease(Effect.sync(() => void counts.lines++), () => Effect.sync(() => void counts.lines--)),
      inner.connect(endpoint, options)
    )
})

/** Returns the tags of an error and its reason. */
export const nameOf = (error: unknown): string => {
  if (typeof error !== "object" || error === null || !("_tag" in error)) return String(error)
  const reason = "reason" in error && typeof error.reason === "object" && error.reason !== null ? error.reason : {}
  return "_tag" in reason ? `${String(error._tag)} ${String(reason._tag)}` : String(error._tag)
}

/** True for errors that no server, connection or interruption can cause. */
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

/**
 * True for a violation: an error about a changed result type must be marked retryable, unless the statement is run
 * again.
 */
const isStale = (name: string, error: unknown): boolean =>
  name === "ServerError FeatureNotSupported" && (error as { readonly isRetryable?: boolean }).isRetryable !== true

/** Runs one work item, and records the outcome. */
const attempt = (piece: WorkItem, report: Report): Effect.Effect<void> =>
  Effect.gen(function*() {
    const counts = report.work[piece.name] ??= { answered: 0, failed: 0, interrupted: 0 }
    const fiber = yield* Effect.forkChild(piece.run, { startImmediately: true })
    if ((yield* Random.next) < 0.25) {
      yield* Effect.sleep((yield* Random.next) ** 3 * 60)
    } else {
      yield* Effect.timeoutOption(Fiber.await(fiber), "3 seconds")
    }
    // It is over already, or it is interrupted now: nothing else ends it on a stalled connection.
    yield* Effect.forkChild(Fiber.interrupt(fiber), { startImmediately: true })
    const exit = yield* Effect.timeoutOption(Fiber.await(fiber), settleTimeout)
    if (exit._tag === "None") {
      report.violations.push(`${piece.name} did not settle in ${settleTimeout}`)
      return
    }
    if (Exit.isSuccess(exit.value)) return void counts.answered++
    for (const reason of exit.value.cause.reasons) {
      if (reason._tag === "Fail") {
        const name = nameOf(reason.error)
        report.errors[name] = (report.errors[name] ?? 0) + 1
        if (isViolation(name) || isStale(name, reason.error)) {
          report.violations.push(`${piece.name}: ${name}: ${String(reason.error)}`)
        }
      }
      if (reason._tag === "Die") report.violations.push(`${piece.name}: ${String(reason.defect)}`)
    }
    if (Cause.hasInterruptsOnly(exit.value.cause)) counts.interrupted++
    else counts.failed++
  })

const worker = (work: ReadonlyArray<WorkItem>, report: Report): Effect.Effect<never> => {
  const total = work.reduce((sum, { weight }) => sum + weight, 0)
  return Effect.forever(Effect.gen(function*() {
    let drawn = (yield* Random.next) * total
    yield* attempt(work.find(({ weight }) => (drawn -= weight) < 0) ?? work[0]!, report)
  }))
}

/** Returns the server process of a random session of the soak. */
const randomBackendPid = (admin: Session.Session) =>
  Effect.map(
    admin.values(
      `select pid from pg_stat_activity where application_name = '${applicationName}' order by random() limit 1`
    ),
    ({ rows }) => rows[0]?.[0] as number | undefined
  )

/** Terminates, cancels and kills server processes. */
const injectFault = (admin: Session.Session, report: Report) =>
  Effect.gen(function*() {
    yield* Effect.sleep(100 + (yield* Random.next) ** 2 * 2000)
    const pid = yield* randomBackendPid(admin)
    if (pid === undefined) return
    const drawn = yield* Random.next
    if (drawn < 0.45) {
      yield* admin.query(`select pg_terminate_backend(${pid})`)
      report.faults.ended++
    } else if (drawn < 0.97) {
      yield* admin.query(`select pg_cancel_backend(${pid})`)
      report.faults.cancelled++
    } else {
      // The whole server restarts when one of its processes is killed.
      process.kill(pid, "SIGKILL")
      report.faults.crashed++
    }
  })

/** Injects faults until the server stops. */
const injectFaults = (server: Server, book: ExpectedState, report: Report) =>
  Effect.scoped(Effect.flatMap(Session.make(server), (admin) =>
    Effect.gen(function*() {
      for (let i = 0; i < 20; i++) yield* injectFault(admin, report)
      yield* compareExpectedState(admin, book, report)
    }))).pipe(
      // The session ends with a server that it has crashed.
      Effect.ignore,
      Effect.repeat(Schedule.spaced("200 millis"))
    )

/** Compares the results of transactions with their reported outcomes. */
const compareExpectedState = (admin: Session.Session, book: ExpectedState, report: Report) =>
  Effect.gen(function*() {
    const [committed, undone] = [[...book.committed], [...book.rolledBack]]
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
    const raised = book.increments
    const counter = yield* admin.values("select n from counter")
    if ((counter.rows[0]![0] as number) < raised) {
      report.violations.push(`the counter was raised ${raised} times, and is ${String(counter.rows[0]![0])}`)
    }
    report.faults.compared++
  })

/** Compares them in time, although the server may still be recovering from a crash. */
const checkExpectedState = (server: Server, book: ExpectedState, report: Report) =>
  expectEnd(
    "comparing what transactions have left",
    Effect.retry(
      Effect.scoped(Effect.flatMap(Session.make(server), (admin) => compareExpectedState(admin, book, report))),
      Schedule.spaced("100 millis")
    ),
    report
  )

type Server = ConnectionConfig & Pick<PostgresServer.PostgresServer["Service"], "endpoint">

/** Committed data must survive a crash of the server, though not one of the machine. */
const settings = { max_connections: 60, restart_after_crash: true, synchronous_commit: true }

/** Starts a server with empty tables. */
const startServer = (port: number | undefined, book: ExpectedState) =>
  Effect.map(
    PostgresServer.make({ port, setup: tables, settings }),
    ({ database, endpoint, password, user }): Server => {
      book.committed.clear()
      book.rolledBack.clear()
      book.increments = 0
      return { endpoint, user, password, database }
    }
  )

/** Retries, because the first session is also opened over a faulty connection. */
const openPool = (server: Server) =>
  Effect.retry(
    Pool.make({ ...server, applicationName: applicationName, statementCacheSize, connectTimeout: 5000 }, {
      min: 2,
      max: maxSessions,
      depth: 8,
      acquireTimeout: "10 seconds",
      checkAfter: "500 millis",
      idleTimeout: "2 seconds",
      lifetime: "20 seconds",
      notifications: { checkAfter: "2 seconds" }
    }),
    { times: 50 }
  )

const listener = (pool: Pool.Pool, book: ExpectedState, heard: ListenerStats, report: Report) =>
  Effect.catchCause(listenForNotifications(pool, book, heard), (cause) =>
    Effect.sync(() => {
      if (!Cause.hasInterruptsOnly(cause)) report.violations.push(`a listener: ${Cause.pretty(cause)}`)
    }))

/** Makes a transport with random faults on every other connection. The count is more than any soak opens. */
const faultyTransport = (seed: number) => {
  const { connections = [] } = FaultTransport.plan(seed, {
    connections: 20_000,
    from: 4000,
    bytes: 3_000_000,
    delay: 5
  })
  return FaultTransport.layer({ seed, connections: connections.map((faults, i) => i % 2 === 0 ? {} : faults) })
}

/** Runs until the time is over; all violations are in the report. */
export const soak = Effect.fnUntraced(function*(options: Options) {
  const { serverLifetime = 60, restarts = 0, seconds, seed, workers = 24 } = options
  const report = makeReport(seed)
  const book = makeExpectedState()
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
    const transport = countConnections(
      yield* Effect.map(Layer.build(faultyTransport(seed)), Context.get(Transport)),
      counts
    )
    const pool = yield* openPool(server).pipe(
      Scope.provide(poolScope),
      Effect.provideService(Transport, transport),
      Effect.provideService(Metric.FiberRuntimeMetrics, fiberMetrics)
    )
    const crew = yield* Effect.forEach([
      ...Array.from({ length: workers }, () => worker(workItems(pool, book), report)),
      sendNotifications(pool, book),
      ...report.listeners.map((heard) => listener(pool, book, heard, report))
    ], (effect) => Effect.forkIn(Effect.provideService(effect, Metric.FiberRuntimeMetrics, fiberMetrics), scope))
    yield* Effect.forkIn(
      Effect.repeat(Effect.sync(note), Schedule.spaced(Math.max(1000, seconds * 1000 / 60))),
      scope
    )
    yield* Effect.forkIn(hyperLoads(report), scope)
    while (true) {
      yield* Effect.timeoutOption(
        injectFaults(server, book, report),
        Math.max(1, Math.min(left(), serverLifetime)) * 1000
      )
      yield* checkExpectedState(server, book, report)
      if (left() <= 0 && report.faults.restarted >= restarts) break
      yield* Scope.close(serverScope, Exit.void)
      yield* Effect.sleep((yield* Random.next) * 2000)
      serverScope = yield* Scope.fork(scope)
      yield* Scope.provide(startServer(server.endpoint.port, book), serverScope)
      report.faults.restarted++
    }
    yield* expectEnd("the work", Effect.forEach(crew, Fiber.interrupt, { concurrency: "unbounded" }), report)
    yield* checkExpectedState(server, book, report)
    yield* checkIdlePool(pool, report)
    yield* expectEnd("closing the pool", Scope.close(poolScope, Exit.void), report)
    yield* checkClosedPool(server, counts, report)
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
