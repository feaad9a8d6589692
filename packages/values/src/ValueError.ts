/**
 * What can be wrong with a value on its way between bytes and JavaScript.
 *
 * Codecs, row readers and row writers are plain synchronous functions; they throw a plain {@link Reason} object, which
 * costs no stack capture, and whoever stands at the boundary wraps it once into a {@link ValueError}. A reason tells the
 * type, the format, the column or parameter, and why; it never holds the value itself, so it can be logged as it is.
 *
 * @since 0.1.0
 */
import * as ProtocolError from "@hyperfect/protocol/ProtocolError"
import * as Schema from "effect/Schema"

const fields = {
  /** The type's name, such as `int4`, or what was being read or written when no type is at fault, such as `row`. */
  typeName: Schema.String,
  /** 0 text, 1 PostgreSQL binary, 2 HyperBinary; `undefined` when no format is involved. */
  format: Schema.UndefinedOr(Schema.Literals([0, 1, 2])),
  /** Where the value stood. `value` when nobody said. */
  location: Schema.Literals(["column", "parameter", "value"]),
  /** The column's name; empty for parameters and where nobody said. */
  name: Schema.String,
  /** The column's position from 0, or the parameter's number from 1. */
  index: Schema.UndefinedOr(Schema.Number),
  /** The row's position from 0 in what is being written. */
  row: Schema.UndefinedOr(Schema.Number),
  wanted: Schema.String,
  found: Schema.String
}

/**
 * The ways in which a value cannot be read or written.
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
 * - `TypeMismatch`: the JavaScript value is of another kind than the type takes, `undefined` among them.
 * - `OutOfRange`: of the right kind, but beyond what the type holds.
 * - `NotRepresentable`: within the type, but this format or server has no bytes for it, such as an infinite date in
 *   HyperBinary, or U+0000 in a PostgreSQL text.
 * - `NullNotAllowed`: NULL for a column that was declared NOT NULL.
 *
 * Before either:
 *
 * - `FormatUnsupported`: the type does not exist in this format.
 * - `DuplicateColumn`: two columns of one name cannot both be properties of one object.
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
 * Why a value could not be read or written: one tag for each way.
 *
 * @category errors
 * @since 0.1.0
 */
export type Reason = typeof Reason.Type

const formatNames = ["text", "binary", "HyperBinary"] as const

/**
 * A value that cannot be read from these bytes, or cannot be written as this type.
 *
 * **Details**
 *
 * It concerns one value of one query. The session is not harmed, and trying again gives the same error.
 *
 * @category errors
 * @since 0.1.0
 */
export class ValueError extends Schema.TaggedError<ValueError>()("ValueError", { reason: Reason }) {
  override get message(): string {
    const { _tag, format, found, index, location, name, row, typeName, wanted } = this.reason
    let where = row === undefined ? "" : `row ${row}, `
    if (location === "parameter") where += `parameter $${index}, `
    if (location === "column") where += `column ${index === undefined ? "" : `${index} `}${JSON.stringify(name)}, `
    const how = format === undefined ? typeName : `${typeName} (${formatNames[format]})`
    return `${where}${how}: ${_tag}: wanted ${wanted}, found ${found}`
  }

  /** Always false: the same value fails the same way. */
  get isRetryable(): false {
    return false
  }
}

/**
 * Builds a reason that does not know yet where its value stands.
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
 * Whether something that was thrown is a {@link Reason}.
 *
 * @category guards
 * @since 0.1.0
 */
export const isReason: (u: unknown) => u is Reason = Schema.is(Reason)

/**
 * Turns what a codec threw into a reason that knows its column; anything but a {@link Reason} is handed back as it is.
 *
 * @category combinators
 * @since 0.1.0
 */
export const atColumn = (thrown: unknown, name: string, index: number, row?: number): unknown =>
  locate(thrown, "column", name, index, row)

/**
 * Turns what a codec threw into a reason that knows its parameter, counted from 1; anything but a {@link Reason} is
 * handed back as it is.
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

/** A value that does not fit into one message is the value's fault, not the protocol's. */
const tooLarge = (thrown: unknown): Reason | undefined =>
  ProtocolError.isReason(thrown) && thrown._tag === "LengthExceeded"
    ? reason("OutOfRange", "value", undefined, thrown.wanted, thrown.found)
    : undefined

/**
 * Wraps what a synchronous codec, reader or writer threw: a {@link Reason} becomes a {@link ValueError}, anything else
 * is a bug and is thrown again.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromThrown = (thrown: unknown): ValueError => {
  if (isReason(thrown)) return new ValueError({ reason: thrown })
  const large = tooLarge(thrown)
  if (large !== undefined) return new ValueError({ reason: large })
  throw thrown
}

/**
 * What kind of thing a value is, for the `found` of a reason: never what is in it.
 *
 * @category converting
 * @since 0.1.0
 */
export const kind = (value: unknown): string => {
  if (value === null) return "null"
  if (typeof value !== "object") return Number.isNaN(value) ? "NaN" : typeof value
  if (Array.isArray(value)) return "array"
  const constructor: unknown = value.constructor
  return typeof constructor === "function" && constructor.name !== "" ? constructor.name : "object"
}
