/**
 * @since 0.1.0
 */
import { isStatement, type Statement } from "@hyperfect/client/Statement"
import * as BuiltIn from "@hyperfect/values/BuiltIn"
import * as CalendarDate from "@hyperfect/values/CalendarDate"
import * as Interval_ from "@hyperfect/values/Interval"
import * as Numeric_ from "@hyperfect/values/Numeric"
import * as TimeOfDay from "@hyperfect/values/TimeOfDay"
import * as Timestamp_ from "@hyperfect/values/Timestamp"
import * as TimestampTz_ from "@hyperfect/values/TimestampTz"
import type * as ValueError from "@hyperfect/values/ValueError"
import * as BigDecimal from "effect/BigDecimal"
import type * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as SchemaAST from "effect/SchemaAST"
import * as SchemaGetter from "effect/SchemaGetter"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaTransformation from "effect/SchemaTransformation"
import * as Geography from "./HyperGeography.ts"
import * as ColumnType from "./internal/columnType.ts"
import * as StrictTypes from "./internal/strictTypes.ts"

/**
 * Marks a column that accepts more kinds of values on insert than it returns when read. It exists at the type level
 * only.
 *
 * @category models
 * @since 0.1.0
 */
export interface Accepts<I> {
  readonly "~@hyperfect/hyper/HyperTable/accepts": I
}

const withType = <S extends Schema.Top>(schema: S, type: ColumnType.ColumnType): S["Rebuild"] =>
  schema.annotate({ databaseType: { type, isExact: true } })

const acceptingInput = <I>() => <S>(schema: S): S & Accepts<I> => schema as S & Accepts<I>

// -- booleans and numbers

/**
 * `boolean`. Plain `Schema.Boolean` means the same.
 *
 * @category columns
 * @since 0.1.0
 */
export const Bool: Schema.Boolean = withType(Schema.Boolean, ColumnType.bool)

/**
 * `smallint`: a 16-bit integer.
 *
 * @category columns
 * @since 0.1.0
 */
export const SmallInt: Schema.Int = withType(
  Schema.Int.check(Schema.isBetween({ minimum: -0x8000, maximum: 0x7fff })),
  ColumnType.make("smallint", BuiltIn.int2)
)

/**
 * `integer`: a 32-bit integer. Plain `Schema.Int` means the same; its larger integers are rejected.
 *
 * @category columns
 * @since 0.1.0
 */
export const Int: Schema.Int = withType(Schema.Int.check(Schema.isInt32()), ColumnType.int4)

/**
 * `bigint`: a 64-bit integer, read as a JavaScript `bigint`. Safe integers are accepted on insert. Plain
 * `Schema.BigInt` means the same.
 *
 * @category columns
 * @since 0.1.0
 */
export const BigInt: Schema.BigInt & Accepts<bigint | number> = acceptingInput<bigint | number>()(withType(
  Schema.BigInt.check(Schema.isBetweenBigInt({
    minimum: globalThis.BigInt("-9223372036854775808"),
    maximum: globalThis.BigInt("9223372036854775807")
  })),
  ColumnType.int8
))

/**
 * `real`: a 32-bit floating-point number. Values are rounded to the nearest one on insert.
 *
 * **Gotchas**
 *
 * A Hyper database can store such columns only from version 4 of its file format on; temporary tables always can.
 *
 * @category columns
 * @since 0.1.0
 */
export const Real: Schema.declare<number> = withType(
  Schema.declare((u): u is number => typeof u === "number" && Object.is(Math.fround(u), u), {
    expected: "a number of 32 bits",
    toCodecArbitrary: () =>
      Schema.link<number>()(Schema.Number, {
        decode: SchemaGetter.transform(Math.fround),
        encode: SchemaGetter.forbidden(() => "values cannot be turned back into generated ones")
      })
  }),
  ColumnType.make("real", BuiltIn.float4)
)

/**
 * `double precision`: a JavaScript number, including NaN and the infinities. Plain `Schema.Number` means the same.
 *
 * @category columns
 * @since 0.1.0
 */
export const Double: Schema.Number = withType(Schema.Number, ColumnType.float8)

/**
 * `oid`: an unsigned 32-bit integer.
 *
 * @category columns
 * @since 0.1.0
 */
export const Oid: Schema.Int = withType(
  Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 0xffffffff })),
  ColumnType.make("oid", BuiltIn.oid)
)

const checkInteger = (what: string, value: number, minimum: number, maximum: number): void => {
  if (!Number.isInteger(value) || value < minimum || value > maximum) {
    throw new RangeError(`${what} must be a whole number from ${minimum} to ${maximum}, not ${value}`)
  }
}

