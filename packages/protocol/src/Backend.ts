/**
 * The messages that a server sends.
 *
 * {@link Message} is the union of all of them, {@link codec} converts single frames, and {@link decode} and
 * {@link encode} are channels over streams of bytes. The functions that end in `Unsafe` are their building blocks, for
 * engines that cannot afford an Effect per message: they throw a `ProtocolError.Reason`.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as backendMessages from "./backend/messages.ts"
import * as ByteWriter from "./ByteWriter.ts"
import type * as Frame from "./Frame.ts"
import { decodeChannel, encodeChannel } from "./internal/channels.ts"
import { perCodegen } from "./internal/codegen.ts"
import * as MessageUnion from "./internal/messageUnion.ts"
import type * as ProtocolError from "./ProtocolError.ts"
import type * as Wire from "./Wire.ts"

export * from "./backend/messages.ts"

/**
 * Every declared backend message.
 *
 * @category constants
 * @since 0.1.0
 */
export const messages = MessageUnion.list(backendMessages)

/**
 * The union of all backend messages.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Message = Schema.Union(messages)

/**
 * Any message that a server sends.
 *
 * @category models
 * @since 0.1.0
 */
export type Message = typeof Message.Type

/**
 * Options for reading backend messages.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * A lower limit, in bytes, for the messages that may be long (DataRow, CopyData, ErrorResponse ...). Defaults to
   * `Wire.longLimit`, and to `Wire.mediumLimit` for errors, notices and descriptions.
   */
  readonly longLimit?: number | undefined
  readonly codegen?: Wire.Codegen | undefined
}

/**
 * The length limit of each tag, for `Frame.makeParser`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const limits = (options?: Options): Frame.Limits => MessageUnion.limits(messages, options?.longLimit)

/**
 * Returns a function that reads a frame delimited by `Frame`. It throws a `ProtocolError.Reason`.
 *
 * **Gotchas**
 *
 * Byte fields of the message are views of the frame: they stay valid for as long as they are referenced, and keep its
 * buffer alive.
 *
 * @category decoding
 * @since 0.1.0
 */
export const readerUnsafe = (options?: Options): Wire.ReadFrame<Message> => sharedReader(options?.codegen)

const sharedReader = perCodegen((codegen: Wire.Codegen | undefined) =>
  MessageUnion.reader(messages, codegen) as Wire.ReadFrame<Message>
)

/**
 * Returns a function that writes a message's frame. If it throws a `ProtocolError.Reason`, nothing has been written.
 *
 * @category encoding
 * @since 0.1.0
 */
export const writerUnsafe = (options?: Options): Wire.WriteFrame<Message> => sharedWriter(options?.codegen)

const sharedWriter = perCodegen((codegen: Wire.Codegen | undefined): Wire.WriteFrame<Message> =>
  MessageUnion.writer(messages, codegen)
)

/**
 * The codec between one whole frame and its message.
 *
 * **Example** (Round trip)
 *
 * ```ts
 * import { Backend } from "@hyperfect/protocol"
 * import { Schema } from "effect"
 * import { strict as assert } from "node:assert"
 *
 * const message = Schema.decodeSync(Backend.codec)(Uint8Array.of(0x5a, 0, 0, 0, 5, 0x49))
 * assert.deepEqual(message, { _tag: "ReadyForQuery", status: "I" })
 * assert.deepEqual(Schema.encodeSync(Backend.codec)(message), Uint8Array.of(0x5a, 0, 0, 0, 5, 0x49))
 * ```
 *
 * @category schemas
 * @since 0.1.0
 */
export const codec: Schema.Codec<Message, Uint8Array> = MessageUnion.codec(
  Message,
  limits(),
  readerUnsafe(),
  writerUnsafe()
)

/** The character code of a found value, which a reason contains in quotes. */
const codeOf = (found: string): number => String(JSON.parse(found)).charCodeAt(0)

