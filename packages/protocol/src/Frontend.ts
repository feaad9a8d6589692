/**
 * The messages that a client sends.
 *
 * {@link Message} is the union of all of them, {@link codec} its codec over single frames, {@link decode} and
 * {@link encode} are the channels over streams of bytes. The functions that end in `Unsafe` are what these are made of,
 * for engines that want no Effect per message: they throw a `ProtocolError.Reason`.
 *
 * Two things about a client's bytes hang on what came before: packets that open a connection have no tag, and a message
 * with the tag `p` is one of several, depending on what the server has asked for. So whoever reads them says in which
 * {@link Phase} the connection is.
 *
 * @since 0.1.0
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import type * as Channel from "effect/Channel"
import * as Schema from "effect/Schema"
import { CopyData } from "./backend/CopyData.ts"
import { CopyDone } from "./backend/CopyDone.ts"
import * as ByteWriter from "./ByteWriter.ts"
import type * as Frame from "./Frame.ts"
import { Bind } from "./frontend/Bind.ts"
import { CancelRequest } from "./frontend/CancelRequest.ts"
import { Close } from "./frontend/Close.ts"
import { CopyFail } from "./frontend/CopyFail.ts"
import { Describe } from "./frontend/Describe.ts"
import { Execute } from "./frontend/Execute.ts"
import { Flush } from "./frontend/Flush.ts"
import { FunctionCall } from "./frontend/FunctionCall.ts"
import { GSSENCRequest } from "./frontend/GSSENCRequest.ts"
import { GSSResponse } from "./frontend/GSSResponse.ts"
import { Parse } from "./frontend/Parse.ts"
import { PasswordMessage } from "./frontend/PasswordMessage.ts"
import { Query } from "./frontend/Query.ts"
import { SASLInitialResponse } from "./frontend/SASLInitialResponse.ts"
import { SASLResponse } from "./frontend/SASLResponse.ts"
import { SSLRequest } from "./frontend/SSLRequest.ts"
import { StartupMessage } from "./frontend/StartupMessage.ts"
import { Sync } from "./frontend/Sync.ts"
import { Terminate } from "./frontend/Terminate.ts"
import { readInt32 } from "./internal/compile.ts"
import * as Family from "./internal/family.ts"
import { decodeChannel, encodeChannel } from "./internal/stream.ts"
import type * as ProtocolError from "./ProtocolError.ts"
import * as Wire from "./Wire.ts"

export {
  Bind,
  CancelRequest,
  Close,
  CopyData,
  CopyDone,
  CopyFail,
  Describe,
  Execute,
  Flush,
  FunctionCall,
  GSSENCRequest,
  GSSResponse,
  Parse,
  PasswordMessage,
  Query,
  SASLInitialResponse,
  SASLResponse,
  SSLRequest,
  StartupMessage,
  Sync,
  Terminate
}

/**
 * Every declared frontend message.
 *
 * @category constants
 * @since 0.1.0
 */
export const messages = [
  Bind,
  CancelRequest,
  Close,
  CopyData,
  CopyDone,
  CopyFail,
  Describe,
  Execute,
  Flush,
  FunctionCall,
  GSSENCRequest,
  GSSResponse,
  Parse,
  PasswordMessage,
  Query,
  SASLInitialResponse,
  SASLResponse,
  SSLRequest,
  StartupMessage,
  Sync,
  Terminate
] as const

/**
 * The union of all frontend messages.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Message = Schema.Union(messages)

/**
 * Any message of a client.
 *
 * @category models
 * @since 0.1.0
 */
export type Message = typeof Message.Type

/**
 * What a connection has come to, as far as reading depends on it.
 *
 * **Details**
 *
 * - `"startup"`: nothing but packets without a tag (StartupMessage, SSLRequest, GSSENCRequest, CancelRequest).
 * - `"password"`: a `p` is a PasswordMessage. Also the phase for everything after the log-in.
 * - `"sasl-initial"`: a `p` is a SASLInitialResponse.
 * - `"sasl"`: a `p` is a SASLResponse.
 * - `"gss"`: a `p` is a GSSResponse.
 *
 * @category models
 * @since 0.1.0
 */
export type Phase = "startup" | "password" | "sasl-initial" | "sasl" | "gss"

/**
 * How messages are read.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The limit of the messages that may be long (Query, Bind, CopyData ...), in bytes; `Wire.longLimit` when absent. */
  readonly longLimit?: number | undefined
  readonly backEnd?: Wire.BackEnd | undefined
}

const answers = {
  password: PasswordMessage,
  "sasl-initial": SASLInitialResponse,
  sasl: SASLResponse,
  gss: GSSResponse
} as const

