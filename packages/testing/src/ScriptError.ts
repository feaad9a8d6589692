/**
 * The error for a conversation that did not follow its script.
 *
 * @since 0.1.0
 */
import * as ErrorField from "@hyperfect/protocol/ErrorField"
import { TaggedError } from "@hyperfect/protocol/ProtocolError"
import * as Schema from "effect/Schema"

/**
 * The peer did not do what the script says, or not all of it.
 *
 * The message is meant to be read by a person: it names the step of the connection that was due, shows expected and
 * received fields side by side, and lists what was received before.
 *
 * @category errors
 * @since 0.1.0
 */
export class ScriptError extends TaggedError<ScriptError>()("ScriptError", {
  /**
   * - `"unexpected"`: a message other than the one that was due was received.
   * - `"unfinished"`: the peer disconnected, or stopped, before the script was complete.
   */
  problem: Schema.Literals(["unexpected", "unfinished"]),
  /** The connection number, counted from 1; 0 if there was no connection at all. */
  connection: Schema.Number,
  /** The step number, counted from 1; one more than the number of steps if the script was complete. */
  step: Schema.Number,
  report: Schema.String
}, ({ report }) => ErrorField.printable(report)) {}
