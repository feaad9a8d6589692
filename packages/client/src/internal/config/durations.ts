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

/** True if a value, which may come from untyped code, is a duration. */
export const isDuration = (value: unknown): boolean => Option.isSome(Duration.fromInput(value as Duration.Input))

/** Returns a setting that was checked, in milliseconds. */
export const toMillis = <D extends Duration.Input | undefined>(setting: D): number | (D & undefined) =>
  setting === undefined ? setting as D & undefined : Duration.toMillis(setting as Duration.Input)
