/**
 * Errors in the configuration of a connection.
 *
 * @since 0.1.0
 */
import { TaggedError } from "@hyperfect/protocol/ProtocolError"
import * as Schema from "effect/Schema"

/**
 * An invalid or unusable setting. Never contains a password.
 *
 * @category errors
 * @since 0.1.0
 */
export class ConnectionConfigError extends TaggedError<ConnectionConfigError>()("ConnectionConfigError", {
  /** The setting's name, such as `sslmode`; `uri` or `conninfo` when the text as a whole is malformed. */
  setting: Schema.String,
  /**
   * - `"unknown"`: there is no such setting; the problem suggests the most similar name.
   * - `"unsupported"`: libpq supports the setting or the value, this library does not. It is refused rather than
   *   ignored.
   * - `"invalid"`: the value is malformed, or conflicts with another setting.
   * - `"missing"`: the setting is required.
   * - `"file"`: the file that it names cannot be read or must not be used.
   */
  kind: Schema.Literals(["unknown", "unsupported", "invalid", "missing", "file"]),
  problem: Schema.String
}, ({ problem, setting }) => `${setting}: ${problem}`) {}
