/**
 * What is wrong with a conversation that did not go by its script.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * The other end did not do what the script says, or not all of it.
 *
 * The message is meant to be read: it says which step of which connection was due, shows what was expected beside what
 * was received, field by field, and names what had come before.
 *
 * @category errors
 * @since 0.1.0
 */
export class ScriptError extends Schema.TaggedError<ScriptError>()("ScriptError", {
  /**
   * - `"unexpected"`: another message came than the one that was due.
   * - `"unfinished"`: the other end left, or stopped, before the script was done.
   */
  problem: Schema.Literals(["unexpected", "unfinished"]),
  /** Counted from 1; 0 when nobody has connected at all. */
  connection: Schema.Number,
  /** Counted from 1; one more than there are when the script was over. */
  step: Schema.Number,
  report: Schema.String
}) {
  override get message(): string {
    return this.report
  }
}
