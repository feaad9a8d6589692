/**
 * The error for a recording that cannot be replayed.
 *
 * @since 0.1.0
 */
import * as ErrorField from "@hyperfect/protocol/ErrorField"
import { TaggedError } from "@hyperfect/protocol/ProtocolError"
import * as Schema from "effect/Schema"

/**
 * A file is not a recording, or not one that can be replayed.
 *
 * @category errors
 * @since 0.1.0
 */
export class RecordingError extends TaggedError<RecordingError>()("RecordingError", {
  /** The line number, counted from 1. */
  line: Schema.Number,
  problem: Schema.String
}, ({ line, problem }) => ErrorField.printable(`line ${line} of the recording: ${problem}`)) {}