/**
 * `numeric(precision, scale)`: an Effect `BigDecimal` of at most `precision` digits, `scale` of them after the decimal
 * point. A `bigint` is accepted on insert.
 *
 * **Details**
 *
 * A number that would have to be rounded is rejected on both servers, although PostgreSQL itself would round it. Values
 * are read with the scale of the column.
 *
 * **Gotchas**
 *
 * Hyper stores up to 18 digits in 8 bytes, and more in 16, which requires version 3 of the file format.
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
  checkInteger("a precision", precision, 1, 38)
  checkInteger("a scale", scale, 0, precision)
  const limit = globalThis.BigInt(10) ** globalThis.BigInt(precision) - globalThis.BigInt(1)
  const schema = Schema.declare(
    (u): u is BigDecimal.BigDecimal => Numeric_.isDecimal(u) && StrictTypes.fitsNumeric(u, precision, scale),
    {
      expected: `a BigDecimal of numeric(${precision}, ${scale})`,
      toCodecArbitrary: () =>
        Schema.link<BigDecimal.BigDecimal>()(
          Schema.BigInt.check(Schema.isBetweenBigInt({ minimum: -limit, maximum: limit })),
          {
            decode: SchemaGetter.transform((unscaled: bigint) => BigDecimal.make(unscaled, scale)),
            encode: SchemaGetter.forbidden(() => "values cannot be turned back into generated ones")
          }
        ),
      toFormatter: () => BigDecimal.format
    }
  )
  return acceptingInput<BigDecimal.BigDecimal | bigint>()(withType(schema, ColumnType.numeric(precision, scale)))
}

// -- text and bytes

const isWellFormed = Schema.makeFilter(
  (value: string) => value.isWellFormed(),
  { expected: "a string without unpaired surrogates" }
)

const maxCharacters = (length: number) => {
  checkInteger("a length", length, 1, 10_485_760)
  return Schema.makeFilter(
    (value: string) => value.isWellFormed() && (value.length <= length || StrictTypes.countCharacters(value) <= length),
    { expected: `at most ${length} characters`, arbitraryConstraint: { maxLength: length } }
  )
}

/**
 * `text`. Plain `Schema.String` means the same; strings with unpaired surrogates are rejected.
 *
 * **Gotchas**
 *
 * PostgreSQL text cannot contain U+0000; Hyper's can.
 *
 * @category columns
 * @since 0.1.0
 */
export const Text: Schema.String = withType(Schema.String.check(isWellFormed), ColumnType.text)

/**
 * `varchar(length)`: text of at most `length` characters, counted in code points.
 *
 * @category columns
 * @since 0.1.0
 */
export const Varchar = (length: number): Schema.String =>
  withType(Schema.String.check(maxCharacters(length)), ColumnType.varchar(length))

/**
 * `char(length)`: text of at most `length` characters, which the servers pad with blanks. Values are read with the
 * padding. U+0000 is rejected, because Hyper would turn it into a blank.
 *
 * @category columns
 * @since 0.1.0
 */
export const Char = (length: number): Schema.String =>
  withType(
    Schema.String.check(
      maxCharacters(length),
      Schema.makeFilter((value: string) => !value.includes("\0"), { expected: "a string without U+0000" })
    ),
    ColumnType.char(length)
  )

/**
 * `bytea`, called `bytes` in Hyper. Plain `Schema.Uint8Array` means the same.
 *
 * @category columns
 * @since 0.1.0
 */
export const Bytes: Schema.Uint8Array = withType(Schema.Uint8Array, ColumnType.bytea)

/**
 * `uuid`: its text in lower case. Upper case is accepted on insert.
 *
 * @category columns
 * @since 0.1.0
 */
export const Uuid: Schema.String = withType(
  Schema.String.check(Schema.isPattern(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/)),
  ColumnType.make("uuid", BuiltIn.uuid)
)

/**
 * `json`: any JSON value except a top-level null, which could not be told from NULL when read.
 *
 * @category columns
 * @since 0.1.0
 */
export const Json: Schema.Codec<Exclude<Schema.Json, null>> = withType(
  Schema.Json.check(Schema.makeFilter((value) => value !== null, { expected: "a JSON value other than null" })),
  ColumnType.make("json", BuiltIn.json)
) as Schema.Codec<Exclude<Schema.Json, null>>

/**
 * `geography`, which PostgreSQL does not have: well-known text, such as `POINT (8.5 47.4)`, checked as {@link
 * HyperGeography} says.
 *
 * **Details**
 *
 * The rows of a table with such a column are copied in text format, which is slower than HyperBinary, and in which
 * dates before the year 1 and U+0000 in texts are rejected.
 *
 * **Gotchas**
 *
 * Hyper returns its own bytes for the column; select it by `HyperGeography.asText`. Coordinates are then rounded to 7
 * decimal places, and edges have more positions than were inserted.
 *
 * @category columns
 * @since 0.1.0
 */
