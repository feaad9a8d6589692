/**
 * @since 0.1.0
 */
import * as CalendarDate from "@hyperfect/values/CalendarDate"
import * as Interval_ from "@hyperfect/values/Interval"
import * as TimeOfDay from "@hyperfect/values/TimeOfDay"
import * as Timestamp_ from "@hyperfect/values/Timestamp"
import * as TimestampTz_ from "@hyperfect/values/TimestampTz"
import * as BigDecimal from "effect/BigDecimal"
import type * as DateTime from "effect/DateTime"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import * as ColumnType from "./internal/columnType.ts"
import * as StrictTypes from "./internal/strictTypes.ts"

/**
 * Says that a column takes more kinds of values when rows are inserted than it gives when they are read. It exists in
 * types only.
 *
 * @category models
 * @since 0.1.0
 */
export interface Accepts<I> {
  readonly "~@hyperfect/hyper/HyperTable/accepts": I
}

const exact = <S extends Schema.Top>(schema: S, type: ColumnType.ColumnType): S["Rebuild"] =>
  schema.annotate({ databaseType: { type, isExact: true } })

const accepting = <I>() => <S>(schema: S): S & Accepts<I> => schema as S & Accepts<I>

// -- booleans and numbers

/**
 * `boolean`. Plain `Schema.Boolean` means the same.
 *
 * @category columns
 * @since 0.1.0
 */
export const Bool: Schema.Boolean = exact(Schema.Boolean, ColumnType.bool)

/**
 * `smallint`: an integer of 16 bits.
 *
 * @category columns
 * @since 0.1.0
 */
export const SmallInt: Schema.Int = exact(
  Schema.Int.check(Schema.isBetween({ minimum: -0x8000, maximum: 0x7fff })),
  ColumnType.int2
)

/**
 * `integer`: an integer of 32 bits. Plain `Schema.Int` means the same; its larger integers are refused.
 *
 * @category columns
 * @since 0.1.0
 */
export const Int: Schema.Int = exact(Schema.Int.check(Schema.isInt32()), ColumnType.int4)

/**
 * `bigint`: an integer of 64 bits, a JavaScript `bigint`. Safe integers are taken when inserting. Plain `Schema.BigInt`
 * means the same.
 *
 * @category columns
 * @since 0.1.0
 */
export const BigInt: Schema.BigInt & Accepts<bigint | number> = accepting<bigint | number>()(exact(
  Schema.BigInt.check(Schema.isBetweenBigInt({
    minimum: globalThis.BigInt("-9223372036854775808"),
    maximum: globalThis.BigInt("9223372036854775807")
  })),
  ColumnType.int8
))

/**
 * `real`: a number of 32 bits. Inserting rounds to the nearest one.
 *
 * **Gotchas**
 *
 * A Hyper database can keep such columns only from version 4 of its file format on; temporary tables always can.
 *
 * @category columns
 * @since 0.1.0
 */
export const Real: Schema.declare<number> = exact(
  Schema.declare((u): u is number => typeof u === "number" && Object.is(Math.fround(u), u), {
    expected: "a number of 32 bits",
    toCodecArbitrary: () =>
      Schema.link<number>()(Schema.Number, {
        decode: SchemaGetter.transform(Math.fround),
        encode: SchemaGetter.forbidden(() => "generated values go one way")
      })
  }),
  ColumnType.float4
)

/**
 * `double precision`: a JavaScript number, NaN and the infinities among them. Plain `Schema.Number` means the same.
 *
 * @category columns
 * @since 0.1.0
 */
export const Double: Schema.Number = exact(Schema.Number, ColumnType.float8)

/**
 * `oid`: an unsigned integer of 32 bits.
 *
 * @category columns
 * @since 0.1.0
 */
export const Oid: Schema.Int = exact(
  Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 0xffffffff })),
  ColumnType.oid
)

const checkWhole = (what: string, value: number, minimum: number, maximum: number): void => {
  if (!Number.isInteger(value) || value < minimum || value > maximum) {
    throw new RangeError(`${what} is a whole number from ${minimum} to ${maximum}, not ${value}`)
  }
}

