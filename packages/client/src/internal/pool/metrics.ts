/**
 * Metrics of a pool.
 *
 * @internal
 */
import { Clock } from "effect/Clock"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type { Stats } from "../../PoolStats.ts"
import * as Telemetry from "../../Telemetry.ts"
import type { Settings } from "./settings.ts"

/** The interval of updates. */
const updateInterval = "1 second"

type Attributes = Readonly<Record<string, string>>

/** @internal */
export const makePoolMetrics = (attributes: Attributes, context: Context.Context<never>) => {
  const withAttributes = <Input, State>(metric: Metric.Metric<Input, State>, more?: Attributes) =>
    Metric.withAttributes(metric, { ...attributes, ...more })

  /** Records the duration of an operation that succeeded. */
  const recordDuration = (metric: Metric.Histogram<number>) => {
    const own = withAttributes(metric)
    return <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
      Effect.flatMap(Clock, (clock) => {
        const start = clock.monotonicTimeNanosUnsafe()
        return Effect.map(effect, (answer) => {
          own.updateUnsafe(Number(clock.monotonicTimeNanosUnsafe() - start) / 1e9, context)
          return answer
        })
      })
  }

  /** Updates the metrics periodically. */
  const run = (stats: () => Stats, { max, min }: Settings): Effect.Effect<never> => {
    const state = "db.client.connection.state"
    const idle = withAttributes(Telemetry.connectionCount, { [state]: "idle" })
    const used = withAttributes(Telemetry.connectionCount, { [state]: "used" })
    const pending = withAttributes(Telemetry.pendingRequests)
    const timeouts = withAttributes(Telemetry.connectionTimeouts)
    let known = 0
    withAttributes(Telemetry.connectionMax).updateUnsafe(max, context)
    withAttributes(Telemetry.connectionIdleMin).updateUnsafe(min, context)
    const show = (idleNow: number, usedNow: number, waiting: number) => {
      idle.updateUnsafe(idleNow, context)
      used.updateUnsafe(usedNow, context)
      pending.updateUnsafe(waiting, context)
    }
    return Effect.sync(() => {
      const now = stats()
      show(now.idle, now.size - now.idle, now.waiting)
      timeouts.updateUnsafe(now.timeouts - known, context)
      known = now.timeouts
    }).pipe(
      Effect.andThen(Effect.sleep(updateInterval)),
      Effect.forever,
      // A closed pool has no sessions and no waiters.
      Effect.ensuring(Effect.sync(() => show(0, 0, 0)))
    )
  }

  return { recordDuration, run }
}
