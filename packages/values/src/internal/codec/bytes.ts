/**
 * Copying and hexadecimal encoding of bytes.
 *
 * @internal
 */
import type { ByteWriter } from "@hyperfect/protocol/ByteWriter"

/**
 * Up to these lengths a loop is cheaper than calling `set`, and than creating the view that a copy needs (M-02,
 * M-07).
 */
const [setLimit, copyLimit] = [8, 32]

/**
 * V8 allocates larger arrays outside its heap, which costs several times the copy (M-17): of these sizes, copies share a
 * slab, as Node's small buffers do. A value that is retained retains a slab, which is therefore small.
 */
const [slabMin, slabMax, slabSize] = [65, 1024, 8192]

let slab = new ArrayBuffer(0)
let slabUsed = 0

/** Returns an uninitialised part of a slab. A slab that a caller has transferred has no bytes left. */
const carve = (length: number): Uint8Array => {
  if (length > slab.byteLength - slabUsed) {
    slab = new ArrayBuffer(slabSize)
    slabUsed = 0
  }
  const value = new Uint8Array(slab, slabUsed, length)
  // Aligned, so that any typed array can be created over a value.
  slabUsed = slabUsed + length + 7 & ~7
  return value
}

/** Copies bytes into a new `Uint8Array`, never a subclass such as `Buffer`. */
export const copy = (bytes: Uint8Array, start: number, end: number): Uint8Array => {
  const length = end - start
  if (length > copyLimit) {
    const source = new Uint8Array(bytes.buffer, bytes.byteOffset + start, length)
    if (length < slabMin || length > slabMax) return new Uint8Array(source)
    const value = carve(length)
    value.set(source)
    return value
  }
  const value = new Uint8Array(length)
  for (let i = 0; i < length; i++) value[i] = bytes[start + i]!
  return value
}

/** Copies all of `source` to `at`, where the caller has made room, and returns its length. */
export const copyInto = (source: Uint8Array, into: Uint8Array, at: number): number => {
  const length = source.length
  if (length > setLimit) into.set(source, at)
  else for (let i = 0; i < length; i++) into[at + i] = source[i]!
  return length
}

const digits = "0123456789abcdef"

/** Returns the value of a hexadecimal digit; a negative number for other characters. */
export const nibble = (code: number): number => {
  if (code >= 0x30 && code <= 0x39) return code - 0x30
  const lower = code | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1
}

/** Returns the byte that the two hexadecimal digits at `at` denote, or a negative number. */
export const hexByte = (bytes: Uint8Array, at: number): number => {
  const high = nibble(bytes[at]!)
  const low = nibble(bytes[at + 1]!)
  return high < 0 || low < 0 ? -1 : high << 4 | low
}

/** The two hexadecimal digits of each byte. */
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
