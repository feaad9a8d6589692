/**
 * A date and a time of day without a zone: what PostgreSQL and Hyper call `timestamp` (`without time zone`).
 *
 * It is what a clock on some wall shows, not an instant: making a JavaScript `Date` of it means to choose a zone, so
 * that is asked for by name ({@link inUtc}). Microseconds, years before Christ and PostgreSQL's infinities are kept.
 *
 * @since 0.1.0
 */
import * as Equal from "effect/Equal"
import * as Hash from "effect/Hash"
import * as Inspectable from "effect/Inspectable"
import * as Option from "effect/Option"
import type * as order from "effect/Order"
import type * as Schema from "effect/Schema"
import * as CalendarDate from "./CalendarDate.ts"
import * as Calendar from "./internal/calendar.ts"
import * as DayTime from "./internal/dayTime.ts"
import * as IsoText from "./internal/isoText.ts"
import * as ValueSchema from "./internal/valueSchema.ts"
import * as TimeOfDay from "./TimeOfDay.ts"
import * as TimestampTz from "./TimestampTz.ts"

const TypeId = "~@hyperfect/values/Timestamp"

/**
 * A day and a time of it, in no time zone, or one of the infinities.
 *
 * @category models
 * @since 0.1.0
 */
export interface Timestamp extends Equal.Equal {
  readonly [TypeId]: typeof TypeId
  /** Days since 2000-01-01; 2147483647 for `infinity` and -2147483648 for `-infinity`. */
  readonly day: number
  /** Microseconds since that day's midnight, 0 to 86399999999; 0 for the infinities. */
  readonly microsecond: number
  /** As `format`. */
  toString(): string
  /** As `format`. */
  toJSON(): string
}

class Value implements Timestamp {
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
    return isTimestamp(that) && this.day === that.day && this.microsecond === that.microsecond
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
    return `Timestamp(${format(this)})`
  }
}

/**
 * Whether a value is a {@link Timestamp}.
 *
 * @category guards
 * @since 0.1.0
 */
export const isTimestamp = (u: unknown): u is Timestamp =>
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
export const fromPartsUnsafe = (day: number, microsecond: number): Timestamp => new Value(day, microsecond)

/**
 * Later than every other timestamp.
 *
 * @category constants
 * @since 0.1.0
 */
export const infinity: Timestamp = new Value(Calendar.infinity, 0)

/**
 * Earlier than every other timestamp.
 *
 * @category constants
 * @since 0.1.0
 */
export const negativeInfinity: Timestamp = new Value(Calendar.negativeInfinity, 0)

const fromParts = DayTime.within(fromPartsUnsafe)

/**
 * The timestamp of a date and a time of day. With 24:00:00 it is the midnight at the end of that day. None beyond
 * 294276-12-31, the last day of timestamps.
 *
 * **Example** (What the wall shows)
 *
 * ```ts
 * import * as CalendarDate from "@hyperfect/values/CalendarDate"
 * import * as TimeOfDay from "@hyperfect/values/TimeOfDay"
 * import * as Timestamp from "@hyperfect/values/Timestamp"
 * import * as Option from "effect/Option"
 * import { strict as assert } from "node:assert"
 *
 * const timestamp = Timestamp.make(CalendarDate.makeUnsafe(2024, 2, 29), TimeOfDay.makeUnsafe(12, 30))
 * assert.equal(Option.getOrThrow(timestamp).toString(), "2024-02-29T12:30:00")
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (date: CalendarDate.CalendarDate, time: TimeOfDay.TimeOfDay): Option.Option<Timestamp> =>
  !CalendarDate.isFinite(date)
    ? fromParts(date.day, 0)
    : time.microsecond === Calendar.microsecondsPerDay
    ? fromParts(date.day + 1, 0)
    : fromParts(date.day, time.microsecond)

/**
 * The day, or an infinity.
 *
 * @category converting
 * @since 0.1.0
 */
export const toCalendarDate = (self: Timestamp): CalendarDate.CalendarDate => CalendarDate.fromDayUnsafe(self.day)

/**
 * The time of day; midnight for the infinities.
 *
 * @category converting
 * @since 0.1.0
 */
export const toTimeOfDay = (self: Timestamp): TimeOfDay.TimeOfDay => TimeOfDay.fromMicrosecondUnsafe(self.microsecond)

/**
 * The instant at which clocks that run on UTC show this.
 *
 * @category converting
 * @since 0.1.0
 */
export const inUtc = (self: Timestamp): TimestampTz.TimestampTz =>
  TimestampTz.fromPartsUnsafe(self.day, self.microsecond)

/**
 * What clocks that run on UTC show at an instant.
 *
 * @category converting
 * @since 0.1.0
 */
export const fromUtc = (instant: TimestampTz.TimestampTz): Timestamp => new Value(instant.day, instant.microsecond)

/**
 * Reads what {@link format} writes, with a blank or a `T` in the middle: `2024-02-29 12:30:00.5`,
 * `0044-03-15 12:00:00 BC`, `infinity`. A text with a zone is not a timestamp without one.
 *
 * @category converting
 * @since 0.1.0
 */
export const fromString = (text: string): Option.Option<Timestamp> =>
  IsoText.parseTimestamp(text, false, fromParts) ?? Option.none()

/**
 * As {@link fromString}, but throws a `ValueError` when the text is not a timestamp.
 *
 * @category converting
 * @since 0.1.0
 */
export const fromStringUnsafe = (text: string): Timestamp =>
  ValueSchema.getOrThrow(fromString(text), "timestamp", "YYYY-MM-DD HH:MM:SS.ffffff without a zone")

/**
 * The text, in ISO 8601 for the years 1 to 9999.
 *
 * @category converting
 * @since 0.1.0
 */
export const format = (self: Timestamp): string => IsoText.formatTimestamp(self.day, self.microsecond, "T", "")

/**
 * Whether it is a point in time at all, and not an infinity.
 *
 * @category guards
 * @since 0.1.0
 */
export const isFinite: (self: Timestamp) => boolean = DayTime.isFinite

/**
 * From the earliest to the latest.
 *
 * @category instances
 * @since 0.1.0
 */
export const Order: order.Order<Timestamp> = DayTime.Order

const schemas = ValueSchema.declare("Timestamp", {
  is: isTimestamp,
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
export const Timestamp: Schema.declare<Timestamp> = schemas.instance

/**
 * Reads and writes the text of {@link format}.
 *
 * @category schemas
 * @since 0.1.0
 */
export const TimestampFromString: Schema.decodeTo<Schema.declare<Timestamp>, Schema.String> = schemas.fromString
