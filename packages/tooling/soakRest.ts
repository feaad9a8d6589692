/** What is left of a soak: places, statements, locks, lines, sockets, fibers and memory. */
import type { ConnectionConfig } from "@hyperfect/client/ConnectionConfig"
import type * as Pool from "@hyperfect/client/Pool"
import * as Session from "@hyperfect/client/Session"
import { Cause, Effect, Exit } from "effect"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import type { Report } from "./soakReport.ts"

/** What the sessions of the pool call themselves. */
export const application = "hyperfect soak"

/** How many sessions there may be. */
export const max = 8

/** How many statements each of them keeps. */
export const statementCacheSize = 32

/** How long anything may take to settle. What a server owes us is given up after 5 seconds. */
export const patience = "60 seconds"

/** That something ends, however it ends, but in time. */
export const inTime = <A, E, R>(what: string, effect: Effect.Effect<A, E, R>, report: Report) =>
  Effect.flatMap(Effect.timeoutOption(Effect.exit(effect), "2 minutes"), (exit) =>
    Effect.sync(() => {
      if (exit._tag === "None") report.violations.push(`${what} does not come to an end`)
      else if (Exit.isFailure(exit.value)) report.violations.push(`${what}: ${Cause.pretty(exit.value.cause)}`)
    }))

/** That something becomes true. */
const settles = (holds: () => boolean) =>
  Effect.map(
    Effect.timeoutOption(
      Effect.suspend(() => holds() ? Effect.void : Effect.sleep("20 millis")).pipe(Effect.repeat({ until: holds })),
      patience
    ),
    ({ _tag }) => _tag === "Some"
  )

setFlagsFromString("--expose-gc")
const collectGarbage = runInNewContext("gc") as () => void

/** Megabytes in use. */
export const heapSize = () => {
  collectGarbage()
  return Math.round(process.memoryUsage().heapUsed / 1e5) / 10
}

export const sockets = () =>
  process.getActiveResourcesInfo().filter((name) => /^(TCPSocketWrap|PipeWrap|TLSWrap)$/.test(name)).length

/** What is left when nobody works any more. */
export const checkRest = (pool: Pool.Pool, report: Report) =>
  Effect.gen(function*() {
    const quiet = () => {
      const { closing, queries, taken, waiting } = pool.stats()
      return closing + queries + taken + waiting === 0
    }
    const isQuiet = yield* settles(quiet)
    const stats = pool.stats()
    report.stats = stats
    if (!isQuiet) report.violations.push(`the pool does not come to rest: ${JSON.stringify(stats)}`)
    if (stats.opened - stats.closed !== stats.size) {
      report.violations.push(`sessions are lost: ${JSON.stringify(stats)}`)
    }
    const all = yield* Effect.exit(Effect.timeout(
      Effect.scoped(Effect.gen(function*() {
        const sessions = yield* Effect.all(Array.from({ length: max }, () => pool.session), {
          concurrency: "unbounded"
        })
        for (const session of sessions) {
          const { rows } = yield* session.values(`select (select count(*)::int from pg_prepared_statements),
            (select count(*)::int from pg_locks where locktype = 'advisory' and pid = pg_backend_pid())`)
          const [statements, locks] = rows[0] as readonly [number, number]
          // One that has had to make room may still be on its way out.
          if (statements > statementCacheSize * 2) {
            report.violations.push(`${statements} statements are left in a session`)
          }
          if (locks > 0) report.violations.push(`${locks} locks are left in a session`)
        }
      })),
      patience
    ))
    if (Exit.isFailure(all)) report.violations.push(`not all places are to be had: ${Cause.pretty(all.cause)}`)
  })

/** That nothing is left of the pool when it is closed, on either side. */
export const checkGone = (
  server: ConnectionConfig,
  counts: { readonly lines: number; readonly fibers: number; readonly sockets: number },
  report: Report
) =>
  Effect.gen(function*() {
    if (!(yield* settles(() => counts.lines === 0))) report.violations.push(`${counts.lines} lines are left`)
    if (!(yield* settles(() => counts.fibers === 0))) report.violations.push(`${counts.fibers} fibers are left`)
    if (!(yield* settles(() => sockets() <= counts.sockets))) {
      report.violations.push(`${sockets() - counts.sockets} sockets are left`)
    }
    yield* Effect.scoped(Effect.gen(function*() {
      const admin = yield* Session.make(server)
      const processes = Effect.map(
        admin.values(`select count(*)::int from pg_stat_activity where application_name = '${application}'`),
        ({ rows }) => rows[0]![0] as number
      )
      const gone = yield* Effect.timeoutOption(
        processes.pipe(Effect.delay("20 millis"), Effect.repeat({ until: (count) => count === 0 })),
        patience
      )
      if (gone._tag === "None") report.violations.push(`${yield* processes} server processes are left`)
    }))
  })

/** How many megabytes more than in the beginning may be in use in the end. */
const growth = 16

/** That memory does not grow with time. The first samples are of a program that is still warming up. */
export const checkHeap = ({ heap, violations }: Report): void => {
  const settled = heap.slice(Math.ceil(heap.length / 4))
  const half = Math.floor(settled.length / 2)
  if (half < 3) return
  const median = (samples: ReadonlyArray<number>) => samples.toSorted((a, b) => a - b)[samples.length >> 1]!
  const [before, after] = [median(settled.slice(0, half)), median(settled.slice(half))]
  if (after > before + growth) violations.push(`memory grows: from ${before} to ${after} MB`)
}
