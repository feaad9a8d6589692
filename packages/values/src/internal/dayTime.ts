/**
 * A day and a microsecond of it: what timestamps with and without a time zone have in common.
 *
 * Their classes stay apart, because a constructor that calls another one costs in the loop over rows.
 *
 * @internal
 */
import * as Hash from "effect/Hash"
import * as Option from "effect/Option"
import * as order from "effect/Order"
import * as Schema from "effect/Schema"
import * as Calendar from "./calendar.ts"

export interface DayTime {
  readonly day: number
  readonly microsecond: number
}

export const isFinite = ({ day }: DayTime): boolean => day !== Calendar.infinity && day !== Calendar.negativeInfinity

export const hash = ({ day, microsecond }: DayTime): number => Hash.combine(Hash.number(day), Hash.number(microsecond))

export const Order: order.Order<DayTime> = order.make((self, that) =>
  self.day !== that.day
    ? self.day < that.day ? -1 : 1
    : self.microsecond === that.microsecond
    ? 0
    : self.microsecond < that.microsecond
    ? -1
    : 1
)

/** Makes what has a day that timestamps have, or an infinity. */
export const within = <A>(make: (day: number, microsecond: number) => A) =>
(
  day: number,
  microsecond: number
): Option.Option<A> =>
  (day >= Calendar.minDay && day <= Calendar.maxTimestampDay) || day === Calendar.infinity ||
    day === Calendar.negativeInfinity
    ? Option.some(make(day, microsecond))
    : Option.none()

const integer = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

/** Days and microseconds to make arbitrary ones of, with those that are at some end. */
export const arbitrary = Schema.Union([
  Schema.Tuple([integer(Calendar.minDay, Calendar.maxTimestampDay), integer(0, Calendar.microsecondsPerDay - 1)]),
  Schema.Tuple([
    integer(-40_000, 40_000),
    Schema.Literals([0, 1, 8191, 8192, Calendar.microsecondsPerDay - 1])
  ]),
  Schema.Tuple([
    Schema.Literals([Calendar.infinity, Calendar.negativeInfinity, Calendar.minDay, Calendar.maxTimestampDay]),
    Schema.Literal(0)
  ])
])
