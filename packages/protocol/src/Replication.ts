/**
 * The messages of streaming replication, which travel inside CopyData.
 *
 * After CopyBothResponse each CopyData carries one of these, in either direction. They have a tag of their own, and no
 * length: they end where their CopyData ends. {@link codec} is between the `data` of a CopyData and its message. What a
 * decoding plugin puts into XLogData is not looked at here.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as ByteWriter from "./ByteWriter.ts"
import * as ProtocolError from "./ProtocolError.ts"
import { HotStandbyFeedback } from "./replication/HotStandbyFeedback.ts"
import { PrimaryKeepalive } from "./replication/PrimaryKeepalive.ts"
import { StandbyStatusUpdate } from "./replication/StandbyStatusUpdate.ts"
import { XLogData } from "./replication/XLogData.ts"
import * as Wire from "./Wire.ts"

export { HotStandbyFeedback, PrimaryKeepalive, StandbyStatusUpdate, XLogData }

/**
 * Every declared message of replication.
 *
 * @category constants
 * @since 0.1.0
 */
export const messages = [HotStandbyFeedback, PrimaryKeepalive, StandbyStatusUpdate, XLogData] as const

/**
 * The union of all messages that travel inside CopyData.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Message = Schema.Union(messages)

/**
 * Any message that travels inside CopyData.
 *
 * @category models
 * @since 0.1.0
 */
export type Message = typeof Message.Type

/**
 * A function that reads the message in `bytes[start, end)`, the data of a CopyData. It throws a `ProtocolError.Reason`.
 *
 * @category decoding
 * @since 0.1.0
 */
export const readerUnsafe = (backEnd: Wire.BackEnd = Wire.defaultBackEnd): Wire.ReadFrame<Message> => {
  const readers = new Map(
    messages.map((message): [number, Wire.ReadFrame<Message>] => [
      message.definition.tag!.charCodeAt(0),
      Wire.readerUnsafe<Wire.AnyMessage>(message, backEnd)
    ])
  )
  return (bytes, start, end) => {
    if (start === end) throw ProtocolError.reason("Truncated", "CopyData", "tag", 0, "1 byte", "0 bytes")
    const read = readers.get(bytes[start]!)
    if (read === undefined) {
      const tag = JSON.stringify(String.fromCharCode(bytes[start]!))
      throw ProtocolError.reason("TagUnknown", "CopyData", "tag", 0, "the tag of a message of replication", tag)
    }
    return read(bytes, start, end)
  }
}

/**
 * A function that writes a message as the data of a CopyData. It throws a `ProtocolError.Reason`, having written nothing.
 *
 * @category encoding
 * @since 0.1.0
 */
export const writerUnsafe = (backEnd: Wire.BackEnd = Wire.defaultBackEnd): Wire.WriteFrame<Message> => {
  const writers = new Map(
    messages.map((message): [string, Wire.WriteFrame<Message>] => [
      message.definition.name,
      Wire.writerUnsafe<Wire.AnyMessage>(message, backEnd)
    ])
  )
  return (out, message) => {
    const write = writers.get(message._tag)
    if (write === undefined) {
      throw ProtocolError.reason(
        "ValueInvalid",
        "CopyData",
        "_tag",
        0,
        "the name of a message of replication",
        "another"
      )
    }
    write(out, message)
  }
}

/**
 * The codec between the data of a CopyData and the message in it.
 *
 * **Example** (Telling the server how far we are)
 *
 * ```ts
 * import { Frontend, Replication } from "@hyperfect/protocol"
 * import { Schema } from "effect"
 * import { strict as assert } from "node:assert"
 *
 * const position = BigInt("0x16B3748")
 * const update = Replication.StandbyStatusUpdate.make({
 *   walWritten: position,
 *   walFlushed: position,
 *   walApplied: position,
 *   clientTime: BigInt(0),
 *   replyRequested: 0
 * })
 * const message = Frontend.CopyData.make({ data: Schema.encodeSync(Replication.codec)(update) })
 * assert.equal(message.data.length, 34)
 * assert.deepEqual(Schema.decodeSync(Replication.codec)(message.data), update)
 * ```
 *
 * @category schemas
 * @since 0.1.0
 */
export const codec: Schema.Codec<Message, Uint8Array> = Wire.codecFrom(Message, readerUnsafe(), writerUnsafe())

/**
 * The data of the CopyData that carries the message. It throws a `ProtocolError.Reason`.
 *
 * @category encoding
 * @since 0.1.0
 */
export const encodeUnsafe = (message: Message): Uint8Array => ByteWriter.bytesOf(write, message)

const write = writerUnsafe()
