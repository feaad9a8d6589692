/**
 * The error of a conformance suite for an implementation that breaks a law.
 *
 * @since 0.1.0
 */
import { TaggedError } from "@hyperfect/protocol/ProtocolError"
import * as Schema from "effect/Schema"

/**
 * An implementation does not keep a law.
 *
 * @category errors
 * @since 0.1.0
 */
export class LawBroken
  extends TaggedError<LawBroken>()("LawBroken", { detail: Schema.String }, ({ detail }) => detail)
{}
