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
  let quoted = false
  let next = at
  for (; next < end; next++) {
    const byte = bytes[next]!
    if (byte === backslash) next++
    else if (byte === quote) quoted = !quoted
    else if (!quoted && (byte === comma || byte === close || byte === otherClose)) break
  }
  if (next >= end) return undefined
  return { bytes: next === at ? undefined : unescape(bytes, at, next), next }
}

/** Drops quotes and backslashes that are not themselves escaped. Takes no longer than the part is. */
const unescape = (bytes: Uint8Array, start: number, end: number): Uint8Array => {
  const plain = new Uint8Array(end - start)
  let length = 0
  let quoted = false
  for (let at = start; at < end; at++) {
    if (bytes[at] === backslash) at++
    else if (bytes[at] === quote) {
      const isDoubled = quoted && bytes[at + 1] === quote && at + 1 < end
      if (!isDoubled) {
        quoted = !quoted
        continue
      }
      at++
    }
    plain[length++] = bytes[at]!
  }
  return plain.subarray(0, length)
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
