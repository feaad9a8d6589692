/**
 * What can be wrong with a connection's configuration.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * A setting that is unknown, malformed or missing. Never holds the password.
 *
 * @category errors
 * @since 0.1.0
 */
export class ConfigError extends Schema.TaggedError<ConfigError>()("ConfigError", {
  /** The setting's name, such as `sslmode`, or the part of the URI, such as `port`. */
  setting: Schema.String,
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
