/**
 * Strict conversion between strings and UTF-8 in byte arrays.
 *
 * Text on the wire is valid UTF-8 or an error: invalid input is not replaced by U+FFFD, and unpaired surrogates are
 * never sent. If the runtime has Node's `Buffer`, its native slices are used, otherwise `TextDecoder` and
 * `TextEncoder`; both produce the same strings.
 *
 * @since 0.1.0
 */
import { reason } from "./ProtocolError.ts"

interface TextCodecs {
  readonly TextDecoder: new(label: string, options: { readonly fatal: boolean; readonly ignoreBOM: boolean }) => {
    readonly decode: (bytes: Uint8Array) => string
  }
  readonly TextEncoder: new() => {
    readonly encodeInto: (text: string, into: Uint8Array) => { readonly read: number; readonly written: number }
  }
  readonly Buffer?: {
    readonly prototype: {
      readonly utf8Slice?: (this: Uint8Array, start: number, end: number) => string
      readonly utf8Write?: (this: Uint8Array, text: string, offset: number, length: number) => number
    }
  }
}

const platform = globalThis as unknown as TextCodecs
const decoder = new platform.TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
const encoder = new platform.TextEncoder()
const utf8Slice = platform.Buffer?.prototype.utf8Slice
const utf8Write = platform.Buffer?.prototype.utf8Write

/** Up to this length, writing in a loop over the code units is cheaper than a native call (M-04). */
const loopLimit = 12

/**
 * Up to this length ASCII text is created by one or two calls of `String.fromCharCode`. Longer text is cheaper
 * natively; building a string one character at a time produces several times as much garbage (M-05).
 */
const shortTextLimit = 16

/** Decodes `bytes[at, end)`, at most 8 bytes, as ASCII; `undefined` if they are not ASCII. */
const decodeShortAscii = (bytes: Uint8Array, at: number, end: number): string | undefined => {
  const { fromCharCode } = String
  const length = end - at
  if (length === 0) return ""
  const a = bytes[at]!
  if (length === 1) return a < 0x80 ? fromCharCode(a) : undefined
  const b = bytes[at + 1]!
  if (length === 2) return (a | b) < 0x80 ? fromCharCode(a, b) : undefined
  const c = bytes[at + 2]!
  if (length === 3) return (a | b | c) < 0x80 ? fromCharCode(a, b, c) : undefined
  const d = bytes[at + 3]!
  if (length === 4) return (a | b | c | d) < 0x80 ? fromCharCode(a, b, c, d) : undefined
  const e = bytes[at + 4]!
  if (length === 5) return (a | b | c | d | e) < 0x80 ? fromCharCode(a, b, c, d, e) : undefined
  const f = bytes[at + 5]!
  if (length === 6) return (a | b | c | d | e | f) < 0x80 ? fromCharCode(a, b, c, d, e, f) : undefined
  const g = bytes[at + 6]!
  if (length === 7) return (a | b | c | d | e | f | g) < 0x80 ? fromCharCode(a, b, c, d, e, f, g) : undefined
  const h = bytes[at + 7]!
  return (a | b | c | d | e | f | g | h) < 0x80 ? fromCharCode(a, b, c, d, e, f, g, h) : undefined
}

const nativeSlice = (bytes: Uint8Array, start: number, end: number): string => {
  try {
    return utf8Slice!.call(bytes, start, end)
  } catch {
    throw reason("LengthExceeded", "text", "", 0, "a text that fits into a string", `${end - start} bytes`)
  }
}

/**
 * Decodes `bytes[start, end)`, or returns `undefined` if it is not valid UTF-8.
 *
 * **Details**
 *
 * A byte order mark is kept as U+FEFF. The result shares no memory with `bytes`. Text longer than the maximum length of
 * a string, 2^29 - 24 units in V8, throws a `ProtocolError.Reason`.
 *
 * @category decoding
 * @since 0.1.0
 */
export const decode = (bytes: Uint8Array, start: number, end: number): string | undefined => {
  if (end - start <= shortTextLimit) {
    const middle = Math.min(end, start + 8)
    const first = decodeShortAscii(bytes, start, middle)
    const second = first === undefined || middle === end ? "" : decodeShortAscii(bytes, middle, end)
    if (first !== undefined && second !== undefined) return first + second
  }
  if (utf8Slice !== undefined) {
    const text = nativeSlice(bytes, start, end)
    // The native slice replaces invalid bytes; only text that contains U+FFFD needs strict decoding.
    if (!text.includes("\ufffd")) return text
  }
  try {
    return decoder.decode(bytes.subarray(start, end))
  } catch {
    return undefined
  }
}

