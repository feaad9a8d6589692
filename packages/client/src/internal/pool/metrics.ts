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

/** @internal */
export class PoolMetrics {
  private readonly attributes: Readonly<Record<string, string>>
  private readonly context: Context.Context<never>

  constructor(attributes: Readonly<Record<string, string>>, context: Context.Context<never>) {
    this.attributes = attributes
    this.context = context
  }

  private withAttributes<Input, State>(metric: Metric.Metric<Input, State>, more?: Readonly<Record<string, string>>) {
    return Metric.withAttributes(metric, { ...this.attributes, ...more })
  }

  /** Records the duration of an operation that succeeded. */
  recordDuration(
    metric: Metric.Histogram<number>
  ): <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R> {
    const own = this.withAttributes(metric)
    return (effect) =>
      Effect.flatMap(Clock, (clock) => {
        const start = clock.monotonicTimeNanosUnsafe()
        return Effect.map(effect, (answer) => {
          own.updateUnsafe(Number(clock.monotonicTimeNanosUnsafe() - start) / 1e9, this.context)
          return answer
        })
      })
  }

  /** Updates the metrics periodically. */
  run(stats: () => Stats, { max, min }: Settings): Effect.Effect<never> {
    const state = "db.client.connection.state"
    const idle = this.withAttributes(Telemetry.connectionCount, { [state]: "idle" })
    const used = this.withAttributes(Telemetry.connectionCount, { [state]: "used" })
    const pending = this.withAttributes(Telemetry.pendingRequests)
    const timeouts = this.withAttributes(Telemetry.connectionTimeouts)
    let known = 0
    this.withAttributes(Telemetry.connectionMax).updateUnsafe(max, this.context)
    this.withAttributes(Telemetry.connectionIdleMin).updateUnsafe(min, this.context)
    const show = (idleNow: number, usedNow: number, waiting: number) => {
      idle.updateUnsafe(idleNow, this.context)
      used.updateUnsafe(usedNow, this.context)
      pending.updateUnsafe(waiting, this.context)
    }
    return Effect.sync(() => {
      const now = stats()
      show(now.idle, now.size - now.idle, now.waiting)
      timeouts.updateUnsafe(now.timeouts - known, this.context)
      known = now.timeouts
    }).pipe(
      Effect.andThen(Effect.sleep(updateInterval)),
      Effect.forever,
      // A closed pool has no sessions and no waiters.
      Effect.ensuring(Effect.sync(() => show(0, 0, 0)))
    )
  }
}