/** PostgreSQL's error text for each kind of malformed message; a wrong length has none. */
const complaints: Readonly<Record<ProtocolError.Reason["_tag"], (found: string) => string | undefined>> = {
  TagUnknown: (tag) => `invalid frontend message type ${codeOf(tag)}`,
  LengthInvalid: () => undefined,
  LengthExceeded: () => undefined,
  StreamEnded: () => undefined,
  Truncated: () => "insufficient data left in message",
  CountInvalid: () => "insufficient data left in message",
  Unterminated: () => "invalid string in message",
  Utf8Invalid: () => "invalid byte sequence for encoding \"UTF8\"",
  ValueInvalid: () => "invalid message format",
  TrailingBytes: () => "invalid message format",
  MessageUnexpected: (found) => `unexpected message ${found}`
}

/**
 * The ErrorResponse with which PostgreSQL answers an invalid message of a client; `undefined` if PostgreSQL disconnects
 * without an answer, because the length of the message is wrong.
 *
 * **Details**
 *
 * The SQLSTATE is 22021 for text that is not UTF-8, otherwise 08P01. The severity is FATAL if framing is lost, after
 * which the connection must be closed, otherwise ERROR.
 *
 * **Example** (A Query without its terminator)
 *
 * ```ts
 * import { Backend, ErrorField, Frontend } from "@hyperfect/protocol"
 * import { Effect, Stream } from "effect"
 * import { strict as assert } from "node:assert"
 *
 * const query = Stream.make(Uint8Array.of(0x51, 0, 0, 0, 5, 0x3b))
 * const decoded = query.pipe(Stream.pipeThroughChannel(Frontend.decode("session")), Stream.runDrain, Effect.flip)
 * const answer = Backend.errorResponse(await Effect.runPromise(decoded))
 * assert.equal(ErrorField.get(answer?.fields ?? [], "message"), "invalid string in message")
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const errorResponse = (error: ProtocolError.ProtocolError): backendMessages.ErrorResponse | undefined => {
  const { _tag, found, messageName } = error.reason
  // Describe and Close name a statement or a portal; no other field of theirs can hold an invalid value.
  const message = _tag === "ValueInvalid" && (messageName === "Describe" || messageName === "Close")
    ? `invalid ${messageName.toUpperCase()} message subtype ${codeOf(found)}`
    : complaints[_tag](found)
  const severity = error.isFramingLost ? "FATAL" : "ERROR"
  return message === undefined ? undefined : {
    _tag: "ErrorResponse",
    fields: [
      { code: "S", value: severity },
      { code: "V", value: severity },
      { code: "C", value: _tag === "Utf8Invalid" ? "22021" : "08P01" },
      { code: "M", value: message }
    ]
  }
}

/**
 * Returns the channel from chunks of bytes, split at any position, to messages.
 *
 * **Details**
 *
 * Emits the messages of each chunk as one array. Bytes that violate the protocol, or a stream that ends inside a frame,
 * fail the channel after the preceding messages were emitted.
 *
 * **Example** (A stream of chunks)
 *
 * ```ts
 * import { Backend } from "@hyperfect/protocol"
 * import { Effect, Stream } from "effect"
 * import { strict as assert } from "node:assert"
 *
 * const chunks = Stream.make(Uint8Array.of(0x31, 0, 0), Uint8Array.of(0, 4, 0x5a, 0, 0, 0, 5, 0x49))
 * const messages = chunks.pipe(Stream.pipeThroughChannel(Backend.decode()), Stream.runCollect)
 * assert.deepEqual((await Effect.runPromise(messages)).map((message) => message._tag), ["ParseComplete", "ReadyForQuery"])
 * ```
 *
 * @category decoding
 * @since 0.1.0
 */
export const decode = <IE = never, Done = unknown>(options?: Options): Frame.DecodeChannel<Message, IE, Done> =>
  decodeChannel(() => ({ limits: limits(options), read: readerUnsafe(options), tagged: true }))

/**
 * Returns the channel from messages to chunks of bytes, one chunk for each array of messages.
 *
 * @category encoding
 * @since 0.1.0
 */
export const encode = <IE = never, Done = unknown>(options?: Options): Frame.EncodeChannel<Message, IE, Done> =>
  encodeChannel(() => writerUnsafe(options))

/**
 * Returns the frame of one message. Throws a `ProtocolError.Reason`.
 *
 * @category encoding
 * @since 0.1.0
 */
export const encodeUnsafe = (message: Message): Uint8Array => ByteWriter.bytesOf(write, message)

const write = writerUnsafe()
