/**
 * Rows that are not what a Schema says of them.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * The columns of the result are not those that the Schema wants; no row was looked at.
 *
 * @category errors
 * @since 0.1.0
 */
export class ColumnsMismatch extends Schema.TaggedError<ColumnsMismatch>()("ColumnsMismatch", {
  /** Fields of the Schema that the result has no column for. */
  missing: Schema.Array(Schema.String),
  /** Columns of the result that the Schema has no field for. */
  unexpected: Schema.Array(Schema.String),
  /** Columns whose type cannot give what the Schema wants. */
  mistyped: Schema.Array(Schema.Struct({
    name: Schema.String,
    /** The type of the column, such as `int8`. */
    typeName: Schema.String,
    wanted: Schema.String,
    found: Schema.String
  }))
}) {
  override get message(): string {
    const parts = [
      this.missing.length === 0 ? [] : [`missing ${this.missing.join(", ")}`],
      this.unexpected.length === 0 ? [] : [`unexpected ${this.unexpected.join(", ")}`],
      this.mistyped.map(({ found, name, typeName, wanted }) => `${name}: wanted ${wanted}, ${typeName} gives ${found}`)
    ]
    return `the columns do not fit the Schema: ${parts.flat().join("; ")}`
  }
}

/**
 * A row does not fit the Schema.
 *
 * @category errors
 * @since 0.1.0
 */
export class RowInvalid extends Schema.TaggedError<RowInvalid>()("RowInvalid", {
  /** The row's position from 0. */
  row: Schema.Number,
  /** What the Schema has against it. Values of the row are not in it. */
  issue: Schema.String
}) {
  override get message(): string {
    return `row ${this.row}: ${this.issue}`
  }
}

/**
 * The result has another number of rows than was asked for.
 *
 * @category errors
 * @since 0.1.0
 */
export class RowCountMismatch extends Schema.TaggedError<RowCountMismatch>()("RowCountMismatch", {
  wanted: Schema.String,
  found: Schema.Number
}) {
  override get message(): string {
    return `wanted ${this.wanted}, found ${this.found} rows`
  }
}

/**
 * Rows that are not what a program wants of them.
 *
 * @category errors
 * @since 0.1.0
 */
export class RowError extends Schema.TaggedError<RowError>()("RowError", {
  reason: Schema.Union([ColumnsMismatch, RowInvalid, RowCountMismatch])
}) {
  override get message(): string {
    return this.reason.message
  }

  /** Always false. */
  get isRetryable(): false {
    return false
  }
}
