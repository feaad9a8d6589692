/**
 * The messages that a client sends.
 *
 * {@link Message} is the union of all of them, {@link codec} converts single frames, and {@link decode} and
 * {@link encode} are channels over streams of bytes. The functions that end in `Unsafe` are their building blocks, for
 * engines that cannot afford an Effect per message: they throw a `ProtocolError.Reason`.
 *
 * Reading a client's bytes depends on the state of the connection in two ways: packets that open a connection have no
 * tag, and the tag `p` stands for several messages, depending on the server's last request. Readers therefore take the
 * {@link Phase} of the connection.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import type * as Backend from "./Backend.ts"
import * as ByteWriter from "./ByteWriter.ts"
import type * as Frame from "./Frame.ts"
import * as frontendMessages from "./frontend/messages.ts"
import { readInt32 } from "./internal/bigEndian.ts"
import { decodeChannel, encodeChannel } from "./internal/channels.ts"
import { perCodegen } from "./internal/codegen.ts"
import * as MessageUnion from "./internal/messageUnion.ts"
import type * as Wire from "./Wire.ts"

export * from "./frontend/messages.ts"

/**
 * Every declared frontend message.
 *
 * @category constants
 * @since 0.1.0
 */
export const messages = MessageUnion.list(frontendMessages)

/**
 * The union of all frontend messages.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Message = Schema.Union(messages)

/**
 * Any message that a client sends.
 *
 * @category models
 * @since 0.1.0
 */
export type Message = typeof Message.Type

/**
 * The phase of a connection, as far as it affects reading.
 *
 * **Details**
 *
 * - `"startup"`: only packets without a tag (StartupMessage, SSLRequest, GSSENCRequest, CancelRequest).
 * - `"password"`: a `p` is a PasswordMessage.
 * - `"sasl-initial"`: a `p` is a SASLInitialResponse.
 * - `"sasl"`: a `p` is a SASLResponse.
 * - `"gss"`: a `p` is a GSSResponse.
 * - `"session"`: the client is logged in; `p` is no longer valid.
 *
 * @category models
 * @since 0.1.0
 */
export type Phase = "startup" | "password" | "sasl-initial" | "sasl" | "gss" | "session"

/**
 * The phase that follows a message of the server; `undefined` if the message does not change the phase.
 *
 * @category getters
 * @since 0.1.0
 */
export const phaseAfter = (message: Pick<Backend.Message, "_tag">): Phase | undefined => phases[message._tag]

const phases: { readonly [Tag in Backend.Message["_tag"]]?: Phase } = {
  AuthenticationOk: "session",
  AuthenticationCleartextPassword: "password",
  AuthenticationMD5Password: "password",
  AuthenticationSASL: "sasl-initial",
  AuthenticationSASLContinue: "sasl",
  AuthenticationGSS: "gss",
  AuthenticationGSSContinue: "gss",
  AuthenticationSSPI: "gss"
}

/**
 * Options for reading frontend messages, of which Query, Bind and CopyData, among others, may be long.
 *
 * @category models
 * @since 0.1.0
 */
export type Options = Backend.Options

const authenticationResponses = {
  password: frontendMessages.PasswordMessage,
  "sasl-initial": frontendMessages.SASLInitialResponse,
  sasl: frontendMessages.SASLResponse,
  gss: frontendMessages.GSSResponse
} as const

const isAuthenticationResponse = (message: Wire.AnyMessage): boolean => message.definition.tag === "p"

const messagesIn = (phase: Phase): ReadonlyArray<Wire.AnyMessage> =>
  phase === "startup"
    ? messages.filter((message) => message.definition.tag === undefined)
    : [
      ...messages.filter((message) => message.definition.tag !== undefined && !isAuthenticationResponse(message)),
      ...phase === "session" ? [] : [authenticationResponses[phase]]
    ]

/**
 * The length limit of each tag, for `Frame.makeParser`; index 0 holds the limit of packets without a tag.
 *
 * @category constructors
 * @since 0.1.0
 */
export const limits = (options?: Options): Frame.Limits => MessageUnion.limits(messages, options?.longLimit)

