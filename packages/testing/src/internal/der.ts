/**
 * The few DER values that a certificate is made of (X.690).
 *
 * @since 0.1.0
 */
import * as Utf8 from "@hyperfect/protocol/Utf8"
import * as Bytes from "effect/Bytes"

const base256 = (value: number): Array<number> => (value === 0 ? [] : [...base256(value >>> 8), value & 0xff])

/** @internal */
export const value = (tag: number, ...contents: ReadonlyArray<Uint8Array>): Uint8Array => {
  const content = Bytes.concat(contents)
  const size = base256(content.length)
  const length = content.length < 0x80 ? [content.length] : [0x80 | size.length, ...size]
  return Bytes.concat([Uint8Array.of(tag, ...length), content])
}

/** @internal */
export const sequence = (...items: ReadonlyArray<Uint8Array>): Uint8Array => value(0x30, ...items)

/** @internal */
export const set = (...items: ReadonlyArray<Uint8Array>): Uint8Array => value(0x31, ...items)

/** An unsigned integer, by its big-endian bytes. @internal */
export const integer = (bytes: Uint8Array): Uint8Array => {
  let start = 0
  while (start < bytes.length - 1 && bytes[start] === 0) start++
  const digits = bytes.subarray(start)
  return value(0x02, digits[0]! > 0x7f ? Uint8Array.of(0) : new Uint8Array(0), digits)
}

/** @internal */
export const boolean = (set: boolean): Uint8Array => value(0x01, Uint8Array.of(set ? 0xff : 0))

/** @internal */
export const octets = (content: Uint8Array): Uint8Array => value(0x04, content)

/** A bit string whose last byte has `unused` bits that do not count. @internal */
export const bits = (content: Uint8Array, unused = 0): Uint8Array => value(0x03, Uint8Array.of(unused), content)

/** @internal */
export const empty: Uint8Array = value(0x05)

/** @internal */
export const objectId = (dotted: string): Uint8Array => {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number)
  const base128 = (arc: number): Array<number> =>
    arc < 0x80 ? [arc] : [...base128(arc >>> 7).map((digit) => digit | 0x80), arc & 0x7f]
  return value(0x06, Uint8Array.from([first * 40 + second, ...rest.flatMap(base128)]))
}

/** @internal */
export const text = (tag: number, text: string): Uint8Array => {
  const bytes = new Uint8Array(text.length * 3)
  return value(tag, bytes.subarray(0, Utf8.writeUnsafe(text, bytes, 0)))
}

/** UTCTime up to 2049, GeneralizedTime after it (RFC 5280, section 4.1.2.5). @internal */
export const time = (at: Date): Uint8Array => {
  const digits = at.toISOString().replaceAll(/[-:T]|\.\d+/g, "")
  return at.getUTCFullYear() < 2050 ? text(0x17, digits.slice(2)) : text(0x18, digits)
}
