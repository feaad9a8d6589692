/**
 * The error for rows that cannot be loaded.
 *
 * @since 0.1.0
 */
import * as ErrorField from "@hyperfect/protocol/ErrorField"
import { TaggedError } from "@hyperfect/protocol/ProtocolError"
import * as Schema from "effect/Schema"

/**
 * Rows of an upsert have the same key, so that it is not known which of them is meant; nothing was changed.
 *
 * @category errors
 * @since 0.1.0
 */
export class LoadError extends TaggedError<LoadError>()("LoadError", {
  /** The table's name in SQL. */
  table: Schema.String,
  key: Schema.Array(Schema.String),
  /** The number of keys that several rows have. */
  duplicates: Schema.Number
}, (self) => {
  const key = self.key.map((column) => JSON.stringify(column)).join(", ")
  return ErrorField.printable(`${self.duplicates} keys (${key}) of the upsert into ${self.table} have several rows`)
}) {}
