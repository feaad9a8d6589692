/**
 * Errors of decoding rows by a Schema.
 *
 * @since 0.1.0
 */
import * as ErrorField from "@hyperfect/protocol/ErrorField"
import { TaggedError, TaggedReason } from "@hyperfect/protocol/ProtocolError"
import * as Schema from "effect/Schema"

/**
 * The columns of the result do not match the Schema; no row was decoded.
 *
 * @category errors
 * @since 0.1.0
 */
export class ColumnsMismatch extends TaggedReason<ColumnsMismatch>()("ColumnsMismatch", {
  /** Fields of the Schema without a column in the result. */
  missing: Schema.Array(Schema.String),
  /** Columns of the result without a field in the Schema. */
  unexpected: Schema.Array(Schema.String),
  /** Columns whose type cannot produce what the Schema requires. */
  mistyped: Schema.Array(Schema.Struct({
    name: Schema.String,
    /** The type of the column, such as `int8`. */
    typeName: Schema.String,
    wanted: Schema.String,
    found: Schema.String
  }))
}, ({ missing, mistyped, unexpected }) => {
  const parts = [
    missing.length === 0 ? [] : [`missing ${missing.join(", ")}`],
    unexpected.length === 0 ? [] : [`unexpected ${unexpected.join(", ")}`],
    mistyped.map(({ found, name, typeName, wanted }) => `${name}: wanted ${wanted}, ${typeName} gives ${found}`)
  ]
  return ErrorField.printable(`the columns do not fit the Schema: ${parts.flat().join("; ")}`)
}) {}

/**
 * A row does not match the Schema.
 *
 * @category errors
 * @since 0.1.0
 */
export class RowInvalid extends TaggedReason<RowInvalid>()("RowInvalid", {
  /** The 0-based index of the row. */
  row: Schema.Number,
  /** The Schema's issue, without values of the row. */
  issue: Schema.String
}, ({ issue, row }) => ErrorField.printable(`row ${row}: ${issue}`)) {}

/**
 * The result has another number of rows than required.
 *
 * @category errors
 * @since 0.1.0
 */
export class RowCountMismatch extends TaggedReason<RowCountMismatch>()("RowCountMismatch", {
  wanted: Schema.String,
  found: Schema.Number
}, ({ found, wanted }) => `wanted ${wanted}, found ${found} rows`) {}

/**
 * A result whose rows do not match what the caller requires.
 *
 * @category errors
 * @since 0.1.0
 */
export class RowError extends TaggedError<RowError>()("RowError", {
  reason: Schema.Union([ColumnsMismatch, RowInvalid, RowCountMismatch])
}) {}
