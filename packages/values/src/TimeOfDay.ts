/**
 * A time of day without a zone: what PostgreSQL and Hyper call `time`.
 *
 * Microseconds since midnight, up to and with 24:00:00, which both servers keep apart from 00:00:00.
 *
 * @since 0.1.0
 */
import * as Equal from "effect/Equal"
import * as Hash from "effect/Hash"
import * as Inspectable from "effect/Inspectable"
import * as Option from "effect/Option"
import * as order from "effect/Order"
import * as Schema from "effect/Schema"
import * as Calendar from "./internal/calendar.ts"
import * as IsoText from "./internal/isoText.ts"
import * as ValueSchema from "./internal/valueSchema.ts"

const TypeId = "~@hyperfect/values/TimeOfDay"

/**
 * What a clock shows, to the microsecond, up to 24:00:00.
 *
 * @category models
 * @since 0.1.0
 */
export interface TimeOfDay extends Equal.Equal {
  readonly [TypeId]: typeof TypeId
  /** Microseconds since midnight, 0 to 86400000000. */
  readonly microsecond: number
  /** As `format`. */
  toString(): string
  /** As `format`. */
  toJSON(): string
}

class Value implements TimeOfDay {
  readonly microsecond: number

  constructor(microsecond: number) {
    this.microsecond = microsecond
  }

  get [TypeId](): typeof TypeId {
    return TypeId
  }

  [Equal.symbol](that: Equal.Equal): boolean {
    return isTimeOfDay(that) && this.microsecond === that.microsecond
  }

  [Hash.symbol](): number {
    return Hash.number(this.microsecond)
  }

  toString(): string {
    return format(this)
  }

  toJSON(): string {
    return format(this)
  }

  [Inspectable.NodeInspectSymbol](): string {
    return `TimeOfDay(${format(this)})`
  }
}

/**
 * Whether a value is a {@link TimeOfDay}.
 *
 * @category guards
 * @since 0.1.0
 */
export const isTimeOfDay = (u: unknown): u is TimeOfDay =>
  typeof u === "object" && u !== null && (u as { readonly [TypeId]?: unknown })[TypeId] === TypeId

/**
 * Takes a number of microseconds as it is.
 *
 * **When to use**
 *
 * Use in codecs, and where the number is known to be right: nothing is checked.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromMicrosecondUnsafe = (microsecond: number): TimeOfDay => new Value(microsecond)

/**
 * The time so many microseconds after midnight; none beyond 86400000000, which is 24:00:00.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromMicrosecond = (microsecond: number): Option.Option<TimeOfDay> =>
  Number.isInteger(microsecond) && microsecond >= 0 && microsecond <= Calendar.microsecondsPerDay
    ? Option.some(new Value(microsecond))
    : Option.none()

/**
 * A time from its parts; none when there is no such time.
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
 * As {@link make}, but throws a `ValueError` when there is no such time.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeUnsafe = (hour: number, minute: number, second = 0, microsecond = 0): TimeOfDay =>
  ValueSchema.getOrThrow(make(hour, minute, second, microsecond), "time", "00:00:00 to 24:00:00")

/**
 * Reads what {@link format} writes: `09:05:00.00025`. Seconds may be left out.
 *
 * @category converting
 * @since 0.1.0
 */
export const fromString = (text: string): Option.Option<TimeOfDay> => {
  const microsecond = IsoText.parseTime(text)
  return microsecond === undefined ? Option.none() : Option.some(new Value(microsecond))
}

/**
 * As {@link fromString}, but throws a `ValueError` when the text is not a time.
 *
 * @category converting
 * @since 0.1.0
 */
export const fromStringUnsafe = (text: string): TimeOfDay =>
  ValueSchema.getOrThrow(fromString(text), "time", "HH:MM:SS.ffffff")

/**
 * The text that both servers take, which is ISO 8601.
 *
 * @category converting
 * @since 0.1.0
 */
export const format = (self: TimeOfDay): string => IsoText.formatTime(self.microsecond)

/**
 * From the earliest to the latest.
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
 * The Schema of the instances; as JSON they are their text.
 *
 * @category schemas
 * @since 0.1.0
 */
export const TimeOfDay: Schema.declare<TimeOfDay> = schemas.instance

/**
 * Reads and writes the text of {@link format}.
 *
 * @category schemas
 * @since 0.1.0
 */
export const TimeOfDayFromString: Schema.decodeTo<Schema.declare<TimeOfDay>, Schema.String> = schemas.fromString
