/**
 * The values of JSON that are not made of others, read from bytes.
 *
 * @internal
 */
import * as Utf8 from "@hyperfect/protocol/Utf8"

/** Stands for a value that is not what was looked for. An exception would cost more than the reading. */
export const miss: unique symbol = Symbol("miss")

/** Where the value that was read last ends. A part of what `read` returns, which would have to be an object otherwise. */
let at = 0

export const end = (): number => at

const [quote, backslash, plus, minus, point, zero, nine] = [0x22, 0x5c, 0x2b, 0x2d, 0x2e, 0x30, 0x39]

/** The powers of ten that a double holds exactly, as far as they are needed. */
const powers: ReadonlyArray<number> = Array.from({ length: 16 }, (_, exponent) => 10 ** exponent)

/** So many digits of an integer are below 2^53 whatever they are. */
const exactDigits = 15

const isDigit = (byte: number | undefined): boolean => byte !== undefined && byte >= zero && byte <= nine

/** Where the digits from `start` on end. */
const afterDigits = (bytes: Uint8Array, start: number, limit: number): number => {
  let stop = start
  while (stop < limit && isDigit(bytes[stop])) stop++
  return stop
}

/**
 * A number (RFC 8259, section 6). Its digits are one integer, which a power of ten divides with one rounding: the nearest
 * double, as long as both are exact.
 */
const number = (bytes: Uint8Array, start: number, limit: number): number | typeof miss => {
  const first = bytes[start] === minus ? start + 1 : start
  let digits = 0
  let stop = first
  for (; stop < limit && isDigit(bytes[stop]); stop++) digits = digits * 10 + bytes[stop]! - zero
  if (stop === first || (bytes[first] === zero && stop > first + 1)) return miss
  let fraction = 0
  if (bytes[stop] === point) {
    const from = ++stop
    for (; stop < limit && isDigit(bytes[stop]); stop++) digits = digits * 10 + bytes[stop]! - zero
    fraction = stop - from
    if (fraction === 0) return miss
  }
  const hasExponent = (bytes[stop]! | 0x20) === 0x65
  if (hasExponent) {
    const sign = bytes[stop + 1]
    const from = sign === minus || sign === plus ? stop + 2 : stop + 1
    stop = afterDigits(bytes, from, limit)
    if (stop <= from) return miss
  }
  at = stop
  if (hasExponent || stop - first > exactDigits) return Number(Utf8.decode(bytes, start, stop))
  const value = fraction === 0 ? digits : digits / powers[fraction]!
  return first === start ? value : -value
}

/** 1 for the bytes that a string is not simply made of: a quote, a backslash, and what has to be escaped. */
const special = Uint8Array.from(
  { length: 256 },
  (_, byte) => byte < 0x20 || byte === quote || byte === backslash ? 1 : 0
)

/** A string without escapes: one with them costs more here than all of its document does natively (measured on Node 24). */
const string = (bytes: Uint8Array, start: number, limit: number): string | typeof miss => {
  let stop = start + 1
  while (stop < limit && special[bytes[stop]!] === 0) stop++
  if (stop >= limit || bytes[stop] !== quote) return miss
  at = stop + 1
  return Utf8.decode(bytes, start + 1, stop) ?? miss
}

/** Whether a text of ASCII is there. */
export const isAt = (bytes: Uint8Array, start: number, text: string): boolean => {
  for (let i = 0; i < text.length; i++) if (bytes[start + i] !== text.charCodeAt(i)) return false
  return true
}

const isWord = (bytes: Uint8Array, start: number, word: string): boolean => {
  at = start + word.length
  return isAt(bytes, start, word)
}

/**
 * The scalar at `start`, or an empty object or array; `miss` where there is none before `limit`. {@link end} says where it
 * ends, which may be beyond `limit` when what is there does not belong to the text.
 */
export const read = (bytes: Uint8Array, start: number, limit: number): unknown => {
  switch (bytes[start]) {
    case quote:
      return string(bytes, start, limit)
    case 0x6e:
      return isWord(bytes, start, "null") ? null : miss
    case 0x74:
      return isWord(bytes, start, "true") ? true : miss
    case 0x66:
      return isWord(bytes, start, "false") ? false : miss
    case 0x7b:
      return isWord(bytes, start, "{}") ? {} : miss
    case 0x5b:
      return isWord(bytes, start, "[]") ? [] : miss
    default:
      return number(bytes, start, limit)
  }
}
