/**
 * A day of the calendar: what PostgreSQL and Hyper call `date`.
 *
 * It has no time and no zone, so it is not a `Date`. It covers all that the servers hold: 4714-11-24 BC to 5874897-12-31
 * in the proleptic Gregorian calendar, and before and behind them `-infinity` and `infinity` (which PostgreSQL has and
 * Hyper has not). Years are astronomical in numbers (year 0 is 1 BC) and as the servers print them in text.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as Equal from "effect/Equal"
import * as Hash from "effect/Hash"
import * as Inspectable from "effect/Inspectable"
import * as Option from "effect/Option"
import * as order from "effect/Order"
import * as Schema from "effect/Schema"
import * as Calendar from "./internal/calendar.ts"
import * as IsoText from "./internal/isoText.ts"
import * as ValueSchema from "./internal/valueSchema.ts"

const TypeId = "~@hyperfect/values/CalendarDate"

/**
 * A day of the calendar, or one of the infinities.
 *
 * @category models
 * @since 0.1.0
 */
export interface CalendarDate extends Equal.Equal {
  readonly [TypeId]: typeof TypeId
  /** Days since 2000-01-01; 2147483647 for `infinity` and -2147483648 for `-infinity`. */
  readonly day: number
  /** As `format`. */
  toString(): string
  /** As `format`. */
  toJSON(): string
}

class Value implements CalendarDate {
  readonly day: number

  constructor(day: number) {
    this.day = day
  }

  get [TypeId](): typeof TypeId {
    return TypeId
  }

  [Equal.symbol](that: Equal.Equal): boolean {
    return isCalendarDate(that) && this.day === that.day
  }

  [Hash.symbol](): number {
    return Hash.number(this.day)
  }

  toString(): string {
    return format(this)
  }

  toJSON(): string {
    return format(this)
  }

  [Inspectable.NodeInspectSymbol](): string {
    return `CalendarDate(${format(this)})`
  }
}

/**
 * Whether a value is a {@link CalendarDate}.
 *
 * @category guards
 * @since 0.1.0
 */
export const isCalendarDate = (u: unknown): u is CalendarDate =>
  typeof u === "object" && u !== null && (u as { readonly [TypeId]?: unknown })[TypeId] === TypeId

/**
 * Takes a day number as it is, in PostgreSQL's count.
 *
 * **When to use**
 *
 * Use in codecs, and where the number is known to be right: nothing is checked.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromDayUnsafe = (day: number): CalendarDate => new Value(day)

/**
 * Later than every other date.
 *
 * @category constants
 * @since 0.1.0
 */
export const infinity: CalendarDate = new Value(Calendar.infinity)

/**
 * Earlier than every other date.
 *
 * @category constants
 * @since 0.1.0
 */
export const negativeInfinity: CalendarDate = new Value(Calendar.negativeInfinity)

const fromDay = (day: number | undefined): Option.Option<CalendarDate> =>
  day !== undefined &&
    (day >= Calendar.minDay && day <= Calendar.maxDay || day === Calendar.infinity || day === Calendar.negativeInfinity)
    ? Option.some(new Value(day))
    : Option.none()

/**
 * The date of a year, month (1 to 12) and day of the month; none when there is no such day, or it lies beyond
 * PostgreSQL's dates.
 *
 * **Example** (A leap day)
 *
 * ```ts
 * import * as CalendarDate from "@hyperfect/values/CalendarDate"
 * import { strict as assert } from "node:assert"
 *
 * assert.equal(CalendarDate.format(CalendarDate.makeUnsafe(2024, 2, 29)), "2024-02-29")
 * assert.equal(CalendarDate.make(2023, 2, 29)._tag, "None")
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (year: number, month: number, day: number): Option.Option<CalendarDate> =>
  fromDay(Calendar.dayOfChecked(year, month, day))

/**
 * As {@link make}, but throws a `ValueError` when there is no such date.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeUnsafe = (year: number, month: number, day: number): CalendarDate =>
  ValueSchema.getOrThrow(make(year, month, day), "date", "an existing day")

/**
 * Reads what {@link format} writes: `2024-02-29`, `0044-03-15 BC`, `infinity`, `-infinity`.
 *
 * @category converting
 * @since 0.1.0
 */