/**
 * `numeric(precision, scale)`: an Effect `BigDecimal` of at most so many digits, so many of them behind the point. A
 * `bigint` is taken when inserting.
 *
 * **Details**
 *
 * A number that would have to be rounded is refused on both servers, also where PostgreSQL by itself would round it. What
 * is read has the scale of the column.
 *
 * **Gotchas**
 *
 * Up to 18 digits Hyper keeps 8 bytes, beyond that 16, for which its databases must have version 3 of the file format.
 *
 * @category columns
 * @since 0.1.0
 */
export const Numeric = (precision: number, scale: number):
  & Schema.declare<BigDecimal.BigDecimal>
  & Accepts<
    BigDecimal.BigDecimal | bigint
  > =>
{
  checkWhole("a precision", precision, 1, 38)
  checkWhole("a scale", scale, 0, precision)
  const limit = globalThis.BigInt(10) ** globalThis.BigInt(precision) - globalThis.BigInt(1)
  const schema = Schema.declare(
    (u): u is BigDecimal.BigDecimal => BigDecimal.isBigDecimal(u) && StrictTypes.fits(u, precision, scale),
    {
      expected: `a BigDecimal of numeric(${precision}, ${scale})`,
      toCodecArbitrary: () =>
        Schema.link<BigDecimal.BigDecimal>()(
          Schema.BigInt.check(Schema.isBetweenBigInt({ minimum: -limit, maximum: limit })),
          {
            decode: SchemaGetter.transform((unscaled: bigint) => BigDecimal.make(unscaled, scale)),
            encode: SchemaGetter.forbidden(() => "generated values go one way")
          }
        ),
      toFormatter: () => BigDecimal.format
    }
  )
  return accepting<BigDecimal.BigDecimal | bigint>()(exact(schema, ColumnType.numeric(precision, scale)))
}

// -- texts and bytes

const isWellFormed = Schema.makeFilter(
  (value: string) => value.isWellFormed(),
  { expected: "a string without unpaired surrogates" }
)

const atMost = (length: number) => {
  checkWhole("a length", length, 1, 10_485_760)
  return Schema.makeFilter(
    (value: string) => value.isWellFormed() && (value.length <= length || StrictTypes.characters(value) <= length),
    { expected: `at most ${length} characters`, arbitraryConstraint: { maxLength: length } }
  )
}

/**
 * `text`. Plain `Schema.String` means the same; strings with unpaired surrogates are refused.
 *
 * **Gotchas**
 *
 * PostgreSQL has no texts with U+0000 in them; Hyper has.
 *
 * @category columns
 * @since 0.1.0
 */
export const Text: Schema.String = exact(Schema.String.check(isWellFormed), ColumnType.text)

/**
 * `varchar(length)`: a text of at most so many characters, which are code points.
 *
 * @category columns
 * @since 0.1.0
 */
export const Varchar = (length: number): Schema.String =>
  exact(Schema.String.check(atMost(length)), ColumnType.varchar(length))

/**
 * `char(length)`: a text of at most so many characters, which the servers fill up with blanks. It is read with them. U+0000
 * is refused, because Hyper would make a blank of it.
 *
 * @category columns
 * @since 0.1.0
 */
export const Char = (length: number): Schema.String =>
  exact(
    Schema.String.check(
      atMost(length),
      Schema.makeFilter((value: string) => !value.includes("\0"), { expected: "a string without U+0000" })
    ),
    ColumnType.char(length)
  )

/**
 * `bytea`, in Hyper `bytes`. Plain `Schema.Uint8Array` means the same.
 *
 * @category columns
 * @since 0.1.0
 */
export const Bytes: Schema.Uint8Array = exact(Schema.Uint8Array, ColumnType.bytea)

/**
 * `uuid`: its text in lower case. Upper case is taken when inserting.
 *
 * @category columns
 * @since 0.1.0
 */
export const Uuid: Schema.String = exact(
  Schema.String.check(Schema.isPattern(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/)),
  ColumnType.uuid
)

