/**
 * The errors for data that is not an Arrow IPC stream, or not of the table's types.
 *
 * @since 0.1.0
 */
import * as ErrorField from "@hyperfect/protocol/ErrorField"
import { TaggedError } from "@hyperfect/protocol/ProtocolError"
import * as Schema from "effect/Schema"

const problems = {
  "not-a-stream": "they do not begin with a schema, as a stream of Arrow IPC does",
  malformed: "a message of Arrow IPC is malformed",
  truncated: "they end within a message of Arrow IPC",
  "schema-differs": "another stream follows, with another schema than the first"
} as const

/**
 * The data for a table is not a sequence of Arrow IPC streams of one schema; no row of it was stored.
 *
 * @category errors
 * @since 0.1.0
 */
export class ArrowError extends TaggedError<ArrowError>()("ArrowError", {
  problem: Schema.Literals(["not-a-stream", "malformed", "truncated", "schema-differs"]),
  /** The byte offset at which the faulty message begins, counted from the start of the data. */
  offset: Schema.Number
}, ({ offset, problem }) => `the data cannot be copied: ${problems[problem]} (at byte ${offset})`) {}

/**
 * The data for a table has fields that its columns do not accept; no row was sent.
 *
 * @category errors
 * @since 0.1.0
 */
export class ArrowMismatch extends TaggedError<ArrowMismatch>()("ArrowMismatch", {
  /** The table's name in SQL. */
  table: Schema.String,
  /** The columns whose field does not fit, with both types as `ArrowSchema.ArrowField` names them. */
  columns: Schema.Array(Schema.Struct({
    name: Schema.String,
    wanted: Schema.String,
    /** `undefined` if the data has no such field. */
    found: Schema.UndefinedOr(Schema.String)
  }))
}, (self) => {
  const columns = self.columns.map(({ found, name, wanted }) =>
    `${JSON.stringify(name)} wants ${wanted} but ${found === undefined ? "is missing" : `is ${found}`}`
  )
  return ErrorField.printable(`the data does not fit the table ${self.table}: ${columns.join("; ")}`)
}) {}