export const fromString = (text: string): Option.Option<CalendarDate> => fromDay(IsoText.parseDay(text))

/**
 * As {@link fromString}, but throws a `ValueError` when the text is not a date.
 *
 * @category converting
 * @since 0.1.0
 */
export const fromStringUnsafe = (text: string): CalendarDate =>
  ValueSchema.getOrThrow(fromString(text), "date", "YYYY-MM-DD, with BC behind it or not")

/**
 * The text that both servers take: ISO 8601 for the years 1 to 9999.
 *
 * @category converting
 * @since 0.1.0
 */
export const format = (self: CalendarDate): string => IsoText.formatDay(self.day)

/**
 * Whether it is a day at all, and not an infinity.
 *
 * @category guards
 * @since 0.1.0
 */
export const isFinite = (self: CalendarDate): boolean =>
  self.day !== Calendar.infinity && self.day !== Calendar.negativeInfinity

/**
 * Year (0 is 1 BC), month and day of the month; none for the infinities.
 *
 * @category converting
 * @since 0.1.0
 */
export const toParts = (
  self: CalendarDate
): Option.Option<{ readonly year: number; readonly month: number; readonly day: number }> =>
  isFinite(self) ? Option.some(Calendar.dateOf(self.day)) : Option.none()

/**
 * The UTC midnight with which the day begins; none for the infinities and for what a JavaScript `Date` cannot hold.
 *
 * @category converting
 * @since 0.1.0
 */
export const toDate = (self: CalendarDate): Option.Option<Date> => {
  const date = new Date((self.day - Calendar.unixEpochDay) * 86_400_000)
  return Number.isNaN(date.getTime()) ? Option.none() : Option.some(date)
}

/**
 * The day of a `Date` that is a midnight in UTC; none for any other, because the day would depend on a zone.
 *
 * @category converting
 * @since 0.1.0
 */
export const fromDate = (date: Date): Option.Option<CalendarDate> => {
  const day = date.getTime() / 86_400_000
  return Number.isInteger(day) ? fromDay(day + Calendar.unixEpochDay) : Option.none()
}

/**
 * The UTC midnight with which the day begins; none for the infinities and for what a `DateTime` cannot hold.
 *
 * @category converting
 * @since 0.1.0
 */
export const toDateTime = (self: CalendarDate): Option.Option<DateTime.Utc> =>
  Option.map(toDate(self), (date) => DateTime.makeUnsafe(date))

/**
 * The day that a calendar on the wall shows at that moment: in its zone when it has one, else in UTC.
 *
 * @category converting
 * @since 0.1.0
 */
export const fromDateTime = (dateTime: DateTime.DateTime): Option.Option<CalendarDate> => {
  const { day, month, year } = DateTime.toParts(dateTime)
  return make(year, month, day)
}

/**
 * From the earliest to the latest.
 *
 * @category instances
 * @since 0.1.0
 */
export const Order: order.Order<CalendarDate> = order.mapInput(order.Number, (self: CalendarDate) => self.day)

const schemas = ValueSchema.declare("CalendarDate", {
  is: isCalendarDate,
  parse: fromString,
  format,
  arbitrary: Schema.Union([
    Schema.Int.check(Schema.isBetween({ minimum: Calendar.minDay, maximum: Calendar.maxDay })),
    Schema.Int.check(Schema.isBetween({ minimum: -40_000, maximum: 40_000 })),
    Schema.Literals([Calendar.infinity, Calendar.negativeInfinity, Calendar.minDay, Calendar.maxDay])
  ]),
  fromArbitrary: fromDayUnsafe
})

/**
 * The Schema of the instances; as JSON they are their text.
 *
 * @category schemas
 * @since 0.1.0
 */
export const CalendarDate: Schema.declare<CalendarDate> = schemas.instance

/**
 * Reads and writes the text of {@link format}.
 *
 * @category schemas
 * @since 0.1.0
 */
export const CalendarDateFromString: Schema.decodeTo<Schema.declare<CalendarDate>, Schema.String> = schemas.fromString
