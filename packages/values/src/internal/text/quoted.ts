/**
 * The parts of the text of ranges and composites, separated by commas and brackets, and quoted if necessary. A
 * backslash or a doubled quote escapes a character (range_in, record_in).
 *
 * @internal
 */
import type { ByteWriter } from "@hyperfect/protocol/ByteWriter"

const quote = 0x22
const backslash = 0x5c
const comma = 0x2c

/** Quotes, backslashes, commas, brackets, parentheses and whitespace. */
const special = new Set(Array.from("\"\\,()[] \t\n\v\f\r", (character) => character.charCodeAt(0)))

export interface QuotedPart {
  /** The unescaped bytes; `undefined` if the part is empty and not quoted. */
  readonly bytes: Uint8Array | undefined
  /** The position of the comma or bracket after the part. */
  readonly next: number
}

/**
 * Reads the part that starts at `at` and ends before a comma or one of two closing characters; `undefined` if it does
 * not end before `end`.
 */
export const read = (
  bytes: Uint8Array,
  at: number,
  end: number,
  close: number,
  otherClose: number = close
): QuotedPart | undefined => {
  const plain = new Uint8Array(end - at)
  let length = 0
  let quoted = false
  let wasQuoted = false
  for (; at < end; at++) {
    const byte = bytes[at]!
    if (byte === backslash) {
      if (++at >= end) return undefined
      plain[length++] = bytes[at]!
    } else if (byte === quote) {
      if (quoted && bytes[at + 1] === quote && at + 1 < end) {
        plain[length++] = quote
        at++
      } else {
        quoted = !quoted
        wasQuoted = true
      }
    } else if (!quoted && (byte === comma || byte === close || byte === otherClose)) {
      return { bytes: length === 0 && !wasQuoted ? undefined : plain.subarray(0, length), next: at }
    } else plain[length++] = byte
  }
  return undefined
}

/** Writes a part, quoted if necessary. */
export const write = (out: ByteWriter, bytes: Uint8Array): void => {
  if (bytes.length > 0 && !bytes.some((byte) => special.has(byte))) return out.copy(bytes)
  out.uint8(quote)
  for (const byte of bytes) {
    if (byte === quote || byte === backslash) out.uint8(byte)
    out.uint8(byte)
  }
  out.uint8(quote)
}
