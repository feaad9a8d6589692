/**
 * Rows out of binary COPY data that comes in pieces: the header, and what is left of one piece until the next one comes.
 *
 * @internal
 */
import type { ByteWriter } from "@hyperfect/protocol/ByteWriter"
import * as ValueError from "../ValueError.ts"
import type { Reader } from "./copyModel.ts"
import { Rest } from "./copyRest.ts"
import * as Words from "./words.ts"

/** What `endOfRow` says when a row is not there as a whole: at least so many bytes are needed, as a negative number. */
export const incomplete = (needed: number): number => -needed

/** What it says of the mark behind the last row. */
export const trailer = 0

export const malformed = (wanted: string, found: string): ValueError.Reason =>
  ValueError.reason("Malformed", "COPY", undefined, wanted, found)

const truncated = (wanted: string, found: string): ValueError.Reason =>
  ValueError.reason("RowTruncated", "COPY", undefined, wanted, found)

export interface Rows<Row> {
  /** The 11 bytes that the data begins with. */
  readonly signature: ReadonlyArray<number>
  readonly hasTrailer: boolean
  /** Where the row ends that begins at `start`, or {@link incomplete}, or {@link trailer}. */
  readonly endOfRow: (bytes: Uint8Array, start: number, end: number) => number
  readonly read: (bytes: Uint8Array, start: number, end: number) => Row
}

/** The signature, the flags and the length of the extension. */
const headerSize = 19

/** Writes a signature, no flags, and no extension. */
export const writeHeader = (out: ByteWriter, signature: ReadonlyArray<number>): void => {
  for (const byte of signature) out.uint8(byte)
  out.int32(0)
  out.int32(0)
}

/** Puts what a row's reader throws into its row. */
export const atRow = (thrown: unknown, row: number): unknown =>
  ValueError.isReason(thrown) ? { ...thrown, row } : thrown

export const reader = <Row>({ endOfRow, hasTrailer, read, signature }: Rows<Row>): Reader<Row> => {
  const rest = new Rest()
  /** How many bytes it takes to get on. */
  let needed = headerSize
  let inHeader = true
  /** How much of the extension is still to be skipped. */
  let toSkip = 0
  let isOver = false
  let index = 0

  const readHeader = (bytes: Uint8Array, start: number): void => {
    for (let i = 0; i < signature.length; i++) {
      if (bytes[start + i] !== signature[i]) throw malformed("the signature of the format", "other bytes")
    }
    const flags = Words.int32(bytes, start + 11)
    if ((flags & 0x10000) !== 0) throw malformed("rows without OIDs", "a flag that says that there are some")
    // The lower 16 bits are for what a reader may ignore.
    if (flags >>> 16 !== 0) throw malformed("no unknown flags", `0x${(flags >>> 0).toString(16)}`)
    toSkip = Words.int32(bytes, start + 15)
    if (toSkip < 0) throw malformed("an extension of 0 bytes or more", `${toSkip}`)
  }

  /** Goes as far as it can, and says where it stopped. */
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
          rest.keep(bytes, start, end)
          if (rest.size >= needed) rest.drop(advance(rest.bytes, 0, rest.size, rows))
          return
        }
        const at = advance(bytes, start, end, rows)
        if (at < end) rest.keep(bytes, at, end)
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
