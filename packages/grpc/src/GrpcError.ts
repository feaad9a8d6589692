/**
 * The error of a query over gRPC.
 *
 * @since 0.1.0
 */
import * as ErrorField from "@hyperfect/protocol/ErrorField"
import * as ProtocolError from "@hyperfect/protocol/ProtocolError"
import * as Schema from "effect/Schema"

/**
 * The server refused or ended a call, or was not reached.
 *
 * **Details**
 *
 * The status is a name of gRPC's, such as `"INVALID_ARGUMENT"` for a mistake in the query, `"PERMISSION_DENIED"` for a
 * database that the user of the service may not open, `"RESOURCE_EXHAUSTED"` for a message beyond `maxMessageSize`, and
 * `"UNAVAILABLE"` if there is no server.
 *
 * @category errors
 * @since 0.1.0
 */
export class GrpcError extends ProtocolError.TaggedError<GrpcError, boolean>()("GrpcError", {
  status: Schema.String,
  /** The code of the server's error, such as `"42703"`; `undefined` if the error is not from a query. */
  sqlState: Schema.UndefinedOr(Schema.String),
  text: Schema.String
}, ({ sqlState, status, text }) => ErrorField.printable(`${sqlState ?? status}: ${text}`)) {
  /** True if the server was not reached. */
  override get isRetryable(): boolean {
    return this.status === "UNAVAILABLE"
  }
}
