/**
 * Dates with a time of day and no time zone: the type `timestamp` (`without time zone`) of PostgreSQL and Hyper.
 *
 * A timestamp is a local time, not an instant: converting it to a JavaScript `Date` requires a time zone, which must be
 * chosen explicitly ({@link inUtc}). Microseconds, years BC and PostgreSQL's infinities are preserved.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import type * as order from "effect/Order"
import type * as Schema from "effect/Schema"
import * as CalendarDate from "./CalendarDate.ts"
import * as Calendar from "./internal/dateTime/calendar.ts"
import * as IsoText from "./internal/dateTime/isoText.ts"
import * as TimestampParts from "./internal/dateTime/timestampParts.ts"
import * as ValueSchema from "./internal/schema/value.ts"
import * as TimeOfDay from "./TimeOfDay.ts"
import * as TimestampTz from "./TimestampTz.ts"

const TypeId: unique symbol = Symbol.for("@hyperfect/values/Timestamp")

/**
 * A date and a time of day without a time zone, or one of the infinities.
 *
 * @category models
 * @since 0.1.0
 */
export interface Timestamp extends ValueSchema.Instance, TimestampParts.TimestampParts {
  readonly [TypeId]: typeof TypeId
}

const Value = ValueSchema.define(
  "Timestamp",
  TypeId,
  (self: Timestamp) => format(self),
  class {
    readonly day: number
    readonly microsecond: number

    constructor(day: number, microsecond: number) {
      this.day = day
      this.microsecond = microsecond
    }
  }
)

/**
 * True if the value is a {@link Timestamp}.
 *
 * @category guards
 * @since 0.1.0
 */
export const isTimestamp = (u: unknown): u is Timestamp => typeof u === "object" && u !== null && TypeId in u

/**
 * Creates a timestamp from a day number counted as PostgreSQL does and a microsecond of that day, without checks.
 *
 * **When to use**
 *
 * Use in codecs, and where the numbers are known to be valid.
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

const fromParts = TimestampParts.makeInRange(fromPartsUnsafe)

/**
 * Creates a timestamp from a date and a time of day. The time 24:00:00 is the midnight at the end of the day. None
 * after 294276-12-31, the last day in the range of timestamps.
 *
 * **Example** (A date and a time of day)
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
 * Returns the date, or an infinity.
 *
 * @category converting
 * @since 0.1.0
 */
export const toCalendarDate = (self: Timestamp): CalendarDate.CalendarDate => CalendarDate.fromDayUnsafe(self.day)

/**
 * Returns the time of day; midnight for the infinities.
 *
 * @category converting
 * @since 0.1.0
 */
export const toTimeOfDay = (self: Timestamp): TimeOfDay.TimeOfDay => TimeOfDay.fromMicrosecondUnsafe(self.microsecond)

/**
 * Returns the instant at which the local time in UTC is this timestamp.
 *
 * @category converting
 * @since 0.1.0
 */
export const inUtc = (self: Timestamp): TimestampTz.TimestampTz =>
  TimestampTz.fromPartsUnsafe(self.day, self.microsecond)

/**
 * Returns the local time in UTC at an instant.
 *
 * @category converting
 * @since 0.1.0
 */
export const fromUtc = (instant: TimestampTz.TimestampTz): Timestamp => new Value(instant.day, instant.microsecond)

/**
 * Parses the output of {@link format}, with a space or a `T` between date and time: `2024-02-29 12:30:00.5`,
 * `0044-03-15 12:00:00 BC`, `infinity`. A text with a time zone is rejected.
 *
 * @category converting
 * @since 0.1.0
 */
export const fromString = (text: string): Option.Option<Timestamp> =>
  IsoText.parseTimestamp(text, false, fromParts) ?? Option.none()

/**
 * Like {@link fromString}, but throws a `ValueError` if the text is not a timestamp.
 *
 * @category converting
 * @since 0.1.0
 */
export const fromStringUnsafe = (text: string): Timestamp =>
  ValueSchema.getOrThrow(fromString(text), "timestamp", "YYYY-MM-DD HH:MM:SS.ffffff without a zone")

/**
 * Formats a timestamp, in ISO 8601 for the years 1 to 9999.
 *
 * @category converting
 * @since 0.1.0
 */
export const format = (self: Timestamp): string => IsoText.formatTimestamp(self.day, self.microsecond, "T", "")

/**
 * True if the timestamp is not one of the infinities.
 *
 * @category guards
 * @since 0.1.0
 */
export const isFinite: (self: Timestamp) => boolean = TimestampParts.isFinite

/**
 * Orders timestamps from the earliest to the latest.
 *
 * @category instances
 * @since 0.1.0
 */
export const Order: order.Order<Timestamp> = TimestampParts.Order

const schemas = ValueSchema.declare("Timestamp", {
  is: isTimestamp,
  parse: fromString,
  format,
  arbitrary: TimestampParts.arbitrary,
  fromArbitrary: ([day, microsecond]) => fromPartsUnsafe(day, microsecond)
})

/**
 * The Schema of the instances; their JSON form is their text.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Timestamp: Schema.declare<Timestamp> = schemas.instance

/**
 * Decodes from and encodes to the text of {@link format}.
 *
 * @category schemas
 * @since 0.1.0
 */
export const TimestampFromString: Schema.decodeTo<Schema.declare<Timestamp>, Schema.String> = schemas.fromString
