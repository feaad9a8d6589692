/**
 * Errors of reading and writing values.
 *
 * Codecs, row readers and row writers are synchronous functions. They throw a plain {@link Reason} object, which avoids
 * capturing a stack trace, and the caller at the boundary wraps it into a {@link ValueError}. A reason names the type,
 * the format, the column or parameter, and the problem. It never contains the value, so it can be logged.
 *
 * @since 0.1.0
 */
import * as ErrorField from "@hyperfect/protocol/ErrorField"
import * as ProtocolError from "@hyperfect/protocol/ProtocolError"
import { TaggedError } from "@hyperfect/protocol/ProtocolError"
import * as Schema from "effect/Schema"

const fields = {
  /**
   * The type's name, such as `int4`, or what was read or written if the error does not concern a type, such as `row`.
   */
  typeName: Schema.String,
  /** The format: 0 text, 1 PostgreSQL binary, 2 HyperBinary; `undefined` if the error does not concern a format. */
  format: Schema.UndefinedOr(Schema.Literals([0, 1, 2])),
  /** The place of the value; `value` if it is not known. */
  location: Schema.Literals(["column", "parameter", "value"]),
  /** The column's name; empty for parameters, and if the place is not known. */
  name: Schema.String,
  /** The column's index from 0, or the parameter's number from 1. */
  index: Schema.UndefinedOr(Schema.Number),
  /** The row's index from 0, among the rows being written. */
  row: Schema.UndefinedOr(Schema.Number),
  wanted: Schema.String,
  found: Schema.String
}

/**
 * The reasons why a value cannot be read or written.
 *
 * **Details**
 *
 * Reading:
 *
 * - `Malformed`: the bytes are not a value of this type in this format.
 * - `RowTruncated`: a row ends inside a column.
 * - `ColumnCountMismatch`: a row does not have the columns that were described.
 *
 * Writing:
 *
 * - `TypeMismatch`: the type does not accept a JavaScript value of this kind (such as `undefined`).
 * - `OutOfRange`: the value has the right kind, but is outside the type's range.
 * - `NotRepresentable`: the type has the value, but this format or server cannot represent it, such as an infinite date
 *   in HyperBinary, or U+0000 in a PostgreSQL text.
 * - `NullNotAllowed`: NULL for a column that was declared NOT NULL.
 *
 * Before reading or writing:
 *
 * - `FormatUnsupported`: the type has no codec for this format.
 * - `DuplicateColumn`: two columns of the same name cannot both be properties of one object.
 *
 * @category errors
 * @since 0.1.0
 */
export const Reason = Schema.Union([
  Schema.TaggedStruct("Malformed", fields),
  Schema.TaggedStruct("RowTruncated", fields),
  Schema.TaggedStruct("ColumnCountMismatch", fields),
  Schema.TaggedStruct("TypeMismatch", fields),
  Schema.TaggedStruct("OutOfRange", fields),
  Schema.TaggedStruct("NotRepresentable", fields),
  Schema.TaggedStruct("NullNotAllowed", fields),
  Schema.TaggedStruct("FormatUnsupported", fields),
  Schema.TaggedStruct("DuplicateColumn", fields)
])

/**
 * The reason why a value could not be read or written, with one tag for each kind.
 *
 * @category errors
 * @since 0.1.0
 */
export type Reason = typeof Reason.Type

const formatNames = ["text", "binary", "HyperBinary"] as const

/** The message for a statement with the wrong number of values, or with too many. */
const parameterCount = ({ _tag, found, wanted }: Reason): string =>
  _tag === "OutOfRange"
    ? `the statement has ${found} parameters, but the server accepts ${wanted}; ${listHint}, or Copy.into for rows`
    : `the statement has ${wanted === "1 parameters" ? "1 parameter" : wanted}, but ${
      found === "1" ? "1 value was" : `${found} values were`
    } given`

const listHint = "use = any($1) with an array, Statement.list"

/** A hint for mistakes that are common and whose remedy is not obvious. */
const hintFor = ({ found, location, typeName }: Reason): string => {
  if (location !== "parameter") return found === "undefined" ? "; use null for NULL" : ""
  if (found === "undefined") return "; use null for NULL"
  if (found === "a number with a fraction") return "; round it, or write a cast such as $1::numeric"
  if (found === "array" && !typeName.endsWith("[]")) return `; for a list of values ${listHint}`
  return ""
}

/**
 * An error for bytes that cannot be read, or a value that cannot be written, as a type.
 *
 * **Details**
 *
 * It concerns one value of one query. The session remains usable, and a retry fails with the same error.
 *
 * @category errors
 * @since 0.1.0
 */
