/**
 * Copies and hexadecimal digits of bytes.
 *
 * @internal
 */
import type { ByteWriter } from "@hyperfect/protocol/ByteWriter"

/** Up to here a loop is cheaper than a call of `set`, and than making the view that a copy needs (measured on Node 24). */
const [setLimit, copyLimit] = [8, 32]

/** A `Uint8Array` with memory of its own, never a subclass such as `Buffer`. */
export const copy = (bytes: Uint8Array, start: number, end: number): Uint8Array => {
  const length = end - start
  if (length > copyLimit) return new Uint8Array(bytes.subarray(start, end))
  const value = new Uint8Array(length)
  for (let i = 0; i < length; i++) value[i] = bytes[start + i]!
  return value
}

/** Copies all of `source` to `at`, where there is room, and returns its length. */
export const copyInto = (source: Uint8Array, into: Uint8Array, at: number): number => {
  const length = source.length
  if (length > setLimit) into.set(source, at)
  else for (let i = 0; i < length; i++) into[at + i] = source[i]!
  return length
}

const digits = "0123456789abcdef"

/** The number that a hexadecimal digit stands for; negative for other characters. */
export const nibble = (code: number): number => {
  if (code >= 0x30 && code <= 0x39) return code - 0x30
  const lower = code | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1
}

/** The byte of the two hexadecimal digits at `at`, or a negative number. */
export const hexByte = (bytes: Uint8Array, at: number): number => {
  const high = nibble(bytes[at]!)
  const low = nibble(bytes[at + 1]!)
  return high < 0 || low < 0 ? -1 : high << 4 | low
}

/** The two digits of each byte. */
export const hex: ReadonlyArray<string> = Array.from(
  { length: 256 },
  (_, byte) => digits[byte >> 4]! + digits[byte & 15]!
)

export const writeHex = (out: ByteWriter, value: Uint8Array): void => {
  for (const byte of value) {
    out.uint8(digits.charCodeAt(byte >> 4))
    out.uint8(digits.charCodeAt(byte & 15))
  }
}

export const toHex = (value: Uint8Array): string => {
  let text = ""
  for (const byte of value) text += hex[byte]
  return text
}
