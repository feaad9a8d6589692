/**
 * The messages of Arrow IPC streams (Arrow Columnar Format, "Encapsulated message format"): as much of them as is needed to
 * make one stream of several.
 *
 * A message is a marker of four bytes, the size of its metadata, the metadata, which is a flatbuffer that says what the message
 * is and how long its body is, and the body. All numbers are little-endian. A size of 0 ends a stream.
 *
 * @internal
 */
import * as Bytes from "effect/Bytes"
import { ArrowError } from "../ArrowError.ts"

const prefixSize = 8

/** Metadata of a hundred thousand columns are far from it. */
const maxMetadata = 64 * 1024 * 1024

/** The fields of a Message, and the types of its header that matter here (Message.fbs). */
const [headerType, bodyLength] = [1, 3]
const [none, schema] = [0, 1]

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length)

/** Reads the root table of a flatbuffer. What is out of bounds makes it throw a `RangeError`. */
const root = (flatbuffer: DataView) => {
  const table = flatbuffer.getUint32(0, true)
  const vtable = table - flatbuffer.getInt32(table, true)
  const size = flatbuffer.getUint16(vtable, true)
  /** Where a field is; `undefined` when it has its default value. */
  const find = (field: number): number | undefined => {
    const entry = 4 + 2 * field
    const offset = entry + 2 > size ? 0 : flatbuffer.getUint16(vtable + entry, true)
    return offset === 0 ? undefined : table + offset
  }
  return {
    uint8: (field: number): number => {
      const at = find(field)
      return at === undefined ? 0 : flatbuffer.getUint8(at)
    },
    int64: (field: number): bigint => {
      const at = find(field)
      return at === undefined ? BigInt(0) : flatbuffer.getBigInt64(at, true)
    }
  }
}

/**
 * Makes one stream of any number of streams of one schema that follow each other, cut anywhere. What it gives are parts of
 * the chunks that it takes, and no end of a stream: Hyper takes one for the end of all data, without an error (measured).
 *
 * Both functions throw an {@link ArrowError}.
 */
export const joinStreams = () => {
  /** What has come of a prefix and metadata, and how many bytes that has to be. */
  let head = new Uint8Array(prefixSize)
  let filled = 0
  let wanted = prefixSize
  /** How much of a body is still to come. */
  let body = 0
  let first: Uint8Array | undefined
  let isInStream = false
  let offset = 0
  let position = 0

  const fail = (problem: ArrowError["problem"]): never => {
    throw new ArrowError({ problem, offset })
  }

  const readMetadata = () => {
    try {
      const message = root(viewOf(head.subarray(prefixSize)))
      const [type, length] = [message.uint8(headerType), Number(message.int64(bodyLength))]
      if (type !== none && length >= 0 && length <= Number.MAX_SAFE_INTEGER) return { type, length }
    } catch (thrown) {
      if (!(thrown instanceof RangeError)) throw thrown
    }
    return fail("malformed")
  }

  /** Takes a whole head, and gives it back if it is to be sent. */
  const endHead = (): Uint8Array | undefined => {
    const { length, type } = readMetadata()
    const whole = head
    startHead()
    if (type !== schema) {
      if (!isInStream) return fail("not-a-stream")
      body = length
      return whole
    }
    if (length > 0) return fail("malformed")
    isInStream = true
    if (first === undefined) return first = whole
    return Bytes.Equivalence(whole, first) ? undefined : fail("schema-differs")
  }

  const startHead = (): void => {
    head = new Uint8Array(prefixSize)
    filled = 0
    wanted = prefixSize
  }

  /** Takes a whole prefix. */
  const endPrefix = (): void => {
    const prefix = viewOf(head)
    if (prefix.getUint32(0, true) !== 0xffffffff) return fail(isInStream ? "malformed" : "not-a-stream")
    const size = prefix.getInt32(4, true)
    if (size < 0 || size > maxMetadata) return fail("malformed")
    if (size === 0) {
      if (!isInStream) return fail("not-a-stream")
      isInStream = false
      startHead()
      return
    }
    const whole = new Uint8Array(prefixSize + size)
    whole.set(head)
    head = whole
    wanted = whole.length
  }

  return {
    push: (chunk: Uint8Array): ReadonlyArray<Uint8Array> => {
      const sent: Array<Uint8Array> = []
      let at = 0
      while (at < chunk.length) {
        if (body > 0) {
          const part = chunk.subarray(at, at + body)
          sent.push(part)
          body -= part.length
          at += part.length
          continue
        }
        if (filled === 0) offset = position + at
        const part = chunk.subarray(at, at + wanted - filled)
        head.set(part, filled)
        filled += part.length
        at += part.length
        if (filled < wanted) break
        if (wanted === prefixSize) endPrefix()
        else {
          const whole = endHead()
          if (whole !== undefined) sent.push(whole)
        }
      }
      position += chunk.length
      return sent
    },
    /** The data have come to their end. */
    end: (): void => {
      if (filled > 0 || body > 0) fail("truncated")
      if (first === undefined) fail("not-a-stream")
    }
  }
}
