/**
 * A table that is not what the program says it is.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * The server's table has other columns than the program has declared; no row was sent.
 *
 * **Details**
 *
 * The bytes of a bulk insert do not say what they are. A server that reads them by other types, or on Hyper with another
 * idea of which columns take NULL, may store nonsense without an error, so the columns are compared before.
 *
 * @category errors
 * @since 0.1.0
 */
export class TableMismatch extends Schema.TaggedError<TableMismatch>()("TableMismatch", {
  /** The table's name as SQL has it. */
  table: Schema.String,
  /** The columns that are not as declared, each in the words of CREATE TABLE. */
  columns: Schema.Array(Schema.Struct({
    name: Schema.String,
    declared: Schema.String,
    /** `undefined` when the table has no such column. */
    found: Schema.UndefinedOr(Schema.String)
  }))
}) {
  override get message(): string {
    const columns = this.columns.map(({ declared, found, name }) =>
      `${JSON.stringify(name)} is declared as ${declared} but ${found === undefined ? "missing" : `is ${found}`}`
    )
    return `the table ${this.table} is not as declared: ${columns.join("; ")}`
  }

  /** Always false. */
  get isRetryable(): false {
    return false
  }
}