export const GeographyText: Schema.declare<string> = withType(
  Schema.declare((u): u is string => typeof u === "string" && Result.isSuccess(Geography.fromWkt(u)), {
    expected: "well-known text of a geography",
    toCodecArbitrary: () =>
      Schema.link<string>()(Schema.Int.check(Schema.isBetween({ minimum: -90, maximum: 90 })), {
        decode: SchemaGetter.transform((degrees: number) => `POINT (${2 * degrees} ${degrees})`),
        encode: SchemaGetter.forbidden(() => "values cannot be turned back into generated ones")
      })
  }),
  ColumnType.make("geography", StrictTypes.geographyText)
)

const convertGeography = <A, B>(
  parse: (value: A) => Result.Result<Geography.Geography, ValueError.ValueError>,
  print: (geography: Geography.Geography) => B
) =>
(value: A, options: SchemaAST.ParseOptions): Effect.Effect<B, SchemaIssue.Issue> =>
  Effect.mapBoth(Effect.fromResult(parse(value)), {
    onFailure: ({ reason }) =>
      new SchemaIssue.InvalidValue({ expected: `${reason.wanted} (found ${reason.found})` }, value, options),
    onSuccess: print
  })

/**
 * `geography` as well-known binary (WKB), in either byte order. It is sent as {@link GeographyText}, whose details and
 * gotchas also apply here, and read as little-endian WKB.
 *
 * @category columns
 * @since 0.1.0
 */
export const GeographyWkb: Schema.decodeTo<Schema.Uint8Array, Schema.declare<string>> = GeographyText.pipe(
  Schema.decodeTo(
    Schema.Uint8Array,
    SchemaTransformation.transformEffect<Uint8Array, string>({
      decode: convertGeography(Geography.fromWkt, Geography.toWkb),
      encode: convertGeography(Geography.fromWkb, Geography.toWkt)
    })
  )
)

/**
 * `geography`, in the bytes that Hyper returns for it, whose form is not documented.
 *
 * **When to use**
 *
 * Use to copy geographies from one database to another without loss.
 *
 * **Gotchas**
 *
 * Neither this package nor Hyper checks the bytes: invalid ones, such as those of WKT or WKB, are stored, and every
 * later read as text fails with the SQLSTATE 22P03.
 *
 * @see {@link GeographyText}, {@link GeographyWkb} for values that are checked
 *
 * @category columns
 * @since 0.1.0
 */
export const GeographyUnsafe: Schema.Uint8Array = withType(
  Schema.Uint8Array,
  ColumnType.make("geography", BuiltIn.geography)
)

// -- dates and times

/**
 * `date`: a `CalendarDate`.
 *
 * **Gotchas**
 *
 * Infinite dates and times are rejected, as Hyper has none.
 *
 * @category columns
 * @since 0.1.0
 */
export const Date: Schema.declare<CalendarDate.CalendarDate> = withType(
  CalendarDate.CalendarDate,
  ColumnType.make("date", BuiltIn.date)
)

/**
 * `time`: a `TimeOfDay`.
 *
 * @category columns
 * @since 0.1.0
 */
export const Time: Schema.declare<TimeOfDay.TimeOfDay> = withType(
  TimeOfDay.TimeOfDay,
  ColumnType.make("time", BuiltIn.time)
)

/**
 * `timestamp` without time zone: a `Timestamp`, with microsecond precision.
 *
 * @category columns
 * @since 0.1.0
 */
export const Timestamp: Schema.declare<Timestamp_.Timestamp> = withType(
  Timestamp_.Timestamp,
  ColumnType.make("timestamp", BuiltIn.timestamp)
)

/**
 * `timestamptz`: an instant, read as a `TimestampTz`. A `Date` and Effect's `DateTime` are accepted on insert.
 *
 * @category columns
 * @since 0.1.0
 */
export const TimestampTz:
  & Schema.declare<TimestampTz_.TimestampTz>
  & Accepts<TimestampTz_.TimestampTz | globalThis.Date | DateTime.DateTime> = acceptingInput<
    TimestampTz_.TimestampTz | globalThis.Date | DateTime.DateTime
  >()(withType(TimestampTz_.TimestampTz, ColumnType.make("timestamptz", BuiltIn.timestamptz)))

/**
 * `interval`: an `Interval` of months, days and microseconds.
 *
 * @category columns
 * @since 0.1.0
 */
