/**
 * The error for a table that differs from its declaration.
 *
 * @since 0.1.0
 */
import * as ErrorField from "@hyperfect/protocol/ErrorField"
import { TaggedError } from "@hyperfect/protocol/ProtocolError"
import * as Schema from "effect/Schema"

/**
 * The server's table has columns that differ from the declared ones; no row was sent.
 *
 * **Details**
 *
 * The data of a bulk insert does not describe itself. A server that reads it with other types, or on Hyper with other
 * nullability, may silently store garbage, so the columns are compared first.
 *
 * @category errors
 * @since 0.1.0
 */
export class TableMismatch extends TaggedError<TableMismatch>()("TableMismatch", {
  /** The table's name in SQL. */
  table: Schema.String,
  /** The columns that differ, each as in CREATE TABLE. */
  columns: Schema.Array(Schema.Struct({
    name: Schema.String,
    /** `undefined` if the column is not declared, but has a default, which Hyper's COPY would replace by NULL. */
    declared: Schema.UndefinedOr(Schema.String),
    /** `undefined` if the table has no such column. */
    found: Schema.UndefinedOr(Schema.String)
  }))
}, (self) => {
  const columns = self.columns.map(({ declared, found, name }) =>
    declared === undefined
      ? `${JSON.stringify(name)} has a default, which COPY would replace by NULL, and must be declared as ${found}`
      : `${JSON.stringify(name)} is declared as ${declared} but ${found === undefined ? "missing" : `is ${found}`}`
  )
  return ErrorField.printable(`the table ${self.table} is not as declared: ${columns.join("; ")}`)
}) {}
