/**
 * The settings of a pool, from its options.
 *
 * @internal
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { ConnectionConfigError } from "../../ConnectionConfigError.ts"
import { toDuration } from "../config/durations.ts"
import { configError, countProblem } from "../config/settings.ts"
import type { Options } from "./model.ts"

const invalid = (setting: string, problem: string) => Effect.fail(configError(setting, "invalid", problem))

const count = (setting: keyof Options, value: number | undefined, absent: number, least: number) => {
  const problem = value === undefined ? undefined : countProblem(value, least)
  return problem === undefined ? Effect.succeed(value ?? absent) : invalid(setting, problem)
}

const durationWith = (isValid: (duration: Duration.Duration) => boolean, problem: string) =>
(
  setting: string,
  value: Duration.Input | undefined,
  absent: Duration.Input
): Effect.Effect<number, ConnectionConfigError> =>
  Option.match(Option.filter(toDuration(value ?? absent), isValid), {
    onNone: () => invalid(setting, problem),
    onSome: (duration) => Effect.succeed(Duration.toMillis(duration))
  })

const duration = durationWith(() => true, "must be a duration")

/** Returns a duration in milliseconds; fails if it is infinite. */
export const finiteDuration = durationWith(Duration.isFinite, "must be a finite duration")

/** Checks the options of a pool and adds those that are absent. All durations are in milliseconds. */
export const resolveSettings = Effect.fnUntraced(function*(options: Options) {
  const max = yield* count("max", options.max, 10, 1)
  const min = yield* count("min", options.min, 0, 0)
  if (min > max) return yield* invalid("min", "must not be greater than max")
  return {
    min,
    max,
    depth: yield* count("depth", options.depth, 32, 1),
    /** True if a session is filled before another one is used. */
    isPacked: options.sharing === "packed",
    maxWaiting: yield* count("maxWaiting", options.maxWaiting, Infinity, 0),
    failFastAfter: yield* duration("failFastAfter", options.failFastAfter, Duration.infinity),
    /** The delays between attempts to open a session. */
    reconnect: options.hostRecheck,
    acquireTimeout: yield* duration("acquireTimeout", options.acquireTimeout, "30 seconds"),
    idleTimeout: yield* duration("idleTimeout", options.idleTimeout, "10 minutes"),
    lifetime: yield* duration("lifetime", options.lifetime, "30 minutes"),
    checkAfter: yield* duration("checkAfter", options.checkAfter, "30 seconds"),
    resetAlways: options.reset === "always",
    drainTimeout: yield* duration("drainTimeout", options.drainTimeout, "5 seconds"),
    onConnect: options.onConnect ?? (() => Effect.void),
    onAcquire: options.onAcquire
  }
})

/** @internal */
export type Settings = Readonly<Effect.Success<ReturnType<typeof resolveSettings>>>
