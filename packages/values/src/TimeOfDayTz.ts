/**
 * Times of day with an offset from UTC: PostgreSQL's type `timetz` (`time with time zone`). Hyper has no such type.
 *
 * The offset is part of the value, and seldom useful without a date; PostgreSQL's documentation advises against the
 * type.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Calendar from "./internal/dateTime/calendar.ts"
import * as IsoText from "./internal/dateTime/isoText.ts"
import * as ValueSchema from "./internal/schema/value.ts"
import type * as TimeOfDay from "./TimeOfDay.ts"

const TypeId: unique symbol = Symbol.for("@hyperfect/values/TimeOfDayTz")

/**
 * A time of day and its offset from UTC.
 *
 * @category models
 * @since 0.1.0
 */
export interface TimeOfDayTz extends ValueSchema.Instance {
  readonly [TypeId]: typeof TypeId
  /** Microseconds since midnight, 0 to 86400000000. */
  readonly microsecond: number
  /** Seconds east of UTC, -57599 to 57599. */
  readonly offset: number
}

const Value = ValueSchema.define(
  "TimeOfDayTz",
  TypeId,
  (self: TimeOfDayTz) => format(self),
  class {
    readonly microsecond: number
    readonly offset: number

    constructor(microsecond: number, offset: number) {
      this.microsecond = microsecond
      this.offset = offset
    }
  }
)

/** PostgreSQL's limit in seconds: less than 16 hours. */
const maxOffset = 57_599

/**
 * True if the value is a {@link TimeOfDayTz}.
 *
 * @category guards
 * @since 0.1.0
 */
export const isTimeOfDayTz = (u: unknown): u is TimeOfDayTz => typeof u === "object" && u !== null && TypeId in u

/**
 * Creates a time from microseconds since midnight and seconds east of UTC, without checks.
 *
 * **When to use**
 *
 * Use in codecs, and where the numbers are known to be valid.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromPartsUnsafe = (microsecond: number, offset: number): TimeOfDayTz => new Value(microsecond, offset)

/**
 * Creates a time with an offset in seconds east of UTC; none if the offset is 16 hours or more.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (time: TimeOfDay.TimeOfDay, offset: number): Option.Option<TimeOfDayTz> =>
  Number.isInteger(offset) && Math.abs(offset) <= maxOffset
    ? Option.some(new Value(time.microsecond, offset + 0))
    : Option.none()

/**
 * Parses the output of {@link format}: `09:05:00.00025+02`, `12:00:00-03:30`.
 *
 * @category converting
 * @since 0.1.0
 */
export const fromString = (text: string): Option.Option<TimeOfDayTz> => {
  const sign = text.search(/[Z+-]/)
  const microsecond = sign < 0 ? undefined : IsoText.parseTime(text.slice(0, sign))
  const offset = sign < 0 ? undefined : IsoText.parseOffset(text.slice(sign))
  return microsecond === undefined || offset === undefined
    ? Option.none()
    : Option.some(new Value(microsecond, offset + 0))
}

/**
 * Like {@link fromString}, but throws a `ValueError` if the text is not a time with an offset.
 *
 * @category converting
 * @since 0.1.0
 */
export const fromStringUnsafe = (text: string): TimeOfDayTz =>
  ValueSchema.getOrThrow(fromString(text), "timetz", "HH:MM:SS.ffffff with an offset")

/**
 * Formats a time as text that PostgreSQL accepts and prints.
 *
 * @category converting
 * @since 0.1.0
 */
export const format = (self: TimeOfDayTz): string =>
  IsoText.formatTime(self.microsecond) + IsoText.formatOffset(self.offset)

const schemas = ValueSchema.declare("TimeOfDayTz", {
  is: isTimeOfDayTz,
  parse: fromString,
  format,
  arbitrary: Schema.Tuple([
    Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: Calendar.microsecondsPerDay })),
    Schema.Int.check(Schema.isBetween({ minimum: -maxOffset, maximum: maxOffset }))
  ]),
  fromArbitrary: ([microsecond, offset]) => new Value(microsecond + 0, offset + 0)
})

/**
 * The Schema of the instances; their JSON form is their text.
 *
 * @category schemas
 * @since 0.1.0
 */
export const TimeOfDayTz: Schema.declare<TimeOfDayTz> = schemas.instance

/**
 * Decodes from and encodes to the text of {@link format}.
 *
 * @category schemas
 * @since 0.1.0
 */
export const TimeOfDayTzFromString: Schema.decodeTo<Schema.declare<TimeOfDayTz>, Schema.String> = schemas.fromString
