/**
 * What can be wrong with a connection's configuration.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * A setting that cannot be used. Never holds a password.
 *
 * @category errors
 * @since 0.1.0
 */
export class ConfigError extends Schema.TaggedError<ConfigError>()("ConfigError", {
  /** The setting's name, such as `sslmode`; `uri` or `conninfo` when the text as a whole is malformed. */
  setting: Schema.String,
  /**
   * - `"unknown"`: there is no such setting; the problem names the one that is most like it.
   * - `"unsupported"`: libpq knows it, or its value, and this library does not. It is refused rather than ignored.
   * - `"invalid"`: the value is malformed, or does not go with another setting.
   * - `"missing"`: it has to be set.
   * - `"file"`: the file that it names cannot be read or must not be used.
   */
  kind: Schema.Literals(["unknown", "unsupported", "invalid", "missing", "file"]),
  problem: Schema.String
}) {
  override get message(): string {
    return `${this.setting}: ${this.problem}`
  }

  /** Always false. */
  get isRetryable(): false {
    return false
  }
}
