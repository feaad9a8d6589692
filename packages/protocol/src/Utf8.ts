/**
 * Strict UTF-8 between strings and parts of byte arrays.
 *
 * Text on the wire is UTF-8 or it is an error: nothing is replaced by U+FFFD on the way in, and no unpaired surrogate
 * leaves. Where the runtime has Node's `Buffer` its native slices are used, elsewhere `TextDecoder` and `TextEncoder`;
 * both give the same strings.
 *
 * @since 0.1.0
 */

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

/** Up to this length a loop over the units is cheaper than a call out of JavaScript when writing (measured on Node 24). */
const loopLimit = 12

/**
 * Up to this length a text of ASCII is made by one or two calls of `String.fromCharCode`. Longer ones are cheaper natively,
 * and a string that grows by one character at a time costs several times as much in garbage (measured on Node 24).
 */
const shortLimit = 16

/** `bytes[at, end)`, of which there are at most 8, as ASCII; `undefined` where they are not. */
const short = (bytes: Uint8Array, at: number, end: number): string | undefined => {
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

/**
 * Decodes `bytes[start, end)`, or returns `undefined` when it is not valid UTF-8.
 *
 * **Details**
 *
 * A byte order mark is kept as U+FEFF. The result shares no memory with `bytes`.
 *
 * @category decoding
 * @since 0.1.0
 */
export const decode = (bytes: Uint8Array, start: number, end: number): string | undefined => {
  if (end - start <= shortLimit) {
    const middle = Math.min(end, start + 8)
    const first = short(bytes, start, middle)
    const second = first === undefined || middle === end ? "" : short(bytes, middle, end)
    if (first !== undefined && second !== undefined) return first + second
  }
  if (utf8Slice !== undefined) {
    const text = utf8Slice.call(bytes, start, end)
    // The native slice replaces what is invalid; only a text that holds U+FFFD needs the strict look.
    if (!text.includes("\ufffd")) return text
  }
  try {
    return decoder.decode(bytes.subarray(start, end))
  } catch {
    return undefined
  }
}

/** Texts seen lately, by a hash of their length and some of their bytes. */
const seen: Array<string> = Array.from({ length: 256 }, () => "")

/** Longer texts are seldom names. */
const seenLimit = 32

/**
 * As {@link decode}, for texts that come again and again, such as names of columns and command tags: a text of ASCII
 * that was seen lately is found instead of made.
 *
 * **Gotchas**
 *
 * Up to 256 short texts are kept for as long as the program runs. Not for what may be a secret.
 *
 * @category decoding
 * @since 0.1.0
 */
export const decodeRepeated = (bytes: Uint8Array, start: number, end: number): string | undefined => {
  const length = end - start
  if (length === 0) return ""
  if (length > seenLimit) return decode(bytes, start, end)
  const slot = (length * 31 + bytes[start]! * 7 + bytes[end - 1]! * 13 + bytes[start + (length >> 1)]!) & 0xff
  const candidate = seen[slot]!
  if (candidate.length === length) {
    let i = 0
    // An ASCII text has as many units as bytes, and the same numbers in them.
    while (i < length && candidate.charCodeAt(i) === bytes[start + i]) i++
    if (i === length) return candidate
  }
  const text = decode(bytes, start, end)
  if (text !== undefined && text.length === length) seen[slot] = text
  return text
}

/**
 * The number of bytes of `text` in UTF-8.
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
      // A pair is two units and four bytes: the two that were added for its first half are all.
      if (unit >= 0xd800 && unit <= 0xdbff) i++
    }
  }
  return length
}

/** Writes what `text` begins with as long as it is ASCII, and not below `lowest`; returns how many units that were. */
const writeAscii = (text: string, into: Uint8Array, offset: number, lowest: 0 | 1): number => {
  let i = 0
  for (; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit > 0x7f || unit < lowest) break
    into[offset + i] = unit
  }
  return i
}

/** Writes all of `text` and returns the number of bytes. The rest behind ASCII is not worth a loop of its own. */
const writeNative = (text: string, into: Uint8Array, offset: number): number =>
  utf8Write !== undefined
    ? utf8Write.call(into, text, offset, into.length - offset)
    : encoder.encodeInto(text, into.subarray(offset)).written

/**
 * Writes `text` at `offset` and returns the number of bytes written, or -1 when an unpaired surrogate is in it.
 *
 * **Gotchas**
 *
 * The caller has made room for three bytes per UTF-16 unit. When it returns -1 something may have been written.
 *
 * @category encoding
 * @since 0.1.0
 */
export const write = (text: string, into: Uint8Array, offset: number): number => {
  const { length } = text
  if (length <= loopLimit && writeAscii(text, into, offset, 0) === length) return length
  const written = writeNative(text, into, offset)
  // As many bytes as units are ASCII: the look at the text is saved.
  return written === length || text.isWellFormed() ? written : -1
}

/**
 * As {@link write}, and returns -1 also when U+0000 is in `text`: for what ends with a zero byte, and for PostgreSQL's
 * texts, which cannot hold it.
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
 * As {@link write}, for a text that the caller knows to be well formed (`text.isWellFormed()`).
 *
 * @category encoding
 * @since 0.1.0
 */
export const writeUnsafe = (text: string, into: Uint8Array, offset: number): number => {
  const { length } = text
  return length <= loopLimit && writeAscii(text, into, offset, 0) === length ? length : writeNative(text, into, offset)
}