/**
 * `json`: any JSON value but null at the top, which could not be told from NULL when it is read.
 *
 * @category columns
 * @since 0.1.0
 */
export const Json: Schema.Codec<Exclude<Schema.Json, null>> = exact(
  Schema.Json.check(Schema.makeFilter((value) => value !== null, { expected: "a JSON value other than null" })),
  ColumnType.json
) as Schema.Codec<Exclude<Schema.Json, null>>

/**
 * Hyper's `geography`, as the bytes that Hyper gives for one. PostgreSQL has no such type.
 *
 * **Gotchas**
 *
 * Hyper does not look at the bytes: wrong ones are stored, and fail when the value is used.
 *
 * @category columns
 * @since 0.1.0
 */
export const Geography: Schema.Uint8Array = exact(Schema.Uint8Array, ColumnType.geography)

// -- dates and times

/**
 * `date`: a `CalendarDate`.
 *
 * **Gotchas**
 *
 * Hyper has no infinite dates and times; it is not given any.
 *
 * @category columns
 * @since 0.1.0
 */
export const Date: Schema.declare<CalendarDate.CalendarDate> = exact(CalendarDate.CalendarDate, ColumnType.date)

/**
 * `time`: a `TimeOfDay`.
 *
 * @category columns
 * @since 0.1.0
 */
export const Time: Schema.declare<TimeOfDay.TimeOfDay> = exact(TimeOfDay.TimeOfDay, ColumnType.time)

/**
 * `timestamp` without time zone: a `Timestamp`, to the microsecond.
 *
 * @category columns
 * @since 0.1.0
 */
export const Timestamp: Schema.declare<Timestamp_.Timestamp> = exact(Timestamp_.Timestamp, ColumnType.timestamp)

/**
 * `timestamptz`: an instant, a `TimestampTz`. A `Date` and Effect's `DateTime` are taken when inserting.
 *
 * @category columns
 * @since 0.1.0
 */
export const TimestampTz:
  & Schema.declare<TimestampTz_.TimestampTz>
  & Accepts<TimestampTz_.TimestampTz | globalThis.Date | DateTime.DateTime> = accepting<
    TimestampTz_.TimestampTz | globalThis.Date | DateTime.DateTime
  >()(exact(TimestampTz_.TimestampTz, ColumnType.timestamptz))

/**
 * `interval`: an `Interval` of months, days and microseconds.
 *
 * @category columns
 * @since 0.1.0
 */
export const Interval: Schema.declare<Interval_.Interval> = exact(Interval_.Interval, ColumnType.interval)

// -- columns of other Schemas

/**
 * A column that takes NULL: `null` in a row. It is Effect's `Schema.NullOr`.
 *
 * @category columns
 * @since 0.1.0
 */
export const NullOr: typeof Schema.NullOr = Schema.NullOr

/**
 * A column of a Schema of your own, stored as the type of another column. Values go through the Schema, so what it encodes
 * to must be what that column takes.
 *
 * **Details**
 *
 * The column takes NULL when the Schema encodes to `null`, as `Schema.NullOr` and `Schema.OptionFromNullOr` do.
 *
 * **Example** (Words and a transformation)
 *
 * ```ts
 * import { HyperTable } from "@hyperfect/hyper"
 * import { Schema } from "effect"
 * import { strict as assert } from "node:assert"
 *
 * const Bird = HyperTable.make("birds", {
 *   size: HyperTable.column(HyperTable.Text, Schema.Literals(["small", "large"])),
 *   seen: HyperTable.NullOr(HyperTable.column(HyperTable.Varchar(24), Schema.DateFromString))
 * })
 * assert.equal(Bird.createTable().text, `CREATE TABLE "birds" ("size" text NOT NULL, "seen" varchar(24))`)
 * ```
 *
 * @category columns
 * @since 0.1.0
 */
export const column = <S extends Schema.Top>(type: Schema.Constraint, schema: S): S["Rebuild"] => {
  const resolved = ColumnType.resolve(type)
  if (resolved === undefined) throw new TypeError("the first argument of HyperTable.column is not a column")
  return schema.annotate({ databaseType: { type: resolved.type, isExact: false } })
}