/**
 * The length limit of each tag allowed in a phase: before login completes, that is a packet without a tag, or the
 * response to the server's request, or Terminate.
 *
 * **When to use**
 *
 * Use it in servers: an unauthenticated client can then make the server buffer at most 65,535 bytes instead of 1 GiB.
 *
 * @category constructors
 * @since 0.1.0
 */
export const limitsIn = (phase: Phase, options?: Options): Frame.Limits =>
  MessageUnion.limits(
    phase === "startup" || phase === "session"
      ? messagesIn(phase)
      : [authenticationResponses[phase], frontendMessages.Terminate],
    options?.longLimit
  )

/**
 * Returns a function that reads a frame delimited by `Frame` in the given phase. It throws a `ProtocolError.Reason`.
 *
 * **Gotchas**
 *
 * Byte fields of the message are views of the frame: they stay valid for as long as they are referenced, and keep its
 * buffer alive.
 *
 * @category decoding
 * @since 0.1.0
 */
export const readerUnsafe = (phase: Phase, options?: Options): Wire.ReadFrame<Message> =>
  sharedReaders[phase](options?.codegen)

const sharedReaderFor = (phase: Phase) =>
  perCodegen((codegen: Wire.Codegen | undefined) =>
    MessageUnion.reader(messagesIn(phase), codegen) as Wire.ReadFrame<Message>
  )

const sharedReaders = {
  startup: sharedReaderFor("startup"),
  password: sharedReaderFor("password"),
  "sasl-initial": sharedReaderFor("sasl-initial"),
  sasl: sharedReaderFor("sasl"),
  gss: sharedReaderFor("gss"),
  session: sharedReaderFor("session")
}

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
 * True if the packet without a tag at `start` is a StartupMessage, the only such packet after which messages have tags.
 *
 * @category decoding
 * @since 0.1.0
 */
export const isStartupMessage = (bytes: Uint8Array, start: number): boolean =>
  !requestCodes.has(readInt32(bytes, start + 4))

const requestCodes = new Set(
  [frontendMessages.SSLRequest, frontendMessages.GSSENCRequest, frontendMessages.CancelRequest].map(({ definition }) =>
    definition.code
  )
)

/**
 * Returns the codec between one whole frame and its message in a phase.
 *
 * @category constructors
 * @since 0.1.0
 */
export const codecIn = (phase: Phase): Schema.Codec<Message, Uint8Array> =>
  MessageUnion.codec(Message, limits(), readerUnsafe(phase), writerUnsafe())

/**
 * The codec between one whole frame and its message.
 *
 * **Gotchas**
 *
 * It writes every message, and reads all messages that do not depend on a phase: a frame with the tag `p` is read as a
 * PasswordMessage, and packets without a tag are rejected. Use {@link codecIn} for those.
 *
 * **Example** (A Parse message)
 *
 * ```ts
 * import { Frontend } from "@hyperfect/protocol"
 * import { Schema } from "effect"
 * import { strict as assert } from "node:assert"
 *
 * const frame = Schema.encodeSync(Frontend.codec)(
 *   Frontend.Parse.make({ name: "", query: "select $1", parameterTypes: [23] })
 * )
 * assert.equal(Buffer.from(frame).toString("hex"), "50" + "00000015" + "00" + "73656c65637420243100" + "0001" + "00000017")
 * ```
 *
 * @category schemas
 * @since 0.1.0
 */
export const codec: Schema.Codec<Message, Uint8Array> = codecIn("password")

/**
 * Returns the channel from chunks of bytes, split at any position, to messages of one fixed phase.
 *
 * **Details**
 *
 * Emits the messages of each chunk as one array. Bytes that violate the protocol, or a stream that ends inside a frame,
 * fail the channel after the preceding messages were emitted. A server whose connection moves through the phases uses
 * the `MessageChannel` of `@hyperfect/transport`.
 *
 * @category decoding
 * @since 0.1.0
 */
export const decode = <IE = never, Done = unknown>(
  phase: Phase,
  options?: Options
): Frame.DecodeChannel<Message, IE, Done> =>
  decodeChannel(() => ({
    limits: limits(options),
    read: readerUnsafe(phase, options),
    tagged: phase !== "startup"
  }))

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
