/**
 * A time of day with an offset from UTC: what PostgreSQL calls `timetz` (`time with time zone`). Hyper has no such type.
 *
 * The offset is part of the value, and is seldom useful without a date; PostgreSQL's own documentation advises against it.
 *
 * @since 0.1.0
 */
import * as Equal from "effect/Equal"
import * as Hash from "effect/Hash"
import * as Inspectable from "effect/Inspectable"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Calendar from "./internal/calendar.ts"
import * as IsoText from "./internal/isoText.ts"
import * as ValueSchema from "./internal/valueSchema.ts"
import type * as TimeOfDay from "./TimeOfDay.ts"

const TypeId = "~@hyperfect/values/TimeOfDayTz"

/**
 * What a clock shows, and how far it is from UTC.
 *
 * @category models
 * @since 0.1.0
 */
export interface TimeOfDayTz extends Equal.Equal {
  readonly [TypeId]: typeof TypeId
  /** Microseconds since midnight, 0 to 86400000000. */
  readonly microsecond: number
  /** Seconds east of UTC, -57599 to 57599. */
  readonly offset: number
  /** As `format`. */
  toString(): string
  /** As `format`. */
  toJSON(): string
}

class Value implements TimeOfDayTz {
  readonly microsecond: number
  readonly offset: number

  constructor(microsecond: number, offset: number) {
    this.microsecond = microsecond
    this.offset = offset
  }

  get [TypeId](): typeof TypeId {
    return TypeId
  }

  [Equal.symbol](that: Equal.Equal): boolean {
    return isTimeOfDayTz(that) && this.microsecond === that.microsecond && this.offset === that.offset
  }

  [Hash.symbol](): number {
    return Hash.combine(Hash.number(this.microsecond), Hash.number(this.offset))
  }

  toString(): string {
    return format(this)
  }

  toJSON(): string {
    return format(this)
  }

  [Inspectable.NodeInspectSymbol](): string {
    return `TimeOfDayTz(${format(this)})`
  }
}

/** Below 16 hours. */
const maxOffset = 57_599

/**
 * Whether a value is a {@link TimeOfDayTz}.
 *
 * @category guards
 * @since 0.1.0
 */
export const isTimeOfDayTz = (u: unknown): u is TimeOfDayTz =>
  typeof u === "object" && u !== null && (u as { readonly [TypeId]?: unknown })[TypeId] === TypeId

/**
 * Takes the microsecond and the seconds east of UTC as they are.
 *
 * **When to use**
 *
 * Use in codecs, and where the numbers are known to be right: nothing is checked.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromPartsUnsafe = (microsecond: number, offset: number): TimeOfDayTz => new Value(microsecond, offset)

/**
 * A time with an offset in seconds east of UTC; none when the offset is not below 16 hours.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (time: TimeOfDay.TimeOfDay, offset: number): Option.Option<TimeOfDayTz> =>
  Number.isInteger(offset) && Math.abs(offset) <= maxOffset
    ? Option.some(new Value(time.microsecond, offset + 0))
    : Option.none()

/**
 * Reads what {@link format} writes: `09:05:00.00025+02`, `12:00:00-03:30`.
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
 * As {@link fromString}, but throws a `ValueError` when the text is not a time with an offset.
 *
 * @category converting
 * @since 0.1.0
 */
export const fromStringUnsafe = (text: string): TimeOfDayTz =>
  ValueSchema.getOrThrow(fromString(text), "timetz", "HH:MM:SS.ffffff with an offset")

/**
 * The text that PostgreSQL takes and prints.
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
 * The Schema of the instances; as JSON they are their text.
 *
 * @category schemas
 * @since 0.1.0
 */
export const TimeOfDayTz: Schema.declare<TimeOfDayTz> = schemas.instance

/**
 * Reads and writes the text of {@link format}.
 *
 * @category schemas
 * @since 0.1.0
 */
export const TimeOfDayTzFromString: Schema.decodeTo<Schema.declare<TimeOfDayTz>, Schema.String> = schemas.fromString