const isAnswer = (message: Wire.AnyMessage): boolean => message.definition.tag === "p"

const messagesIn = (phase: Phase): ReadonlyArray<Wire.AnyMessage> =>
  phase === "startup"
    ? messages.filter((message) => message.definition.tag === undefined)
    : [...messages.filter((message) => message.definition.tag !== undefined && !isAnswer(message)), answers[phase]]

/**
 * The limit of each tag, for `Frame.makeParser`; index 0 holds that of the packets without a tag.
 *
 * @category constructors
 * @since 0.1.0
 */
export const limits = (options?: Options): Frame.Limits => Family.limits(messages, Wire.longLimit, options?.longLimit)

/**
 * A function that reads a frame which `Frame` has cut out, in the given phase. It throws a `ProtocolError.Reason`.
 *
 * **Gotchas**
 *
 * Bytes in the message are views of the frame: they are good for as long as they are held, and hold its buffer.
 *
 * @category decoding
 * @since 0.1.0
 */
export const readerUnsafe = (phase: Phase, options?: Options): Wire.ReadFrame<Message> =>
  sharedReaders[phase](options?.backEnd)

const sharedReaderIn = (phase: Phase) =>
  Family.perBackEnd((backEnd) => Family.reader(messagesIn(phase), backEnd) as Wire.ReadFrame<Message>)

const sharedReaders = {
  startup: sharedReaderIn("startup"),
  password: sharedReaderIn("password"),
  "sasl-initial": sharedReaderIn("sasl-initial"),
  sasl: sharedReaderIn("sasl"),
  gss: sharedReaderIn("gss")
}

/**
 * A function that writes a message's frame. It throws a `ProtocolError.Reason`, having written nothing.
 *
 * @category encoding
 * @since 0.1.0
 */
export const writerUnsafe = (options?: Options): Wire.WriteFrame<Message> => sharedWriter(options?.backEnd)

const sharedWriter = Family.perBackEnd((backEnd): Wire.WriteFrame<Message> => Family.writer(messages, backEnd))

/**
 * Whether the packet without a tag at `start` is a StartupMessage: the only one that messages with tags follow.
 *
 * @category decoding
 * @since 0.1.0
 */
export const isStartupMessage = (bytes: Uint8Array, start: number): boolean =>
  !requestCodes.has(readInt32(bytes, start + 4))

const requestCodes = new Set([SSLRequest, GSSENCRequest, CancelRequest].map(({ definition }) => definition.code))

/**
 * The codec between one whole frame and its message, in a phase.
 *
 * @category constructors
 * @since 0.1.0
 */
export const codecIn = (phase: Phase): Schema.Codec<Message, Uint8Array> =>
  Family.codec(Message, limits(), readerUnsafe(phase), writerUnsafe())

/**
 * The codec between one whole frame and its message.
 *
 * **Gotchas**
 *
 * It writes every message, and reads all but those that need a phase: a frame with the tag `p` is read as a
 * PasswordMessage, and packets without a tag are refused. Use {@link codecIn} for these.
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
 * The channel from chunks of bytes, cut anywhere, to messages, in a phase that does not change.
 *
 * **Details**
 *
 * It emits the messages of each chunk as one array. Bytes that break the protocol fail it after the messages before
 * them were emitted; so does an end of the stream inside a frame. A server that follows a connection through its phases
 * uses the `MessageChannel` of `@hyperfect/transport`.
 *
 * @category decoding
 * @since 0.1.0
 */
export const decode = <IE = never, Done = unknown>(phase: Phase, options?: Options): Channel.Channel<
  NonEmptyReadonlyArray<Message>,
  ProtocolError.ProtocolError | IE,
  Done,
  NonEmptyReadonlyArray<Uint8Array>,
  IE,
  Done
> =>
  decodeChannel(() => ({
    limits: limits(options),
    read: readerUnsafe(phase, options),
    tagged: phase !== "startup"
  }))

/**
 * The channel from messages to chunks of bytes, one chunk for each array of messages.
 *
 * @category encoding
 * @since 0.1.0
 */
export const encode = <IE = never, Done = unknown>(options?: Options): Channel.Channel<
  NonEmptyReadonlyArray<Uint8Array>,
  ProtocolError.ProtocolError | IE,
  Done,
  NonEmptyReadonlyArray<Message>,
  IE,
  Done
> => encodeChannel(() => writerUnsafe(options))

/**
 * The frame of one message. It throws a `ProtocolError.Reason`.
 *
 * @category encoding
 * @since 0.1.0
 */
export const encodeUnsafe = (message: Message): Uint8Array => ByteWriter.bytesOf(write, message)

const write = writerUnsafe()
