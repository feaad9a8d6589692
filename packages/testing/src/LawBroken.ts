/**
 * What a conformance suite says of an implementation that breaks one of its laws.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * An implementation does not do what the law wants.
 *
 * @category errors
 * @since 0.1.0
 */
export class LawBroken extends Schema.TaggedError<LawBroken>()("LawBroken", { detail: Schema.String }) {
  override get message(): string {
    return this.detail
  }
}
