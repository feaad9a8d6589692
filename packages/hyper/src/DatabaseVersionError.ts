/**
 * The error for column types that the version of a database's file cannot store, and the versions that can.
 *
 * @since 0.1.0
 */
import * as ErrorField from "@hyperfect/protocol/ErrorField"
import { TaggedError } from "@hyperfect/protocol/ProtocolError"
import * as Schema from "effect/Schema"

/**
 * A table has columns of types that the version of the database's file cannot store. It was not created.
 *
 * **Details**
 *
 * | type | stored from version |
 * | --- | --- |
 * | `numeric` of 19 to 38 digits | 3 |
 * | `real` | 4 |
 * | any other type of this package's columns | 2 |
 *
 * Create the database with the option `version`, rewrite its file by `Hyper.convert`, or use another type, such as
 * `double precision` in place of `real`. Temporary tables can have columns of any type.
 *
 * @category errors
 * @since 0.1.0
 */
export class DatabaseVersionError extends TaggedError<DatabaseVersionError>()("DatabaseVersionError", {
  /** The name of the table, quoted. */
  table: Schema.String,
  columns: Schema.Array(Schema.Struct({
    name: Schema.String,
    type: Schema.String,
    /** The first version that can store the type. */
    version: Schema.Number
  })),
  /** The first version that can store all columns. */
  requiredVersion: Schema.Number,
  cause: Schema.optional(Schema.Defect())
}, (self) => {
  const columns = self.columns.map(({ name, type, version }) =>
    `${JSON.stringify(name)} is ${type}, which requires version ${version}`
  )
  return ErrorField.printable(
    `the version of the database cannot store the table ${self.table}: ${columns.join("; ")}. ` +
      `Create the database with version: ${self.requiredVersion}`
  )
}) {}
