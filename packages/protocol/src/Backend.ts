/**
 * The messages that a server sends.
 *
 * {@link Message} is the union of all of them, {@link codec} its codec over single frames, {@link decode} and
 * {@link encode} are the channels over streams of bytes. The functions that end in `Unsafe` are what these are made of,
 * for engines that want no Effect per message: they throw a `ProtocolError.Reason`.
 *
 * @since 0.1.0
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import type * as Channel from "effect/Channel"
import * as Schema from "effect/Schema"
import { AuthenticationCleartextPassword } from "./backend/AuthenticationCleartextPassword.ts"
import { AuthenticationGSS } from "./backend/AuthenticationGSS.ts"
import { AuthenticationGSSContinue } from "./backend/AuthenticationGSSContinue.ts"
import { AuthenticationKerberosV5 } from "./backend/AuthenticationKerberosV5.ts"
import { AuthenticationMD5Password } from "./backend/AuthenticationMD5Password.ts"
import { AuthenticationOk } from "./backend/AuthenticationOk.ts"
import { AuthenticationSASL } from "./backend/AuthenticationSASL.ts"
import { AuthenticationSASLContinue } from "./backend/AuthenticationSASLContinue.ts"
import { AuthenticationSASLFinal } from "./backend/AuthenticationSASLFinal.ts"
import { AuthenticationSSPI } from "./backend/AuthenticationSSPI.ts"
import { BackendKeyData } from "./backend/BackendKeyData.ts"
import { BindComplete } from "./backend/BindComplete.ts"
import { CloseComplete } from "./backend/CloseComplete.ts"
import { CommandComplete } from "./backend/CommandComplete.ts"
import { CopyBothResponse } from "./backend/CopyBothResponse.ts"
import { CopyData } from "./backend/CopyData.ts"
import { CopyDone } from "./backend/CopyDone.ts"
import { CopyInResponse } from "./backend/CopyInResponse.ts"
import { CopyOutResponse } from "./backend/CopyOutResponse.ts"
import { DataRow } from "./backend/DataRow.ts"
import { EmptyQueryResponse } from "./backend/EmptyQueryResponse.ts"
import { ErrorResponse } from "./backend/ErrorResponse.ts"
import { FunctionCallResponse } from "./backend/FunctionCallResponse.ts"
import { NegotiateProtocolVersion } from "./backend/NegotiateProtocolVersion.ts"
import { NoData } from "./backend/NoData.ts"
import { NoticeResponse } from "./backend/NoticeResponse.ts"
import { NotificationResponse } from "./backend/NotificationResponse.ts"
import { ParameterDescription } from "./backend/ParameterDescription.ts"
import { ParameterStatus } from "./backend/ParameterStatus.ts"
import { ParseComplete } from "./backend/ParseComplete.ts"
import { PortalSuspended } from "./backend/PortalSuspended.ts"
import { ReadyForQuery } from "./backend/ReadyForQuery.ts"
import { RowDescription } from "./backend/RowDescription.ts"
import * as ByteWriter from "./ByteWriter.ts"
import type * as Frame from "./Frame.ts"
import * as Family from "./internal/family.ts"
import { decodeChannel, encodeChannel } from "./internal/stream.ts"
import type * as ProtocolError from "./ProtocolError.ts"
import * as Wire from "./Wire.ts"

export {
  AuthenticationCleartextPassword,
  AuthenticationGSS,
  AuthenticationGSSContinue,
  AuthenticationKerberosV5,
  AuthenticationMD5Password,
  AuthenticationOk,
  AuthenticationSASL,
  AuthenticationSASLContinue,
  AuthenticationSASLFinal,
  AuthenticationSSPI,
  BackendKeyData,
  BindComplete,
  CloseComplete,
  CommandComplete,
  CopyBothResponse,
  CopyData,
  CopyDone,
  CopyInResponse,
  CopyOutResponse,
  DataRow,
  EmptyQueryResponse,
  ErrorResponse,
  FunctionCallResponse,
  NegotiateProtocolVersion,
  NoData,
  NoticeResponse,
  NotificationResponse,
  ParameterDescription,
  ParameterStatus,
  ParseComplete,
  PortalSuspended,
  ReadyForQuery,
  RowDescription
}

/**
 * Every declared backend message.
 *
 * @category constants
 * @since 0.1.0
 */
