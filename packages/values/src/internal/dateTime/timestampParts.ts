/**
 * A day and a microsecond of that day: the common part of timestamps with and without a time zone.
 *
 * @internal
 */
import * as Option from "effect/Option"
import * as order from "effect/Order"
import * as Schema from "effect/Schema"
import * as Calendar from "./calendar.ts"

export interface TimestampParts {
  /** Days since 2000-01-01, of an instant in UTC; 2147483647 for `infinity` and -2147483648 for `-infinity`. */
  readonly day: number
  /** Microseconds since that day's midnight, 0 to 86399999999; 0 for the infinities. */
  readonly microsecond: number
}

/** Creates what stands for a timestamp. */
export type Make<A> = (day: number, microsecond: number) => A

export const isFinite = ({ day }: TimestampParts): boolean =>
  day !== Calendar.infinity && day !== Calendar.negativeInfinity

export const Order: order.Order<TimestampParts> = order.combine(
  order.mapInput(order.Number, ({ day }: TimestampParts) => day),
  order.mapInput(order.Number, ({ microsecond }: TimestampParts) => microsecond)
)

/** Creates a timestamp if its day is in the range of timestamps, or an infinity. */
export const makeInRange = <A>(make: Make<A>): Make<Option.Option<A>> => (day, microsecond) =>
  (day >= Calendar.minDay && day <= Calendar.maxTimestampDay) || day === Calendar.infinity ||
    day === Calendar.negativeInfinity
    ? Option.some(make(day, microsecond))
    : Option.none()

const microsecondsPerDay = BigInt(Calendar.microsecondsPerDay)

/** The smallest and largest number of microseconds, which are PostgreSQL's infinities. */
export const minInt64 = BigInt("-9223372036854775808")
export const maxInt64 = BigInt("9223372036854775807")

/** Returns microseconds since 2000-01-01, as PostgreSQL counts, if 64 bits hold them. */
export const toMicroseconds = ({ day, microsecond }: TimestampParts): bigint | undefined => {
  if (day === Calendar.infinity) return maxInt64
  if (day === Calendar.negativeInfinity) return minInt64
  const count = BigInt(day) * microsecondsPerDay + BigInt(microsecond)
  return BigInt.asIntN(64, count) === count ? count : undefined
}

/** Splits microseconds into days and the microseconds of the last day. */
export const fromMicroseconds = <A>(count: bigint, make: Make<A>): A => {
  if (count === maxInt64) return make(Calendar.infinity, 0)
  if (count === minInt64) return make(Calendar.negativeInfinity, 0)
  const microsecond = ((count % microsecondsPerDay) + microsecondsPerDay) % microsecondsPerDay
  return make(Number((count - microsecond) / microsecondsPerDay), Number(microsecond))
}

const integer = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

/** Days and microseconds for generated timestamps, including those at the limits. */
export const arbitrary = Schema.Union([
  Schema.Tuple([integer(Calendar.minDay, Calendar.maxTimestampDay), integer(0, Calendar.microsecondsPerDay - 1)]),
  Schema.Tuple([integer(-40_000, 40_000), Schema.Literals([0, 1, 8191, 8192, Calendar.microsecondsPerDay - 1])]),
  Schema.Tuple([
    Schema.Literals([Calendar.infinity, Calendar.negativeInfinity, Calendar.minDay, Calendar.maxTimestampDay]),
    Schema.Literal(0)
  ])
])
