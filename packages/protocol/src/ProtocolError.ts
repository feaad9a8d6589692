/**
 * Errors for bytes and values that violate the protocol.
 *
 * Every decoder of this package fails with a `ProtocolError`; its `reason` states the violated rule, the message and
 * field, the byte offset, and the expected and found values. It never contains message contents, only sizes, tags and
 * positions, so it can be logged safely.
 *
 * @since 0.1.0
 */
import type { YieldableError } from "effect/Cause"
import * as Schema from "effect/Schema"
import { printable } from "./internal/printable.ts"

const location = {
  /** The message's name in the protocol chapter, or `"Frame"` if the frame itself is invalid. */
  messageName: Schema.String,
  /** Path of the field inside the message, such as `fields[2].typeOid`; empty for the message as a whole. */
  field: Schema.String,
  /** Bytes from the start of the frame (including the tag). */
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
 * - `LengthExceeded`: the length exceeds the limit of this message.
 * - `Truncated`: the message ends inside a field.
 * - `CountInvalid`: an element count is negative or cannot fit into the remaining bytes.
 * - `Unterminated`: a string or list has no terminating zero byte.
 * - `Utf8Invalid`: a string is not UTF-8, or a JavaScript string has an unpaired surrogate.
 * - `ValueInvalid`: a field holds a value that the protocol does not allow there.
 * - `TrailingBytes`: bytes remain after the last field.
 * - `MessageUnexpected`: a well-formed message is not allowed at this point.
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
 * The violated rule and its location: a plain value, cheap to throw.
 *
 * @category errors
 * @since 0.1.0
 */
export type Reason = typeof Reason.Type

/** The length word of `HTTP/1.1`, whose first letter is in the place of the tag. */
const httpLength = `${0x54_54_50_2f} in message "H"`

/** The reasons after which the start of the next message is unknown. */
const framingReasons: ReadonlySet<Reason["_tag"]> = new Set<Reason["_tag"]>([
  "TagUnknown",
  "LengthInvalid",
  "LengthExceeded",
  "StreamEnded"
])

/**
 * Returns the text by which Node prints an error: its name, message and hint, how much was sent, the excerpt of the
 * statement, and the place.
 */
const inspectError = (
  error: Error & { readonly reason?: { readonly _tag: string }; readonly sent?: string }
): string => {
  const { reason, sent, stack = "" } = error
  const placeAt = stack.search(/^ {4}(?:at |\d+ \| )/m)
  const lines = [
    `${error.name}${reason === undefined ? "" : ` (${reason._tag})`}: ${error.message}`,
    ...sent === undefined ? [] : [`    sent: ${sent}`],
    ...placeAt < 0 ? [] : [stack.slice(placeAt)]
  ]
  return lines.join("\n")
}

type Message<Fields extends Schema.Struct.Fields> = (error: Schema.Struct<Fields>["Type"]) => string

const messageOfReason = ({ reason }: { readonly reason?: unknown }): string => (reason as Error).message

/**
 * Works as `Schema.TaggedError`, for a class whose message is made from its fields.
 *
 * @internal
 */
export const TaggedReason = <Self, Brand = {}>() =>
<Tag extends string, const Fields extends Schema.Struct.Fields>(
  tag: Tag,
  fields: Fields,
  message: Message<Fields>
): Schema.Class<Self, Schema.TaggedStruct<Tag, Fields>, YieldableError & Brand> => {
  const Base = Schema.TaggedError<Error>()(tag, fields)
  Object.defineProperty(Base.prototype, "message", {
    get(this: Schema.Struct<Fields>["Type"]) {
      return message(this)
    }
  })
  return Base as never
}

/** @internal */
export interface Retryable<IsRetryable extends boolean> {
  /** True if the same operation may succeed later. */
  readonly isRetryable: IsRetryable
}

/**
 * Works as {@link TaggedReason}, for errors that Node prints by {@link inspectError}. The message is that of the reason
 * and an error is not retryable, unless it says otherwise.
 *
 * @internal
 */
export const TaggedError =
  <Self, IsRetryable extends boolean = false>() =>
  <Tag extends string, const Fields extends Schema.Struct.Fields>(
    tag: Tag,
    fields: Fields,
    message: Message<Fields> = messageOfReason
  ): Schema.Class<Self, Schema.TaggedStruct<Tag, Fields>, YieldableError & Retryable<IsRetryable>> => {
    const Base = TaggedReason<Error, Retryable<IsRetryable>>()(tag, fields, message)
    Object.defineProperties(Base.prototype, {
      isRetryable: { value: false },
      [Symbol.for("nodejs.util.inspect.custom")]: {
        value: function(this: Error) {
          return inspectError(this)
        }
      }
    })
    return Base as never
  }

/**
 * Bytes that violate the protocol, or a value that the protocol cannot represent.
 *
 * **Gotchas**
 *
 * While reading there are two kinds, distinguished by `isFramingLost`. If the header of a frame is invalid, the rest of
 * the stream cannot be interpreted and the connection must be closed. If only the contents of a frame are invalid, the
 * next message can still be read: PostgreSQL answers such a message with an error and continues.
 *
 * @category errors
 * @since 0.1.0
 */
export class ProtocolError extends TaggedError<ProtocolError>()("ProtocolError", { reason: Reason }, ({ reason }) => {
  const { _tag, field, found, messageName, offset, wanted } = reason
  if (_tag === "MessageUnexpected" && field === "") return printable(`unexpected message ${found}: wanted ${wanted}`)
  if (_tag === "LengthExceeded" && found.startsWith(httpLength)) return "not a PostgreSQL server (it answered \"HTTP\")"
  const where = field === "" ? messageName : `${messageName}.${field}`
  return printable(`${where} at byte ${offset}: ${_tag}: wanted ${wanted}, found ${found}`)
}) {
  /** True if nothing more can be read from the stream; false if only one message is malformed or unexpected. */
  get isFramingLost(): boolean {
    return framingReasons.has(this.reason._tag)
  }
}

/**
 * Creates a reason.
 *
 * **When to use**
 *
 * Use it in hot synchronous code that throws the plain reason and lets its caller wrap it once into a
 * {@link ProtocolError}: an error object costs a stack capture, a reason does not.
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
 * Creates a {@link ProtocolError} from the parts of its reason.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (...parts: Parameters<typeof reason>): ProtocolError =>
  new ProtocolError({ reason: reason(...parts) })

/**
 * True if a thrown value is a {@link Reason}.
 *
 * @category guards
 * @since 0.1.0
 */
export const isReason: (u: unknown) => u is Reason = Schema.is(Reason)

/**
 * Wraps a value thrown by a synchronous decoder or encoder: a {@link Reason} becomes a {@link ProtocolError}, anything
 * else is a bug and is rethrown.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromThrown = (thrown: unknown): ProtocolError => {
  if (isReason(thrown)) return new ProtocolError({ reason: thrown })
  throw thrown
}

/**
 * Creates the error for a stream that ends inside a frame of which `pending` bytes were received.
 *
 * @category constructors
 * @since 0.1.0
 */
export const streamEnded = (pending: number): ProtocolError =>
  make("StreamEnded", "Frame", "", pending, "the rest of a frame", "the end of the stream")
