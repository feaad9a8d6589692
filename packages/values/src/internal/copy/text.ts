/**
 * The text format of COPY (PostgreSQL, "COPY", section "Text Format").
 *
 * @internal
 */
import type { ByteWriter } from "@hyperfect/protocol/ByteWriter"
import * as Utf8 from "@hyperfect/protocol/Utf8"
import * as Bytes from "../codec/bytes.ts"
import * as Codec from "../codec/codec.ts"
import type { TextOptions } from "./format.ts"
import * as Lines from "./lines.ts"

const backslash = 0x5c
const period = 0x2e

/** Letters that denote control characters after a backslash. */
const controlEscapes: ReadonlyArray<readonly [letter: string, byte: number]> = [
  ["b", 0x08],
  ["f", 0x0c],
  ["n", Lines.newline],
  ["r", Lines.carriageReturn],
  ["t", 0x09],
  ["v", 0x0b]
]

const byteOfEscape = new Map(controlEscapes.map(([letter, byte]) => [letter.charCodeAt(0), byte]))

const isOctal = (byte: number | undefined): byte is number => byte !== undefined && byte >= 0x30 && byte <= 0x37

/** Returns the value of a hexadecimal digit before `end`, or a negative number. */
const hexDigit = (bytes: Uint8Array, at: number, end: number): number => at < end ? Bytes.nibble(bytes[at]!) : -1

/** Removes the escapes from `bytes[start, end)`. */
const unescape = (bytes: Uint8Array, start: number, end: number): Uint8Array => {
  const plain = new Uint8Array(end - start)
  let length = 0
  for (let at = start; at < end; at++) {
    const byte = bytes[at]!
    if (byte !== backslash || at + 1 === end) {
      plain[length++] = byte
      continue
    }
    const next = bytes[++at]!
    if (isOctal(next)) {
      let value = next - 0x30
      for (let i = 0; i < 2 && at + 1 < end && isOctal(bytes[at + 1]); i++) value = value * 8 + bytes[++at]! - 0x30
      plain[length++] = value
    } else if (next === 0x78 && hexDigit(bytes, at + 1, end) >= 0) {
      let value = hexDigit(bytes, ++at, end)
      if (hexDigit(bytes, at + 1, end) >= 0) value = value * 16 + hexDigit(bytes, ++at, end)
      plain[length++] = value
    } else plain[length++] = byteOfEscape.get(next) ?? next
  }
  return plain.subarray(0, length)
}

export const make = ({ delimiter = "\t", header = false, null: nothing = "\\N" }: TextOptions): Lines.LineFormat => {
  Lines.checkDelimiterAndNull(delimiter, nothing)
  Lines.checkOption(
    !/[\\.a-z0-9]/.test(delimiter),
    "a delimiter other than a lower-case letter, a digit, a point or a backslash"
  )
  const separator = delimiter.charCodeAt(0)
  const nullBytes = Utf8.encodeUnsafe(nothing)
  const escapes = new Uint8Array(256)
  escapes[backslash] = backslash
  escapes[separator] = separator
  // A delimiter that is one of these control characters is escaped with its letter.
  for (const [letter, byte] of controlEscapes) escapes[byte] = letter.charCodeAt(0)

  const write = (out: ByteWriter, bytes: Uint8Array): void => {
    for (const byte of bytes) {
      const escaped = escapes[byte]!
      if (escaped !== 0) out.uint8(backslash)
      out.uint8(escaped === 0 ? byte : escaped)
    }
  }

  return {
    options: { format: "text", delimiter, null: nothing, header },
    escapeValue: (out, length) => {
      const end = out.position
      const start = end - length
      let at = start
      while (at < end && escapes[out.bytes[at]!] === 0) at++
      if (at < end) {
        const plain = out.bytes.slice(at, end)
        out.rewind(at)
        write(out, plain)
      }
      if (!Lines.equals(out.bytes, start, out.position, nullBytes)) return
      // Servers compare the text with NULL's before removing escapes, so an equal value must be escaped.
      if (length === 0) Codec.notRepresentable("COPY", 0, "a text other than that of NULL", "an empty one")
      const plain = unescape(nullBytes, 0, nullBytes.length)
      out.rewind(start)
      out.utf8(`\\x${Bytes.hex[plain[0]!]}`)
      write(out, plain.subarray(1))
    },
    makeScanner: () => {
      let escaped = false
      return {
        nextLineEnd: (bytes, start, end) => {
          for (let at = start; at < end; at++) {
            if (escaped) escaped = false
            else if (bytes[at] === backslash) escaped = true
            else if (bytes[at] === Lines.newline) return at
          }
          return end
        },
        mayEnd: () => !escaped
      }
    },
    splitValues: (bytes, start, end, onValue) => {
      let from = start
      let hasEscapes = false
      const value = (to: number): void => {
        if (Lines.equals(bytes, from, to, nullBytes)) return onValue(undefined, 0, 0)
        if (!hasEscapes) return onValue(bytes, from, to)
        const plain = unescape(bytes, from, to)
        onValue(plain, 0, plain.length)
      }
      const stop = end > start && bytes[end - 1] === Lines.carriageReturn ? end - 1 : end
      for (let at = start; at < stop; at++) {
        if (bytes[at] === backslash) {
          hasEscapes = true
          at++
        } else if (bytes[at] === separator) {
          value(at)
          from = at + 1
          hasEscapes = false
        }
      }
      value(stop)
    },
    isEndOfData: (bytes, start, end) => {
      const length = end - start - (bytes[end - 1] === Lines.carriageReturn ? 1 : 0)
      return length === 2 && bytes[start] === backslash && bytes[start + 1] === period
    }
  }
}