export const messages = [
  AuthenticationCleartextPassword,
  AuthenticationGSS,
  AuthenticationGSSContinue,
  AuthenticationKerberosV5,
  AuthenticationMD5Password,
  AuthenticationOk,
  AuthenticationSASL,
  AuthenticationSASLContinue,
  AuthenticationSASLFinal,
  AuthenticationSSPI,
  BackendKeyData,
  BindComplete,
  CloseComplete,
  CommandComplete,
  CopyBothResponse,
  CopyData,
  CopyDone,
  CopyInResponse,
  CopyOutResponse,
  DataRow,
  EmptyQueryResponse,
  ErrorResponse,
  FunctionCallResponse,
  NegotiateProtocolVersion,
  NoData,
  NoticeResponse,
  NotificationResponse,
  ParameterDescription,
  ParameterStatus,
  ParseComplete,
  PortalSuspended,
  ReadyForQuery,
  RowDescription
] as const

/**
 * The union of all backend messages.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Message = Schema.Union(messages)

/**
 * Any message of a server.
 *
 * @category models
 * @since 0.1.0
 */
export type Message = typeof Message.Type

/**
 * How messages are read.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The limit of the messages that may be long (DataRow, CopyData, ErrorResponse ...), in bytes; `Wire.longLimit` when absent. */
  readonly longLimit?: number | undefined
  readonly backEnd?: Wire.BackEnd | undefined
}

/**
 * The limit of each tag, for `Frame.makeParser`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const limits = (options?: Options): Frame.Limits => Family.limits(messages, Wire.longLimit, options?.longLimit)

/**
 * A function that reads a frame which `Frame` has cut out. It throws a `ProtocolError.Reason`.
 *
 * **Gotchas**
 *
 * Bytes in the message are views of the frame: they are good for as long as they are held, and hold its buffer.
 *
 * @category decoding
 * @since 0.1.0
 */
export const readerUnsafe = (options?: Options): Wire.ReadFrame<Message> => sharedReader(options?.backEnd)

const sharedReader = Family.perBackEnd((backEnd) => Family.reader(messages, backEnd) as Wire.ReadFrame<Message>)

/**
 * A function that writes a message's frame. It throws a `ProtocolError.Reason`, having written nothing.
 *
 * @category encoding
 * @since 0.1.0
 */
export const writerUnsafe = (options?: Options): Wire.WriteFrame<Message> => sharedWriter(options?.backEnd)

const sharedWriter = Family.perBackEnd((backEnd): Wire.WriteFrame<Message> => Family.writer(messages, backEnd))

/**
 * The codec between one whole frame and its message.
 *
 * **Example** (There and back)
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
export const codec: Schema.Codec<Message, Uint8Array> = Family.codec(Message, limits(), readerUnsafe(), writerUnsafe())

/**
 * The channel from chunks of bytes, cut anywhere, to messages.
 *
 * **Details**
 *
 * It emits the messages of each chunk as one array. Bytes that break the protocol fail it after the messages before
 * them were emitted; so does an end of the stream inside a frame.
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
export const decode = <IE = never, Done = unknown>(options?: Options): Channel.Channel<
  NonEmptyReadonlyArray<Message>,
  ProtocolError.ProtocolError | IE,
  Done,
  NonEmptyReadonlyArray<Uint8Array>,
  IE,
  Done
> => decodeChannel(() => ({ limits: limits(options), read: readerUnsafe(options), tagged: true }))

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
