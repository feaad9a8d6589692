/**
 * An instant: what PostgreSQL and Hyper call `timestamptz` (`timestamp with time zone`).
 *
 * The servers store no zone with it, only the instant; a zone matters where it is shown. It keeps microseconds, years
 * before Christ and PostgreSQL's infinities, which JavaScript's `Date` and Effect's `DateTime` cannot: the conversions
 * to these give none rather than something near.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as Equal from "effect/Equal"
import * as Hash from "effect/Hash"
import * as Inspectable from "effect/Inspectable"
import * as Option from "effect/Option"
import type * as order from "effect/Order"
import type * as Schema from "effect/Schema"
import * as Calendar from "./internal/calendar.ts"
import * as DayTime from "./internal/dayTime.ts"
import * as IsoText from "./internal/isoText.ts"
import * as ValueSchema from "./internal/valueSchema.ts"

const TypeId = "~@hyperfect/values/TimestampTz"

/**
 * An instant, to the microsecond, or one of the infinities.
 *
 * @category models
 * @since 0.1.0
 */
export interface TimestampTz extends Equal.Equal {
  readonly [TypeId]: typeof TypeId
  /** Days since 2000-01-01 in UTC; 2147483647 for `infinity` and -2147483648 for `-infinity`. */
  readonly day: number
  /** Microseconds since that day's midnight, 0 to 86399999999; 0 for the infinities. */
  readonly microsecond: number
  /** As `format`. */
  toString(): string
  /** As `format`. */
  toJSON(): string
}

class Value implements TimestampTz {
  readonly day: number
  readonly microsecond: number

  constructor(day: number, microsecond: number) {
    this.day = day
    this.microsecond = microsecond
  }

  get [TypeId](): typeof TypeId {
    return TypeId
  }

  [Equal.symbol](that: Equal.Equal): boolean {
    return isTimestampTz(that) && this.day === that.day && this.microsecond === that.microsecond
  }

  [Hash.symbol](): number {
    return DayTime.hash(this)
  }

  toString(): string {
    return format(this)
  }

  toJSON(): string {
    return format(this)
  }

  [Inspectable.NodeInspectSymbol](): string {
    return `TimestampTz(${format(this)})`
  }
}

/**
 * Whether a value is a {@link TimestampTz}.
 *
 * @category guards
 * @since 0.1.0
 */
export const isTimestampTz = (u: unknown): u is TimestampTz =>
  typeof u === "object" && u !== null && (u as { readonly [TypeId]?: unknown })[TypeId] === TypeId

/**
 * Takes a day number in PostgreSQL's count and a microsecond of that day as they are.
 *
 * **When to use**
 *
 * Use in codecs, and where the numbers are known to be right: nothing is checked.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromPartsUnsafe = (day: number, microsecond: number): TimestampTz => new Value(day, microsecond)

/**
 * Later than every other instant.
 *
 * @category constants
 * @since 0.1.0
 */
export const infinity: TimestampTz = new Value(Calendar.infinity, 0)

/**
 * Earlier than every other instant.
 *
 * @category constants
 * @since 0.1.0
 */
export const negativeInfinity: TimestampTz = new Value(Calendar.negativeInfinity, 0)

const fromParts = DayTime.within(fromPartsUnsafe)

/**
 * Reads what {@link format} writes and what servers print in any zone: `2024-02-29 12:30:00.5+02`,
 * `0044-03-15 12:00:00+00 BC`, `2024-02-29T12:30:00Z`, `infinity`. A text without a zone is not an instant.
 *
 * @category converting
 * @since 0.1.0
 */
export const fromString = (text: string): Option.Option<TimestampTz> =>
  IsoText.parseTimestamp(text, true, fromParts) ?? Option.none()

/**
 * As {@link fromString}, but throws a `ValueError` when the text is not a timestamptz.
 *
 * @category converting
 * @since 0.1.0
 */
export const fromStringUnsafe = (text: string): TimestampTz =>
  ValueSchema.getOrThrow(fromString(text), "timestamptz", "YYYY-MM-DD HH:MM:SS.ffffff with a zone")

/**
 * The text in UTC, in ISO 8601 for the years 1 to 9999.
 *
 * @category converting
 * @since 0.1.0
 */
export const format = (self: TimestampTz): string => IsoText.formatTimestamp(self.day, self.microsecond, "T", "Z")

const fromEpochMilliseconds = (milliseconds: number): Option.Option<TimestampTz> => {
  const day = Math.floor(milliseconds / 86_400_000)
  const microsecond = (milliseconds - day * 86_400_000) * 1000
  return Number.isInteger(microsecond) ? fromParts(day + Calendar.unixEpochDay, microsecond) : Option.none()
}

/**
 * The instant of a `Date`; none for an invalid one, or one before 4714-11-24 BC.
 *
 * @category converting
 * @since 0.1.0
 */
export const fromDate = (date: Date): Option.Option<TimestampTz> => fromEpochMilliseconds(date.getTime())

/**
 * The same instant as a `Date`; none when it has microseconds that a `Date` would lose, or is infinite, or too far away.
 *
 * @category converting
 * @since 0.1.0
 */
export const toDate = (self: TimestampTz): Option.Option<Date> => {
  if (self.microsecond % 1000 !== 0 || !isFinite(self)) return Option.none()
  const date = toDateUnsafe(self)
  return Number.isNaN(date.getTime()) ? Option.none() : Option.some(date)
}

/**
 * The `Date` of the millisecond in which the instant lies.
 *
 * **Gotchas**
 *
 * Microseconds are cut off. For the infinities and for instants that a `Date` cannot hold it is an invalid `Date`.
 *
 * @category converting
 * @since 0.1.0
 */
export const toDateUnsafe = (self: TimestampTz): Date =>
  new Date((self.day - Calendar.unixEpochDay) * 86_400_000 + Math.floor(self.microsecond / 1000))

/**
 * The instant of a `DateTime`, whose zone is left behind; none before 4714-11-24 BC.
 *
 * @category converting
 * @since 0.1.0
 */
export const fromDateTime = (dateTime: DateTime.DateTime): Option.Option<TimestampTz> =>
  fromEpochMilliseconds(DateTime.toEpochMillis(dateTime))

/**
 * The same instant as a `DateTime`; none when it has microseconds that a `DateTime` would lose, or is infinite, or too
 * far away.
 *
 * @category converting
 * @since 0.1.0
 */
export const toDateTime = (self: TimestampTz): Option.Option<DateTime.Utc> =>
  Option.map(toDate(self), (date) => DateTime.makeUnsafe(date))

/**
 * Whether it is a point in time at all, and not an infinity.
 *
 * @category guards
 * @since 0.1.0
 */
export const isFinite: (self: TimestampTz) => boolean = DayTime.isFinite

/**
 * From the earliest to the latest.
 *
 * @category instances
 * @since 0.1.0
 */
export const Order: order.Order<TimestampTz> = DayTime.Order

const schemas = ValueSchema.declare("TimestampTz", {
  is: isTimestampTz,
  parse: fromString,
  format,
  arbitrary: DayTime.arbitrary,
  fromArbitrary: ([day, microsecond]) => fromPartsUnsafe(day, microsecond)
})

/**
 * The Schema of the instances; as JSON they are their text.
 *
 * @category schemas
 * @since 0.1.0
 */
export const TimestampTz: Schema.declare<TimestampTz> = schemas.instance

/**
 * Reads and writes the text of {@link format}.
 *
 * @category schemas
 * @since 0.1.0
 */
export const TimestampTzFromString: Schema.decodeTo<Schema.declare<TimestampTz>, Schema.String> = schemas.fromString
