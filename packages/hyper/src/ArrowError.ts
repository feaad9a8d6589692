/**
 * Data that is no Arrow IPC stream.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

const problems = {
  "not-a-stream": "they do not begin with a schema, as a stream of Arrow IPC does",
  malformed: "a message of Arrow IPC is malformed",
  truncated: "they end within a message of Arrow IPC",
  "schema-differs": "another stream follows, with another schema than the first"
} as const

/**
 * The data for a table are no streams of Arrow IPC of one schema; nothing of them was kept.
 *
 * @category errors
 * @since 0.1.0
 */
export class ArrowError extends Schema.TaggedError<ArrowError>()("ArrowError", {
  problem: Schema.Literals(["not-a-stream", "malformed", "truncated", "schema-differs"]),
  /** Where the message begins, in bytes from the beginning of the data. */
  offset: Schema.Number
}) {
  override get message(): string {
    return `the data cannot be copied: ${problems[this.problem]} (at byte ${this.offset})`
  }

  /** Always false. */
  get isRetryable(): false {
    return false
  }
}
