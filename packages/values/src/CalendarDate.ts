/**
 * Calendar dates: the type `date` of PostgreSQL and Hyper.
 *
 * A calendar date has no time of day and no time zone, so it is not a `Date`. It covers the servers' whole range:
 * 4714-11-24 BC to 5874897-12-31 in the proleptic Gregorian calendar, and the special values `-infinity` and `infinity`
 * (PostgreSQL only). Numeric years are astronomical (year 0 is 1 BC); in text, years are written as the servers print
 * them.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"
import * as order from "effect/Order"
import * as Schema from "effect/Schema"
import * as Calendar from "./internal/dateTime/calendar.ts"
import * as IsoText from "./internal/dateTime/isoText.ts"
import * as ValueSchema from "./internal/schema/value.ts"

const TypeId: unique symbol = Symbol.for("@hyperfect/values/CalendarDate")

/**
 * A calendar date, or one of the infinities.
 *
 * @category models
 * @since 0.1.0
 */
export interface CalendarDate extends ValueSchema.Instance {
  readonly [TypeId]: typeof TypeId
  /** Days since 2000-01-01; 2147483647 for `infinity` and -2147483648 for `-infinity`. */
  readonly day: number
}

const Value = ValueSchema.define(
  "CalendarDate",
  TypeId,
  (self: CalendarDate) => format(self),
  class {
    readonly day: number

    constructor(day: number) {
      this.day = day
    }
  }
)

/**
 * True if the value is a {@link CalendarDate}.
 *
 * @category guards
 * @since 0.1.0
 */
export const isCalendarDate = (u: unknown): u is CalendarDate => typeof u === "object" && u !== null && TypeId in u

/**
 * Creates a date from a day number counted as PostgreSQL does, without checks.
 *
 * **When to use**
 *
 * Use in codecs, and where the number is known to be valid.
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
 * Creates a date from a year, month (1 to 12) and day of the month; none if the date does not exist or is outside
 * PostgreSQL's range.
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
 * Like {@link make}, but throws a `ValueError` if the date does not exist.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeUnsafe = (year: number, month: number, day: number): CalendarDate =>
  ValueSchema.getOrThrow(make(year, month, day), "date", "an existing day")

/**
 * Parses the output of {@link format}: `2024-02-29`, `0044-03-15 BC`, `infinity`, `-infinity`.
 *
 * @category converting
 * @since 0.1.0
 */
export const fromString = (text: string): Option.Option<CalendarDate> => fromDay(IsoText.parseDay(text))

/**
 * Like {@link fromString}, but throws a `ValueError` if the text is not a date.
 *
 * @category converting
 * @since 0.1.0
 */
export const fromStringUnsafe = (text: string): CalendarDate =>
  ValueSchema.getOrThrow(fromString(text), "date", "YYYY-MM-DD, with BC behind it or not")

/**
 * Formats a date as text that both servers accept: ISO 8601 for the years 1 to 9999.
 *
 * @category converting
 * @since 0.1.0
 */
export const format = (self: CalendarDate): string => IsoText.formatDay(self.day)

/**
 * True if the date is not one of the infinities.
 *
 * @category guards
 * @since 0.1.0
 */
export const isFinite = (self: CalendarDate): boolean =>
  self.day !== Calendar.infinity && self.day !== Calendar.negativeInfinity

/**
 * Returns the year (0 is 1 BC), month and day of the month; none for the infinities.
 *
 * @category converting
 * @since 0.1.0
 */
export const toParts = (self: CalendarDate): Option.Option<Calendar.YearMonthDay> =>
  isFinite(self) ? Option.some(Calendar.dateOf(self.day)) : Option.none()

/**
 * Returns the UTC midnight at the start of the day; none for the infinities and outside the range of a JavaScript
 * `Date`.
 *
 * @category converting
 * @since 0.1.0
 */
export const toDate = (self: CalendarDate): Option.Option<Date> => {
  const date = new Date((self.day - Calendar.unixEpochDay) * 86_400_000)
  return Number.isNaN(date.getTime()) ? Option.none() : Option.some(date)
}

/**
 * Returns the day of a `Date` that is midnight in UTC; none for any other time, because the day would depend on the
 * time zone.
 *
 * @category converting
 * @since 0.1.0
 */
export const fromDate = (date: Date): Option.Option<CalendarDate> => {
  const day = date.getTime() / 86_400_000
  return Number.isInteger(day) ? fromDay(day + Calendar.unixEpochDay) : Option.none()
}

/**
 * Returns the UTC midnight at the start of the day; none for the infinities and outside the range of a `DateTime`.
 *
 * @category converting
 * @since 0.1.0
 */
export const toDateTime = (self: CalendarDate): Option.Option<DateTime.Utc> =>
  Option.map(toDate(self), (date) => DateTime.makeUnsafe(date))

/**
 * Returns the local calendar day of a `DateTime`: in its time zone if it has one, otherwise in UTC.
 *
 * @category converting
 * @since 0.1.0
 */
export const fromDateTime = (dateTime: DateTime.DateTime): Option.Option<CalendarDate> => {
  const { day, month, year } = DateTime.toParts(dateTime)
  return make(year, month, day)
}

/**
 * Orders dates from the earliest to the latest.
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
 * The Schema of the instances; their JSON form is their text.
 *
 * @category schemas
 * @since 0.1.0
 */
export const CalendarDate: Schema.declare<CalendarDate> = schemas.instance

/**
 * Decodes from and encodes to the text of {@link format}.
 *
 * @category schemas
 * @since 0.1.0
 */
export const CalendarDateFromString: Schema.decodeTo<Schema.declare<CalendarDate>, Schema.String> = schemas.fromString
