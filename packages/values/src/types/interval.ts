/**
 * `interval`.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as Codec from "../internal/codec/codec.ts"
import * as Numbers from "../internal/codec/numbers.ts"
import * as IntervalText from "../internal/dateTime/intervalText.ts"
import * as Interval from "../Interval.ts"
import type { Format, Type } from "../Type.ts"

const check = (value: unknown, format: Format): Interval.Interval => {
  if (!Interval.isInterval(value)) return Codec.typeMismatch("interval", format, "Interval", value)
  return (value.months | 0) === value.months && (value.days | 0) === value.days &&
      BigInt.asIntN(64, value.microseconds) === value.microseconds
    ? value
    : Codec.outOfRange("interval", format, "months and days of 32 bits, microseconds of 64 bits", "more")
}

const reader = (format: Format, int32: typeof Numbers.int32, int64: typeof Numbers.int64) =>
  Codec.sized(
    "interval",
    format,
    16,
    (bytes, at) => Interval.fromPartsUnsafe(int32(bytes, at + 12), int32(bytes, at + 8), int64(bytes, at))
  )

/**
 * `interval`: an `Interval` of months, days and microseconds.
 *
 * **Gotchas**
 *
 * Hyper does not have PostgreSQL's `infinity` and `-infinity`, so format 2 rejects them.
 *
 * @category types
 * @since 0.1.0
 */
export const interval: Type<Interval.Interval> = {
  name: "interval",
  oid: 1186,
  arrayOid: 1187,
  category: "time",
  schema: Interval.Interval,
  text: Codec.text(
    "interval",
    "an interval in one of PostgreSQL's styles",
    (text) => Option.getOrUndefined(Interval.fromString(text)),
    (value: Interval.Interval) =>
      Interval.isFinite(check(value, 0)) ? IntervalText.formatForServer(value) : Interval.format(value)
  ),
  binary: {
    read: reader(1, Numbers.int32, Numbers.int64),
    write: (out, value) => {
      const { days, microseconds, months } = check(value, 1)
      out.int64(microseconds)
      out.int32(days)
      out.int32(months)
    }
  },
  hyper: Codec.fixed(16, {
    read: reader(2, Numbers.int32LE, Numbers.int64LE),
    write: (out, value) => {
      const { days, microseconds, months } = check(value, 2)
      if (!Interval.isFinite(value)) Codec.notRepresentable("interval", 2, "a finite interval", "an infinity")
      out.int64LE(microseconds)
      out.int32LE(days)
      out.int32LE(months)
    }
  })
}
