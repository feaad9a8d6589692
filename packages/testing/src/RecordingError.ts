/**
 * What is wrong with a recording that cannot be replayed.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * A file is not a recording, or not one that can be replayed.
 *
 * @category errors
 * @since 0.1.0
 */
export class RecordingError extends Schema.TaggedError<RecordingError>()("RecordingError", {
  /** Counted from 1. */
  line: Schema.Number,
  problem: Schema.String
}) {
  override get message(): string {
    return `line ${this.line} of the recording: ${this.problem}`
  }
}
