/**
 * The messages of streaming replication, which are carried by CopyData.
 *
 * After CopyBothResponse each CopyData carries one of these, in either direction. They have a tag but no length: they
 * end with their CopyData. {@link codec} converts between the `data` of a CopyData and its message. The output of a
 * decoding plugin in XLogData is not interpreted.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as ByteWriter from "./ByteWriter.ts"
import * as MessageUnion from "./internal/messageUnion.ts"
import * as ProtocolError from "./ProtocolError.ts"
import { HotStandbyFeedback } from "./replication/HotStandbyFeedback.ts"
import { PrimaryKeepalive } from "./replication/PrimaryKeepalive.ts"
import { StandbyStatusUpdate } from "./replication/StandbyStatusUpdate.ts"
import { XLogData } from "./replication/XLogData.ts"
import * as Wire from "./Wire.ts"

export { HotStandbyFeedback, PrimaryKeepalive, StandbyStatusUpdate, XLogData }

/**
 * Every declared replication message.
 *
 * @category constants
 * @since 0.1.0
 */
export const messages = [HotStandbyFeedback, PrimaryKeepalive, StandbyStatusUpdate, XLogData] as const

/**
 * The union of all messages carried by CopyData.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Message = Schema.Union(messages)

/**
 * Any message carried by CopyData.
 *
 * @category models
 * @since 0.1.0
 */
export type Message = typeof Message.Type

/**
 * Returns a function that reads the message in `bytes[start, end)`, the data of a CopyData. It throws a
 * `ProtocolError.Reason`.
 *
 * @category decoding
 * @since 0.1.0
 */
export const readerUnsafe = (codegen: Wire.Codegen = Wire.defaultCodegen): Wire.ReadFrame<Message> => {
  const readers = new Map<number, Wire.ReadFrame<Message>>(
    messages.map((message) => [
      message.definition.tag!.charCodeAt(0),
      Wire.readerUnsafe<Wire.AnyMessage>(message, codegen)
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
 * Returns a function that writes a message as the data of a CopyData. If it throws a `ProtocolError.Reason`, nothing
 * has been written.
 *
 * @category encoding
 * @since 0.1.0
 */
export const writerUnsafe = (codegen: Wire.Codegen = Wire.defaultCodegen): Wire.WriteFrame<Message> =>
  MessageUnion.writer(messages, codegen)

/**
 * The codec between the data of a CopyData and the message in it.
 *
 * **Example** (Reporting progress to the server)
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
export const codec: Schema.Codec<Message, Uint8Array> = Schema.suspend(() =>
  Wire.codecFrom(Message, readerUnsafe(), writerUnsafe())
)

/**
 * Returns the data of the CopyData that carries the message. Throws a `ProtocolError.Reason`.
 *
 * @category encoding
 * @since 0.1.0
 */
export const encodeUnsafe = (message: Message): Uint8Array => ByteWriter.bytesOf(write, message)

const write = writerUnsafe()