export class ValueError extends TaggedError<ValueError>()("ValueError", { reason: Reason }, ({ reason }) => {
  const { _tag, format, found, index, location, name, row, typeName, wanted } = reason
  let where = row === undefined ? "" : `row ${row}, `
  if (location === "parameter") where += `parameter $${index}, `
  if (location === "column") where += `column ${index === undefined ? "" : `${index} `}${JSON.stringify(name)}, `
  if (typeName === "parameters") return parameterCount(reason)
  if (typeName === "parameter" && found === "undefined") return `${where.slice(0, -2)} is undefined; use null for NULL`
  const how = format === undefined ? typeName : `${typeName} (${formatNames[format]})`
  // Names of columns and types are the server's.
  return ErrorField.printable(`${where}${how}: ${_tag}: wanted ${wanted}, found ${found}${hintFor(reason)}`)
}) {}

/**
 * Creates a reason without the place of its value.
 *
 * **When to use**
 *
 * Use in codecs, which throw it; {@link atColumn} and {@link atParameter} add the place.
 *
 * @category constructors
 * @since 0.1.0
 */
export const reason = (
  _tag: Reason["_tag"],
  typeName: string,
  format: Reason["format"],
  wanted: string,
  found: string
): Reason => ({
  _tag,
  typeName,
  format,
  location: "value",
  name: "",
  index: undefined,
  row: undefined,
  wanted,
  found
})

/**
 * True if a thrown value is a {@link Reason}.
 *
 * @category guards
 * @since 0.1.0
 */
export const isReason: (u: unknown) => u is Reason = Schema.is(Reason)

/**
 * Creates the reason for a type without a codec for a format.
 *
 * @internal
 */
export const noCodec = (typeName: string, format: Reason["format"], wanted: string): Reason =>
  reason("FormatUnsupported", typeName, format, wanted, typeName)

/**
 * Adds the column to a reason that a codec threw; returns anything but a {@link Reason} unchanged.
 *
 * @category combinators
 * @since 0.1.0
 */
export const atColumn = (thrown: unknown, name: string, index: number, row?: number): unknown =>
  locate(thrown, "column", name, index, row)

/**
 * Adds the parameter's number, from 1, to a reason that a codec threw; returns anything but a {@link Reason} unchanged.
 *
 * @category combinators
 * @since 0.1.0
 */
export const atParameter = (thrown: unknown, index: number): unknown =>
  locate(thrown, "parameter", "", index, undefined)

const locate = (
  thrown: unknown,
  location: Reason["location"],
  name: string,
  index: number,
  row: number | undefined
): unknown => {
  const found = isReason(thrown) ? thrown : tooLarge(thrown)
  return found === undefined ? thrown : { ...found, location, name, index, row }
}

/** Turns the protocol error for a message that is too long into a reason, because it is caused by the value. */
const tooLarge = (thrown: unknown): Reason | undefined =>
  ProtocolError.isReason(thrown) && thrown._tag === "LengthExceeded"
    ? reason("OutOfRange", "value", undefined, thrown.wanted, thrown.found)
    : undefined

/**
 * Wraps an exception of a synchronous codec, reader or writer: a {@link Reason} becomes a {@link ValueError}, anything
 * else is a bug and is rethrown.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromThrown = (thrown: unknown): ValueError => {
  const found = isReason(thrown) ? thrown : tooLarge(thrown)
  if (found === undefined) throw thrown
  return new ValueError({ reason: found })
}

/**
 * Returns the brand of a value of these packages, of any copy or version. JSON data cannot contain symbols, so it has
 * no brand.
 */
const brandOf = (value: object): string | undefined => {
  for (let at: unknown = value; typeof at === "object" && at !== null; at = Object.getPrototypeOf(at)) {
    const brand = Object.getOwnPropertySymbols(at).map(Symbol.keyFor).find((key) => key?.startsWith("@hyperfect/"))
    if (brand !== undefined) return brand
  }
  return undefined
}

/**
 * Describes the kind of a value, for `found` in a reason; never its contents.
 *
 * @category converting
 * @since 0.1.0
 */
export const kind = (value: unknown): string => {
  if (value === null) return "null"
  if (typeof value !== "object") return Number.isNaN(value) ? "NaN" : typeof value
  if (Array.isArray(value)) return "array"
  const brand = brandOf(value)
  if (brand !== undefined) return brand
  const constructor: unknown = value.constructor
  return typeof constructor === "function" && constructor.name !== "" ? constructor.name : "object"
}
