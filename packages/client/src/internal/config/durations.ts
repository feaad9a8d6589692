/**
 * Settings that are durations. A number is one in milliseconds.
 *
 * @internal
 */
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"

/** The names of the settings. */
export const durationSettings = [
  "connectTimeout",
  "keepAliveInitialDelay",
  "keepAliveInterval",
  "queryTimeout",
  "silenceTimeout",
  "typeCheckInterval"
] as const

/** Returns the duration that a value, which may come from untyped code, stands for; negative ones and `NaN` are none. */
export const toDuration = (value: unknown): Option.Option<Duration.Duration> =>
  Number.isNaN(value)
    ? Option.none()
    : Option.filter(Duration.fromInput(value as Duration.Input), (duration) => !Duration.isNegative(duration))

/** Returns a setting that was checked, in milliseconds. */
export const toMillis = <D extends Duration.Input | undefined>(setting: D): number | (D & undefined) =>
  setting === undefined ? setting as D & undefined : Duration.toMillis(setting as Duration.Input)
