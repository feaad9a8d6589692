/**
 * Times of day without a time zone: the type `time` of PostgreSQL and Hyper.
 *
 * A time is a number of microseconds since midnight, up to and including 24:00:00, which both servers distinguish from
 * 00:00:00.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as order from "effect/Order"
import * as Schema from "effect/Schema"
import * as Calendar from "./internal/dateTime/calendar.ts"
import * as IsoText from "./internal/dateTime/isoText.ts"
import * as ValueSchema from "./internal/schema/value.ts"

const TypeId: unique symbol = Symbol.for("@hyperfect/values/TimeOfDay")

/**
 * A time of day from 00:00:00 to 24:00:00, to the microsecond.
 *
 * @category models
 * @since 0.1.0
 */
export interface TimeOfDay extends ValueSchema.Instance {
  readonly [TypeId]: typeof TypeId
  /** Microseconds since midnight, 0 to 86400000000. */
  readonly microsecond: number
}

const Value = ValueSchema.define(
  "TimeOfDay",
  TypeId,
  (self: TimeOfDay) => format(self),
  class {
    readonly microsecond: number

    constructor(microsecond: number) {
      this.microsecond = microsecond
    }
  }
)

/**
 * True if the value is a {@link TimeOfDay}.
 *
 * @category guards
 * @since 0.1.0
 */
export const isTimeOfDay = (u: unknown): u is TimeOfDay => typeof u === "object" && u !== null && TypeId in u

/**
 * Creates a time from microseconds since midnight, without checks.
 *
 * **When to use**
 *
 * Use in codecs, and where the number is known to be valid.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromMicrosecondUnsafe = (microsecond: number): TimeOfDay => new Value(microsecond)

/**
 * Creates a time from microseconds since midnight; none above 86400000000, which is 24:00:00.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromMicrosecond = (microsecond: number): Option.Option<TimeOfDay> =>
  Number.isInteger(microsecond) && microsecond >= 0 && microsecond <= Calendar.microsecondsPerDay
    ? Option.some(new Value(microsecond))
    : Option.none()

/**
 * Creates a time from its parts; none if the time does not exist.
 *
 * **Example** (The end of a day)
 *
 * ```ts
 * import * as TimeOfDay from "@hyperfect/values/TimeOfDay"
 * import { strict as assert } from "node:assert"
 *
 * assert.equal(TimeOfDay.format(TimeOfDay.makeUnsafe(24, 0)), "24:00:00")
 * assert.equal(TimeOfDay.format(TimeOfDay.makeUnsafe(9, 5, 0, 250)), "09:05:00.00025")
 * assert.equal(TimeOfDay.make(24, 0, 1)._tag, "None")
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (hour: number, minute: number, second = 0, microsecond = 0): Option.Option<TimeOfDay> =>
  Number.isInteger(hour) && hour >= 0 && Number.isInteger(minute) && minute >= 0 && minute < 60 &&
    Number.isInteger(second) && second >= 0 && second < 60 && microsecond >= 0 && microsecond < 1_000_000
    ? fromMicrosecond(((hour * 60 + minute) * 60 + second) * 1_000_000 + microsecond)
    : Option.none()

/**
 * Like {@link make}, but throws a `ValueError` if the time does not exist.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeUnsafe = (hour: number, minute: number, second = 0, microsecond = 0): TimeOfDay =>
  ValueSchema.getOrThrow(make(hour, minute, second, microsecond), "time", "00:00:00 to 24:00:00")

/**
 * Parses the output of {@link format}: `09:05:00.00025`. The seconds are optional.
 *
 * @category converting
 * @since 0.1.0
 */
export const fromString = (text: string): Option.Option<TimeOfDay> => {
  const microsecond = IsoText.parseTime(text)
  return microsecond === undefined ? Option.none() : Option.some(new Value(microsecond))
}

/**
 * Like {@link fromString}, but throws a `ValueError` if the text is not a time.
 *
 * @category converting
 * @since 0.1.0
 */
export const fromStringUnsafe = (text: string): TimeOfDay =>
  ValueSchema.getOrThrow(fromString(text), "time", "HH:MM:SS.ffffff")

/**
 * Formats a time as text that both servers accept (ISO 8601).
 *
 * @category converting
 * @since 0.1.0
 */
export const format = (self: TimeOfDay): string => IsoText.formatTime(self.microsecond)

/**
 * Orders times from the earliest to the latest.
 *
 * @category instances
 * @since 0.1.0
 */
export const Order: order.Order<TimeOfDay> = order.mapInput(order.Number, (self: TimeOfDay) => self.microsecond)

const schemas = ValueSchema.declare("TimeOfDay", {
  is: isTimeOfDay,
  parse: fromString,
  format,
  arbitrary: Schema.Union([
    Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: Calendar.microsecondsPerDay })),
    Schema.Literals([0, 1, Calendar.microsecondsPerDay - 1, Calendar.microsecondsPerDay])
  ]),
  fromArbitrary: fromMicrosecondUnsafe
})

/**
 * The Schema of the instances; their JSON form is their text.
 *
 * @category schemas
 * @since 0.1.0
 */
export const TimeOfDay: Schema.declare<TimeOfDay> = schemas.instance

/**
 * Decodes from and encodes to the text of {@link format}.
 *
 * @category schemas
 * @since 0.1.0
 */
export const TimeOfDayFromString: Schema.decodeTo<Schema.declare<TimeOfDay>, Schema.String> = schemas.fromString