export const Interval: Schema.declare<Interval_.Interval> = withType(
  Interval_.Interval,
  ColumnType.make("interval", BuiltIn.interval)
)

// -- columns of other Schemas

/**
 * A nullable column: NULL is `null` in a row. It is Effect's `Schema.NullOr`.
 *
 * @category columns
 * @since 0.1.0
 */
export const NullOr: typeof Schema.NullOr = Schema.NullOr

/**
 * An array of one dimension. Its elements can be NULL in the database; declare them by {@link NullOr} to read such ones.
 *
 * **Gotchas**
 *
 * - Hyper has arrays in temporary tables only.
 * - Hyper's `array(T not null)` is another type, which its catalog does not tell from this one (H-04): inserts into
 *   such a column are misread. Create the table by its declaration.
 *
 * @category columns
 * @since 0.1.0
 */
export const Array = <S extends Schema.Top>(element: S): Schema.$Array<S> => {
  const { type } = resolve(element, "Array")
  if (type.name.endsWith("[]")) throw new TypeError("an array of arrays is not a column")
  return Schema.Array(element).annotate({ databaseType: { type: ColumnType.array(type), isExact: false } })
}

const resolve = (schema: Schema.Constraint, caller: string): ColumnType.ResolvedColumn => {
  const resolved = ColumnType.resolve(schema)
  if (resolved === undefined) throw new TypeError(`the first argument of HyperTable.${caller} is not a column`)
  return resolved
}

const declare = <S extends Schema.Top>(
  schema: S,
  { collation, default: value, isEncoded, type }: ColumnType.ResolvedColumn
): S["Rebuild"] => schema.annotate({ databaseType: { type, isExact: !isEncoded, collation, default: value } })

const textTypes = /^(?:text|varchar\(\d+\)|char\(\d+\))$/

/**
 * Gives a text column a collation, such as `en_US_CI`; the databases' catalogs list them in `pg_collation`.
 *
 * **Example** (Comparison without case)
 *
 * ```ts
 * import { HyperTable } from "@hyperfect/hyper"
 * import { strict as assert } from "node:assert"
 *
 * const Bird = HyperTable.make("birds", { name: HyperTable.Text.pipe(HyperTable.collate("en_US_CI")) })
 * assert.equal(Bird.createTable().text, `CREATE TABLE "birds" ("name" text COLLATE "en_US_CI" NOT NULL)`)
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const collate: {
  (collation: string): <S extends Schema.Top>(column: S) => S["Rebuild"]
  <S extends Schema.Top>(column: S, collation: string): S["Rebuild"]
} = dual(2, <S extends Schema.Top>(column: S, collation: string): S["Rebuild"] => {
  const resolved = resolve(column, "collate")
  if (!textTypes.test(resolved.type.name)) throw new TypeError(`the type ${resolved.type.name} has no collation`)
  return declare(column, { ...resolved, collation })
})

/**
 * Gives a column a default, for rows that an INSERT adds without it: SQL without parameters, in parentheses if it is
 * more than a value or a call.
 *
 * **Gotchas**
 *
 * A bulk insert needs a value for every declared column, and refuses a table in which a column that it does not declare
 * has a default, because Hyper would store NULL in it.
 *
 * **Example** (The time of the insert)
 *
 * ```ts
 * import { Statement } from "@hyperfect/client"
 * import { HyperTable } from "@hyperfect/hyper"
 * import { strict as assert } from "node:assert"
 *
 * const { sql } = Statement
 * const Seen = HyperTable.make("seen", { at: HyperTable.withDefault(HyperTable.TimestampTz, sql`now()`) })
 * assert.equal(Seen.createTable().text, `CREATE TABLE "seen" ("at" timestamptz DEFAULT now() NOT NULL)`)
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const withDefault: {
  (value: Statement): <S extends Schema.Top>(column: S) => S["Rebuild"]
  <S extends Schema.Top>(column: S, value: Statement): S["Rebuild"]
} = dual(2, <S extends Schema.Top>(column: S, value: Statement): S["Rebuild"] => {
  if (!isStatement(value) || value.parameters.length > 0) {
    throw new TypeError("a default is a statement without parameters: write values by Statement.literal")
  }
  return declare(column, { ...resolve(column, "withDefault"), default: value })
})

/**
 * A column of any other Schema, stored as the type of a given column. Values are encoded by the Schema, so its encoded
 * side must be what that column accepts.
 *
 * **Details**
 *
 * The column is nullable if the Schema can encode to `null`, as `Schema.NullOr` and `Schema.OptionFromNullOr` do.
 *
 * **Example** (Literals and a transformation)
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
  return schema.annotate({ databaseType: { type: resolve(type, "column").type, isExact: false } })
}
