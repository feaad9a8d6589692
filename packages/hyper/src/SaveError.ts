/**
 * The error for databases that could not be saved when they were released.
 *
 * @since 0.1.0
 */
import * as ErrorField from "@hyperfect/protocol/ErrorField"
import { TaggedError } from "@hyperfect/protocol/ProtocolError"
import * as Schema from "effect/Schema"

const messageOf = (cause: unknown): string => cause instanceof Error ? cause.message : String(cause)

/**
 * Databases were released, and the server did not confirm that it saved them.
 *
 * **Details**
 *
 * Hyper writes the remaining data of a database to its file when the last session releases it. If that fails, for lack
 * of space or because the server is gone, everything written since the database was opened is lost, committed or not,
 * and the file is unchanged.
 *
 * @category errors
 * @since 0.1.0
 */
export class SaveError extends TaggedError<SaveError>()("SaveError", {
  /** The paths of the databases; none if the server did not respond when it was asked for them. */
  databases: Schema.Array(Schema.String),
  /** `unknown` if the server did not respond, or not in time. */
  outcome: Schema.Literals(["lost", "unknown"]),
  cause: Schema.Defect()
}, (self) => {
  const databases = self.databases.map((path) => JSON.stringify(path)).join(", ") || "the database"
  const problem = self.outcome === "lost"
    ? `${databases} could not be saved; everything written since it was opened is lost`
    : `it is not known whether ${databases} was saved`
  return ErrorField.printable(`${problem}: ${messageOf(self.cause)}`)
}) {}