/** Recently decoded texts, by a hash of their length and some of their bytes. */
const cache: Array<string> = Array.from({ length: 256 }, () => "")

/** Longer texts are rarely names. */
const cacheableLength = 32

/**
 * Like {@link decode}, for recurring texts such as column names and command tags: recently decoded ASCII text is
 * returned from a cache.
 *
 * **Gotchas**
 *
 * Up to 256 short texts are kept for the lifetime of the program. Do not use it for secrets.
 *
 * @category decoding
 * @since 0.1.0
 */
export const decodeCached = (bytes: Uint8Array, start: number, end: number): string | undefined => {
  const length = end - start
  if (length === 0) return ""
  if (length > cacheableLength) return decode(bytes, start, end)
  const slot = (length * 31 + bytes[start]! * 7 + bytes[end - 1]! * 13 + bytes[start + (length >> 1)]!) & 0xff
  const candidate = cache[slot]!
  if (candidate.length === length) {
    let i = 0
    // ASCII text has one code unit per byte, with the same value.
    while (i < length && candidate.charCodeAt(i) === bytes[start + i]) i++
    if (i === length) return candidate
  }
  const text = decode(bytes, start, end)
  if (text !== undefined && text.length === length) cache[slot] = text
  return text
}

/**
 * Returns the number of bytes of `text` in UTF-8.
 *
 * @category encoding
 * @since 0.1.0
 */
export const byteLength = (text: string): number => {
  let length = text.length
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit > 0x7f) {
      length += unit > 0x7ff ? 2 : 1
      // A pair is two units and four bytes: the two bytes added for its first half complete it.
      if (unit >= 0xd800 && unit <= 0xdbff) i++
    }
  }
  return length
}

/** Writes the leading ASCII characters of `text` that are not below `lowest`, and returns their number. */
const writeAscii = (text: string, into: Uint8Array, offset: number, lowest: 0 | 1): number => {
  let i = 0
  for (; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit > 0x7f || unit < lowest) break
    into[offset + i] = unit
  }
  return i
}

/** Writes all of `text` natively and returns the number of bytes. */
const writeNative = (text: string, into: Uint8Array, offset: number): number =>
  utf8Write !== undefined
    ? utf8Write.call(into, text, offset, into.length - offset)
    : encoder.encodeInto(text, into.subarray(offset)).written

/**
 * Writes `text` at `offset` and returns the number of bytes written, or -1 if it contains an unpaired surrogate.
 *
 * **Gotchas**
 *
 * The caller must have made room for three bytes per UTF-16 unit. If it returns -1, some bytes may have been written.
 *
 * @category encoding
 * @since 0.1.0
 */
export const write = (text: string, into: Uint8Array, offset: number): number => {
  const { length } = text
  if (length <= loopLimit && writeAscii(text, into, offset, 0) === length) return length
  const written = writeNative(text, into, offset)
  // As many bytes as units: the text is ASCII, so the surrogate check can be skipped.
  return written === length || text.isWellFormed() ? written : -1
}

/**
 * Like {@link write}, but also returns -1 if `text` contains U+0000: for zero-terminated text, and for PostgreSQL text
 * values, which cannot contain it.
 *
 * @category encoding
 * @since 0.1.0
 */
export const writeNoNul = (text: string, into: Uint8Array, offset: number): number => {
  const { length } = text
  if (length <= loopLimit && writeAscii(text, into, offset, 1) === length) return length
  const written = writeNative(text, into, offset)
  return (written === length || text.isWellFormed()) && !text.includes("\0") ? written : -1
}

/**
 * Like {@link write}, for text that the caller knows to be well formed (`text.isWellFormed()`).
 *
 * @category encoding
 * @since 0.1.0
 */
export const writeUnsafe = (text: string, into: Uint8Array, offset: number): number => {
  const { length } = text
  return length <= loopLimit && writeAscii(text, into, offset, 0) === length ? length : writeNative(text, into, offset)
}

/**
 * Encodes a text that the caller knows to be well formed.
 *
 * @internal
 */
export const encodeUnsafe = (text: string): Uint8Array => {
  const bytes = new Uint8Array(byteLength(text))
  writeUnsafe(text, bytes, 0)
  return bytes
}
