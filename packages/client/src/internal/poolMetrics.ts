/**
 * The numbers of a pool, as metrics.
 *
 * @internal
 */
import { Clock } from "effect/Clock"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type { Stats } from "../PoolStats.ts"
import * as Telemetry from "../Telemetry.ts"
import type { Settings } from "./members.ts"

/** How often the numbers are brought up to date. */
const interval = "1 second"

/** @internal */
export class PoolMetrics {
  private readonly attributes: Readonly<Record<string, string>>
  private readonly context: Context.Context<never>

  constructor(attributes: Readonly<Record<string, string>>, context: Context.Context<never>) {
    this.attributes = attributes
    this.context = context
  }

  private of<Input, State>(metric: Metric.Metric<Input, State>, more?: Readonly<Record<string, string>>) {
    return Metric.withAttributes(metric, { ...this.attributes, ...more })
  }

  /** Records how long something took that has succeeded. */
  timed(metric: Metric.Histogram<number>): <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R> {
    const own = this.of(metric)
    return (effect) =>
      Effect.flatMap(Clock, (clock) => {
        const start = clock.currentTimeMillisUnsafe()
        return Effect.map(effect, (answer) => {
          own.updateUnsafe((clock.currentTimeMillisUnsafe() - start) / 1000, this.context)
          return answer
        })
      })
  }

  /** Brings the numbers up to date, for ever. */
  keep(stats: () => Stats, { max, min }: Settings): Effect.Effect<never> {
    const state = "db.client.connection.state"
    const idle = this.of(Telemetry.connectionCount, { [state]: "idle" })
    const used = this.of(Telemetry.connectionCount, { [state]: "used" })
    const pending = this.of(Telemetry.pendingRequests)
    const timeouts = this.of(Telemetry.connectionTimeouts)
    let known = 0
    this.of(Telemetry.connectionMax).updateUnsafe(max, this.context)
    this.of(Telemetry.connectionIdleMin).updateUnsafe(min, this.context)
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
      Effect.andThen(Effect.sleep(interval)),
      Effect.forever,
      // A pool that is closed has none of them.
      Effect.ensuring(Effect.sync(() => show(0, 0, 0)))
    )
  }
}
