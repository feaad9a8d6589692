/**
 * What can be wrong with bytes that claim to be the protocol.
 *
 * Every decoder of this package fails with a `ProtocolError`; its `reason` says which rule was broken, in which message
 * and field, at which byte, what was wanted and what was found. Contents of messages never appear in it, only sizes,
 * tags and positions, so it can be logged as it is.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

const location = {
  /** The message's name in the protocol chapter, or `"Frame"` when the frame itself is wrong. */
  messageName: Schema.String,
  /** Path of the field inside the message, such as `fields[2].typeOid`; empty for the message as a whole. */
  field: Schema.String,
  /** Bytes from the start of the frame (tag included). */
  offset: Schema.Number,
  wanted: Schema.String,
  found: Schema.String
}

/**
 * The ways in which bytes or values break the protocol.
 *
 * **Details**
 *
 * - `TagUnknown`: no message of this direction and phase has this first byte.
 * - `LengthInvalid`: the length word is less than the four bytes that it counts itself.
 * - `LengthExceeded`: the length is over the limit of this message.
 * - `Truncated`: the message ends inside a field.
 * - `CountInvalid`: an element count is negative or cannot fit into the bytes that are left.
 * - `Unterminated`: a string or list has no terminating zero byte.
 * - `Utf8Invalid`: a string is not UTF-8, or a JavaScript string has an unpaired surrogate.
 * - `ValueInvalid`: a field holds a value that the protocol does not allow there.
 * - `TrailingBytes`: bytes are left after the last field.
 * - `MessageUnexpected`: a well-formed message that may not come at this point.
 * - `StreamEnded`: the stream of bytes ended inside a frame.
 *
 * @category errors
 * @since 0.1.0
 */
export const Reason = Schema.Union([
  Schema.TaggedStruct("TagUnknown", location),
  Schema.TaggedStruct("LengthInvalid", location),
  Schema.TaggedStruct("LengthExceeded", location),
  Schema.TaggedStruct("Truncated", location),
  Schema.TaggedStruct("CountInvalid", location),
  Schema.TaggedStruct("Unterminated", location),
  Schema.TaggedStruct("Utf8Invalid", location),
  Schema.TaggedStruct("ValueInvalid", location),
  Schema.TaggedStruct("TrailingBytes", location),
  Schema.TaggedStruct("MessageUnexpected", location),
  Schema.TaggedStruct("StreamEnded", location)
])

/**
 * What is wrong, and where: a plain value, cheap to throw.
 *
 * @category errors
 * @since 0.1.0
 */
export type Reason = typeof Reason.Type

/**
 * Bytes that are not the protocol, or a value that the protocol cannot carry.
 *
 * **Gotchas**
 *
 * A `ProtocolError` while reading is final for its stream: what follows in it has no known meaning.
 *
 * @category errors
 * @since 0.1.0
 */
export class ProtocolError extends Schema.TaggedError<ProtocolError>()("ProtocolError", { reason: Reason }) {
  override get message(): string {
    const { _tag, field, found, messageName, offset, wanted } = this.reason
    const where = field === "" ? messageName : `${messageName}.${field}`
    return `${where} at byte ${offset}: ${_tag}: wanted ${wanted}, found ${found}`
  }
}

/**
 * Builds a reason.
 *
 * **When to use**
 *
 * Use in hot synchronous code that throws the plain reason and leaves it to its caller to wrap it once into a
 * {@link ProtocolError}: an error object costs a stack capture, a reason costs nothing.
 *
 * @category constructors
 * @since 0.1.0
 */
export const reason = (
  _tag: Reason["_tag"],
  messageName: string,
  field: string,
  offset: number,
  wanted: string,
  found: string
): Reason => ({ _tag, messageName, field, offset, wanted, found })

/**
 * Whether something that was thrown is a {@link Reason}.
 *
 * @category guards
 * @since 0.1.0
 */
export const isReason: (u: unknown) => u is Reason = Schema.is(Reason)

/**
 * Wraps what a synchronous decoder or encoder threw: a {@link Reason} becomes a {@link ProtocolError}, anything else is
 * a bug and is thrown again.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromThrown = (thrown: unknown): ProtocolError => {
  if (isReason(thrown)) return new ProtocolError({ reason: thrown })
  throw thrown
}

/**
 * The error of a stream of bytes that ends inside a frame, of which `pending` bytes had come.
 *
 * @category constructors
 * @since 0.1.0
 */
export const streamEnded = (pending: number): ProtocolError =>
  new ProtocolError({
    reason: reason("StreamEnded", "Frame", "", pending, "the rest of a frame", "the end of the stream")
  })
