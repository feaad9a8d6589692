/**
 * Reader of binary COPY data in chunks: it parses the header, and keeps the incomplete row at the end of a chunk for
 * the next one.
 *
 * @internal
 */
import type { ByteWriter } from "@hyperfect/protocol/ByteWriter"
import * as ValueError from "../../ValueError.ts"
import * as Numbers from "../codec/numbers.ts"
import type { Reader } from "./format.ts"
import { PendingBytes } from "./pendingBytes.ts"

/** Returned by `endOfRow` for an incomplete row: the minimum number of bytes that it needs, as a negative number. */
export const incomplete = (needed: number): number => -needed

/** Returned by `endOfRow` for the marker after the last row. */
export const trailer = 0

export const malformed = (wanted: string, found: string): ValueError.Reason =>
  ValueError.reason("Malformed", "COPY", undefined, wanted, found)

const truncated = (wanted: string, found: string): ValueError.Reason =>
  ValueError.reason("RowTruncated", "COPY", undefined, wanted, found)

export interface BinaryLayout<Row> {
  /** The 11 bytes at the start of the data. */
  readonly signature: ReadonlyArray<number>
  readonly hasTrailer: boolean
  /** Returns the end of the row that starts at `start`, or {@link incomplete}, or {@link trailer}. */
  readonly endOfRow: (bytes: Uint8Array, start: number, end: number) => number
  readonly read: (bytes: Uint8Array, start: number, end: number) => Row
}

/** The size of the signature, the flags and the extension length. */
const headerSize = 19

/** Writes a signature, no flags, and no extension. */
export const writeHeader = (out: ByteWriter, signature: ReadonlyArray<number>): void => {
  for (const byte of signature) out.uint8(byte)
  out.int32(0)
  out.int32(0)
}

/** Adds the row index to a reason. */
export const atRow = (thrown: unknown, row: number): unknown =>
  ValueError.isReason(thrown) ? { ...thrown, row } : thrown

export const reader = <Row>({ endOfRow, hasTrailer, read, signature }: BinaryLayout<Row>): Reader<Row> => {
  const rest = new PendingBytes()
  /** The number of bytes needed to make progress. */
  let needed = headerSize
  let inHeader = true
  /** The number of bytes of the extension that are still to be skipped. */
  let toSkip = 0
  let isOver = false
  let index = 0

  const readHeader = (bytes: Uint8Array, start: number): void => {
    for (let i = 0; i < signature.length; i++) {
      if (bytes[start + i] !== signature[i]) throw malformed("the signature of the format", "other bytes")
    }
    const flags = Numbers.int32(bytes, start + 11)
    if ((flags & 0x10000) !== 0) throw malformed("rows without OIDs", "a flag that says that there are some")
    // A reader may ignore the lower 16 bits.
    if (flags >>> 16 !== 0) throw malformed("no unknown flags", `0x${(flags >>> 0).toString(16)}`)
    toSkip = Numbers.int32(bytes, start + 15)
    if (toSkip < 0) throw malformed("an extension of 0 bytes or more", `${toSkip}`)
  }

  /** Parses as far as possible, and returns the position where it stopped. */
  const advance = (bytes: Uint8Array, start: number, end: number, rows: Array<Row>): number => {
    let at = start
    if (inHeader) {
      if (end - at < headerSize) return at
      readHeader(bytes, at)
      inHeader = false
      at += headerSize
    }
    if (toSkip > 0) {
      const skipped = Math.min(toSkip, end - at)
      toSkip -= skipped
      at += skipped
    }
    needed = 1
    while (at < end) {
      if (isOver) throw malformed("nothing behind the last row", `${end - at} bytes`)
      const next = endOfRow(bytes, at, end)
      if (next > at) {
        rows.push(read(bytes, at, next))
        index++
        at = next
      } else if (next === trailer && hasTrailer) {
        isOver = true
        at += 2
      } else {
        needed = -next
        return at
      }
    }
    return at
  }

  return {
    push: (bytes, start, end, rows) => {
      try {
        if (rest.size > 0) {
          rest.append(bytes, start, end)
          if (rest.size >= needed) rest.discard(advance(rest.bytes, 0, rest.size, rows))
          return
        }
        const at = advance(bytes, start, end, rows)
        if (at < end) rest.append(bytes, at, end)
      } catch (thrown) {
        throw atRow(thrown, index)
      }
    },
    end: () => {
      if (inHeader) throw truncated("a header of 19 bytes", `${rest.size} bytes`)
      if (toSkip > 0) throw truncated("the whole extension of the header", `${toSkip} bytes less`)
      if (rest.size > 0) throw atRow(truncated("a whole row", `${rest.size} bytes of one`), index)
      if (hasTrailer && !isOver) throw atRow(truncated("the mark behind the last row", "nothing"), index)
    }
  }
}
