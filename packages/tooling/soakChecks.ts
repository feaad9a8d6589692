/** Checks for leaks after a soak: pool slots, statements, locks, connections, sockets, fibers and memory. */
import type { ConnectionConfig } from "@hyperfect/client/ConnectionConfig"
import type * as Pool from "@hyperfect/client/Pool"
import * as Session from "@hyperfect/client/Session"
import * as Statement from "@hyperfect/client/Statement"
import { Cause, Effect, Exit } from "effect"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import type { Report } from "./soakReport.ts"
import { enumTexts } from "./soakWorkload.ts"

/** The application name of the pool's sessions. */
export const applicationName = "hyperfect soak"

/** The maximum number of sessions. */
export const maxSessions = 8

/** The number of statements that each session caches. */
export const statementCacheSize = 32

/** The time limit for anything to settle. A pending response is given up after 5 seconds. */
export const settleTimeout = "60 seconds"

/** Checks that an effect ends in time, in success or failure. */
export const expectEnd = <A, E, R>(what: string, effect: Effect.Effect<A, E, R>, report: Report) =>
  Effect.flatMap(Effect.timeoutOption(Effect.exit(effect), "2 minutes"), (exit) =>
    Effect.sync(() => {
      if (exit._tag === "None") report.violations.push(`${what} does not come to an end`)
      else if (Exit.isFailure(exit.value)) report.violations.push(`${what}: ${Cause.pretty(exit.value.cause)}`)
    }))

/** Waits for a condition to become true, and returns false if it does not in time. */
const becomesTrue = (holds: () => boolean) =>
  Effect.map(
    Effect.timeoutOption(
      Effect.suspend(() => holds() ? Effect.void : Effect.sleep("20 millis")).pipe(Effect.repeat({ until: holds })),
      settleTimeout
    ),
    ({ _tag }) => _tag === "Some"
  )

setFlagsFromString("--expose-gc")
const collectGarbage = runInNewContext("gc") as () => void

/** Returns the heap in use, in megabytes. */
export const heapSize = () => {
  collectGarbage()
  return Math.round(process.memoryUsage().heapUsed / 1e5) / 10
}

export const sockets = () =>
  process.getActiveResourcesInfo().filter((name) => /^(TCPSocketWrap|PipeWrap|TLSWrap)$/.test(name)).length

/** Checks the pool after all work has ended. */
export const checkIdlePool = (pool: Pool.Pool, report: Report) =>
  Effect.gen(function*() {
    const quiet = () => {
      const { closing, queries, taken, waiting } = pool.stats()
      return closing + queries + taken + waiting === 0
    }
    const isQuiet = yield* becomesTrue(quiet)
    const stats = pool.stats()
    report.stats = stats
    if (!isQuiet) report.violations.push(`the pool does not come to rest: ${JSON.stringify(stats)}`)
    if (stats.opened - stats.closed !== stats.size) {
      report.violations.push(`sessions are lost: ${JSON.stringify(stats)}`)
    }
    // After attempts while the server was away, the next one can be as late as the time limit of a caller.
    yield* Effect.ignore(Effect.retry(pool.simple("select 1"), { while: (error) => error.isRetryable, times: 5 }))
    const all = yield* Effect.exit(Effect.timeout(
      Effect.scoped(Effect.gen(function*() {
        const sessions = yield* Effect.all(Array.from({ length: maxSessions }, () => pool.session), {
          concurrency: "unbounded"
        })
        for (const session of sessions) {
          const { rows } = yield* session.values(`select (select count(*)::int from pg_prepared_statements),
            (select count(*)::int from pg_locks where locktype = 'advisory' and pid = pg_backend_pid())`)
          const [statements, locks] = rows[0] as readonly [number, number]
          // An evicted statement may not be closed yet.
          if (statements > statementCacheSize * 2) {
            report.violations.push(`${statements} statements are left in a session`)
          }
          if (locks > 0) report.violations.push(`${locks} locks are left in a session`)
          // No statement stays broken by a table or type that was altered since it was prepared.
          for (const text of enumTexts) yield* session.values(Statement.fromTextUnsafe(text, ["glad"]))
        }
      })),
      settleTimeout
    ))
    if (Exit.isFailure(all)) report.violations.push(`not all sessions can be acquired: ${Cause.pretty(all.cause)}`)
  })

/** Checks that nothing is left of the pool after it is closed, on either side. */
export const checkClosedPool = (
  server: ConnectionConfig,
  counts: { readonly lines: number; readonly fibers: number; readonly sockets: number },
  report: Report
) =>
  Effect.gen(function*() {
    if (!(yield* becomesTrue(() => counts.lines === 0))) report.violations.push(`${counts.lines} lines are left`)
    if (!(yield* becomesTrue(() => counts.fibers === 0))) report.violations.push(`${counts.fibers} fibers are left`)
    if (!(yield* becomesTrue(() => sockets() <= counts.sockets))) {
      report.violations.push(`${sockets() - counts.sockets} sockets are left`)
    }
    yield* Effect.scoped(Effect.gen(function*() {
      const admin = yield* Session.make(server)
      const processes = Effect.map(
        admin.values(`select count(*)::int from pg_stat_activity where application_name = '${applicationName}'`),
        ({ rows }) => rows[0]![0] as number
      )
      const gone = yield* Effect.timeoutOption(
        processes.pipe(Effect.delay("20 millis"), Effect.repeat({ until: (count) => count === 0 })),
        settleTimeout
      )
      if (gone._tag === "None") report.violations.push(`${yield* processes} server processes are left`)
    }))
  })

/** The maximum growth of the heap from beginning to end, in megabytes. */
const maxHeapGrowth = 16

/** Checks that memory does not grow over time. The first samples are ignored, as the program is still warming up. */
export const checkHeap = ({ heap, violations }: Report): void => {
  const settled = heap.slice(Math.ceil(heap.length / 4))
  const half = Math.floor(settled.length / 2)
  if (half < 3) return
  const median = (samples: ReadonlyArray<number>) => samples.toSorted((a, b) => a - b)[samples.length >> 1]!
  const [before, after] = [median(settled.slice(0, half)), median(settled.slice(half))]
  if (after > before + maxHeapGrowth) violations.push(`memory grows: from ${before} to ${after} MB`)
}
