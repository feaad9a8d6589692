/**
 * Instants: the type `timestamptz` (`timestamp with time zone`) of PostgreSQL and Hyper.
 *
 * The servers store the instant only, without a time zone, which matters only for printing. Microseconds, years BC and
 * PostgreSQL's infinities are preserved. JavaScript's `Date` and Effect's `DateTime` cannot represent them: the
 * conversions to these return none instead of an approximation.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as Option from "effect/Option"
import type * as order from "effect/Order"
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"
import * as Calendar from "./internal/dateTime/calendar.ts"
import * as IsoText from "./internal/dateTime/isoText.ts"
import * as TimestampParts from "./internal/dateTime/timestampParts.ts"
import * as ValueSchema from "./internal/schema/value.ts"

const TypeId: unique symbol = Symbol.for("@hyperfect/values/TimestampTz")

/**
 * An instant, to the microsecond, or one of the infinities.
 *
 * @category models
 * @since 0.1.0
 */
export interface TimestampTz extends ValueSchema.Instance, TimestampParts.TimestampParts {
  readonly [TypeId]: typeof TypeId
}

const Value = ValueSchema.define(
  "TimestampTz",
  TypeId,
  (self: TimestampTz) => format(self),
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
 * True if the value is a {@link TimestampTz}.
 *
 * @category guards
 * @since 0.1.0
 */
export const isTimestampTz = (u: unknown): u is TimestampTz => typeof u === "object" && u !== null && TypeId in u

/**
 * Creates an instant from a day number counted as PostgreSQL does and a microsecond of that day, without checks.
 *
 * **When to use**
 *
 * Use in codecs, and where the numbers are known to be valid.
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

/**
 * Creates an instant from its number of microseconds since 2000-01-01T00:00:00Z, as it is on the wire.
 *
 * @internal
 */
export const fromMicroseconds = (count: bigint): TimestampTz => TimestampParts.fromMicroseconds(count, fromPartsUnsafe)

const fromParts = TimestampParts.makeInRange(fromPartsUnsafe)

/**
 * Parses the output of {@link format}, and of servers in any time zone: `2024-02-29 12:30:00.5+02`,
 * `0044-03-15 12:00:00+00 BC`, `2024-02-29T12:30:00Z`, `infinity`. A text without a time zone is rejected.
 *
 * @category converting
 * @since 0.1.0
 */
export const fromString = (text: string): Option.Option<TimestampTz> =>
  IsoText.parseTimestamp(text, true, fromParts) ?? Option.none()

/**
 * Like {@link fromString}, but throws a `ValueError` if the text is not a timestamptz.
 *
 * @category converting
 * @since 0.1.0
 */
export const fromStringUnsafe = (text: string): TimestampTz =>
  ValueSchema.getOrThrow(fromString(text), "timestamptz", "YYYY-MM-DD HH:MM:SS.ffffff with a zone")

/**
 * Formats an instant in UTC, in ISO 8601 for the years 1 to 9999.
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
 * Returns the instant of a `Date`; none if it is invalid, or before 4714-11-24 BC.
 *
 * @category converting
 * @since 0.1.0
 */
export const fromDate = (date: Date): Option.Option<TimestampTz> => fromEpochMilliseconds(date.getTime())

/**
 * Returns the instant as a `Date`; none if a `Date` would lose its microseconds, or if it is infinite or out of range.
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
 * Returns the instant as a `Date`, truncated to milliseconds.
 *
 * **Gotchas**
 *
 * The microseconds are lost. The infinities and instants outside the range of a `Date` become an invalid `Date`.
 *
 * @category converting
 * @since 0.1.0
 */
export const toDateUnsafe = (self: TimestampTz): Date =>
  new Date((self.day - Calendar.unixEpochDay) * 86_400_000 + Math.floor(self.microsecond / 1000))

/**
 * Returns the instant of a `DateTime`, without its time zone; none before 4714-11-24 BC.
 *
 * @category converting
 * @since 0.1.0
 */
export const fromDateTime = (dateTime: DateTime.DateTime): Option.Option<TimestampTz> =>
  fromEpochMilliseconds(DateTime.toEpochMillis(dateTime))

/**
 * Returns the instant as a `DateTime`; none if a `DateTime` would lose its microseconds, or if it is infinite or out of
 * range.
 *
 * @category converting
 * @since 0.1.0
 */
export const toDateTime = (self: TimestampTz): Option.Option<DateTime.Utc> =>
  Option.map(toDate(self), (date) => DateTime.makeUnsafe(date))

/**
 * True if the instant is not one of the infinities.
 *
 * @category guards
 * @since 0.1.0
 */
export const isFinite: (self: TimestampTz) => boolean = TimestampParts.isFinite

/**
 * Orders instants from the earliest to the latest.
 *
 * @category instances
 * @since 0.1.0
 */
export const Order: order.Order<TimestampTz> = TimestampParts.Order

const schemas = ValueSchema.declare("TimestampTz", {
  is: isTimestampTz,
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
export const TimestampTz: Schema.declare<TimestampTz> = schemas.instance

/**
 * Decodes from and encodes to the text of {@link format}.
 *
 * @category schemas
 * @since 0.1.0
 */
export const TimestampTzFromString: Schema.decodeTo<Schema.declare<TimestampTz>, Schema.String> = schemas.fromString

/**
 * Decodes an instant to Effect's `DateTime.Utc`, whatever the preset has read it as: a {@link TimestampTz}, a `Date`, or
 * the text of the server with an offset. It encodes to a {@link TimestampTz}.
 *
 * **Gotchas**
 *
 * A `DateTime` has milliseconds: the microseconds below are dropped. The infinities, and instants outside the range of
 * a `Date`, are refused.
 *
 * **Example** (A field of a row)
 *
 * ```ts
 * import { TimestampTz } from "@hyperfect/values"
 * import { DateTime, Schema } from "effect"
 * import { strict as assert } from "node:assert"
 *
 * const Event = Schema.Struct({ at: TimestampTz.DateTimeUtc })
 * const event = Schema.decodeUnknownSync(Event)({ at: new Date(0) })
 * assert.equal(DateTime.formatIso(event.at), "1970-01-01T00:00:00.000Z")
 * ```
 *
 * @category schemas
 * @since 0.1.0
 */
export const DateTimeUtc: Schema.decodeTo<
  Schema.DateTimeUtc,
  Schema.Union<readonly [Schema.declare<TimestampTz>, Schema.Date, Schema.String]>
> = Schema.Union([TimestampTz, Schema.Date, Schema.String]).pipe(Schema.decodeTo(
  Schema.DateTimeUtc,
  SchemaTransformation.transformEffect<DateTime.Utc, TimestampTz | Date | string>({
    decode: (value, options) => {
      const instant = value instanceof Date
        ? DateTime.make(value)
        : Option.flatMap(
          typeof value === "string" ? fromString(value) : Option.some(value),
          ({ day, microsecond }) => toDateTime(fromPartsUnsafe(day, microsecond - microsecond % 1000))
        )
      return ValueSchema.orInvalid(instant, "an instant", value, options)
    },
    encode: (dateTime, options) => ValueSchema.orInvalid(fromDateTime(dateTime), "an instant", dateTime, options)
  })
))
