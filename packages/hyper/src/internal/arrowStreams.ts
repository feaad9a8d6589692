/**
 * The subset of Arrow IPC messages (Arrow Columnar Format, "Encapsulated message format") that is needed to join
 * several streams into one.
 *
 * A message consists of a marker of four bytes, the size of its metadata, the metadata and the body. The metadata is a
 * flatbuffer that holds the type of the message and the length of its body. All numbers are little-endian. A size of 0
 * ends a stream.
 *
 * @internal
 */
import * as Utf8 from "@hyperfect/protocol/Utf8"
import * as Bytes from "effect/Bytes"
import { ArrowError } from "../ArrowError.ts"

const prefixSize = 8

/** The metadata of a hundred thousand columns is far smaller. */
const maxMetadataSize = 64 * 1024 * 1024

/** The fields of a Message, and the header types that are needed here (Message.fbs). */
const [headerType, header, bodyLength] = [1, 2, 3]
const [headerNone, headerSchema] = [0, 1]

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length)

/** A table of a flatbuffer; every function throws a `RangeError` if an offset is out of bounds. */
export interface FlatTable {
  readonly uint8: (field: number) => number
  readonly int16: (field: number, byDefault?: number) => number
  readonly int32: (field: number, byDefault?: number) => number
  readonly int64: (field: number) => bigint
  readonly string: (field: number) => string | undefined
  readonly table: (field: number) => FlatTable | undefined
  readonly tables: (field: number) => ReadonlyArray<FlatTable>
}

/** Reads the table at a position of a flatbuffer. */
const tableAt = (flatbuffer: DataView, table: number): FlatTable => {
  const vtable = table - flatbuffer.getInt32(table, true)
  const size = flatbuffer.getUint16(vtable, true)
  /** The position of a field; `undefined` if it has its default value. */
  const find = (field: number): number | undefined => {
    const entry = 4 + 2 * field
    const offset = entry + 2 > size ? 0 : flatbuffer.getUint16(vtable + entry, true)
    return offset === 0 ? undefined : table + offset
  }
  const read = <A, B>(field: number, value: (at: number) => A, byDefault: B): A | B => {
    const at = find(field)
    return at === undefined ? byDefault : value(at)
  }
  const follow = (at: number): number => at + flatbuffer.getUint32(at, true)
  return {
    uint8: (field) => read(field, (at) => flatbuffer.getUint8(at), 0),
    int16: (field, byDefault = 0) => read(field, (at) => flatbuffer.getInt16(at, true), byDefault),
    int32: (field, byDefault = 0) => read(field, (at) => flatbuffer.getInt32(at, true), byDefault),
    int64: (field) => read(field, (at) => flatbuffer.getBigInt64(at, true), BigInt(0)),
    string: (field) =>
      read(field, (at) => {
        const start = follow(at)
        const end = start + 4 + flatbuffer.getUint32(start, true)
        const text = end > flatbuffer.byteLength ? undefined : Utf8.decode(bytesOf(flatbuffer), start + 4, end)
        if (text === undefined) throw new RangeError("a string is out of bounds, or not UTF-8")
        return text
      }, undefined),
    table: (field) => read(field, (at) => tableAt(flatbuffer, follow(at)), undefined),
    tables: (field) =>
      read(field, (at) => {
        const start = follow(at)
        const tables: Array<FlatTable> = []
        // The count is not trusted: each element is read, and the bytes run out.
        for (let i = 0; i < flatbuffer.getUint32(start, true); i++) {
          tables.push(tableAt(flatbuffer, follow(start + 4 + 4 * i)))
        }
        return tables
      }, [])
  }
}

const bytesOf = ({ buffer, byteLength, byteOffset }: DataView): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength)

/** Reads the root table of a flatbuffer. */
const rootTable = (flatbuffer: DataView): FlatTable => tableAt(flatbuffer, flatbuffer.getUint32(0, true))

/**
 * Joins any number of consecutive streams of one schema, cut at any position, into one stream. It returns parts of the
 * chunks that it is given, and omits the end markers: Hyper treats the first one as the end of all data, without an
 * error (H-24).
 *
 * Both `push` and `end` throw an {@link ArrowError}.
 */
export const joinStreams = <A>(readSchema: (schema: FlatTable) => A) => {
  /** The part of a prefix and its metadata received so far, and the number of bytes it must have. */
  let head = new Uint8Array(prefixSize)
  let filled = 0
  let wanted = prefixSize
  /** The number of bytes of the body that are still to come. */
  let body = 0
  let first: Uint8Array | undefined
  let schema: A | undefined
  let isInStream = false
  let offset = 0
  let position = 0

  const fail = (problem: ArrowError["problem"]): never => {
    throw new ArrowError({ problem, offset })
  }

  const readMetadata = () => {
    try {
      const message = rootTable(viewOf(head.subarray(prefixSize)))
      const [type, length] = [message.uint8(headerType), Number(message.int64(bodyLength))]
      if (type === headerSchema) schema ??= readSchema(message.table(header)!)
      if (type !== headerNone && length >= 0 && length <= Number.MAX_SAFE_INTEGER) return { type, length }
    } catch (thrown) {
      // A missing table of the schema is a `TypeError`.
      if (!(thrown instanceof RangeError || thrown instanceof TypeError)) throw thrown
    }
    return fail("malformed")
  }

  /** Processes a complete prefix with metadata, and returns it if it must be sent. */
  const endHead = (): Uint8Array | undefined => {
    const { length, type } = readMetadata()
    const whole = head
    startHead()
    if (type !== headerSchema) {
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

  /** Processes a complete prefix. */
  const endPrefix = (): void => {
    const prefix = viewOf(head)
    if (prefix.getUint32(0, true) !== 0xffffffff) return fail(isInStream ? "malformed" : "not-a-stream")
    const size = prefix.getInt32(4, true)
    if (size < 0 || size > maxMetadataSize) return fail("malformed")
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
    /** Returns the schema, once it was received. */
    schema: () => schema,
    /** True if the data so far ends at the end of a message. */
    isComplete: () => filled === 0 && body === 0,
    /** Checks that the data ended at the end of a message. */
    end: (): void => {
      if (filled > 0 || body > 0) fail("truncated")
      if (first === undefined) fail("not-a-stream")
    }
  }
}
