/**
 * The DER values that occur in a certificate (X.690).
 *
 * @since 0.1.0
 */
import * as Utf8 from "@hyperfect/protocol/Utf8"
import * as Bytes from "effect/Bytes"

const base256 = (value: number): Array<number> => (value === 0 ? [] : [...base256(value >>> 8), value & 0xff])

/** @internal */
export const tlv = (tag: number, ...contents: ReadonlyArray<Uint8Array>): Uint8Array => {
  const content = Bytes.concat(contents)
  const size = base256(content.length)
  const length = content.length < 0x80 ? [content.length] : [0x80 | size.length, ...size]
  return Bytes.concat([Uint8Array.of(tag, ...length), content])
}

/** @internal */
export const sequence = (...items: ReadonlyArray<Uint8Array>): Uint8Array => tlv(0x30, ...items)

/** @internal */
export const set = (...items: ReadonlyArray<Uint8Array>): Uint8Array => tlv(0x31, ...items)

/** Encodes an unsigned integer from its big-endian bytes. @internal */
export const integer = (bytes: Uint8Array): Uint8Array => {
  let start = 0
  while (start < bytes.length - 1 && bytes[start] === 0) start++
  const digits = bytes.subarray(start)
  return tlv(0x02, digits[0]! > 0x7f ? Uint8Array.of(0) : new Uint8Array(0), digits)
}

/** @internal */
export const boolean = (set: boolean): Uint8Array => tlv(0x01, Uint8Array.of(set ? 0xff : 0))

/** @internal */
export const octetString = (content: Uint8Array): Uint8Array => tlv(0x04, content)

/** Encodes a bit string whose last byte has `unused` padding bits. @internal */
export const bitString = (content: Uint8Array, unused = 0): Uint8Array => tlv(0x03, Uint8Array.of(unused), content)

/** @internal */
export const nullValue: Uint8Array = tlv(0x05)

/** @internal */
export const objectIdentifier = (dotted: string): Uint8Array => {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number)
  const base128 = (arc: number): Array<number> =>
    arc < 0x80 ? [arc] : [...base128(arc >>> 7).map((digit) => digit | 0x80), arc & 0x7f]
  return tlv(0x06, Uint8Array.from([first * 40 + second, ...rest.flatMap(base128)]))
}

/** @internal */
export const text = (tag: number, text: string): Uint8Array => tlv(tag, Utf8.encodeUnsafe(text))

/** Encodes a time: UTCTime up to 2049, GeneralizedTime after it (RFC 5280, section 4.1.2.5). @internal */
export const time = (at: Date): Uint8Array => {
  const digits = at.toISOString().replaceAll(/[-:T]|\.\d+/g, "")
  return at.getUTCFullYear() < 2050 ? text(0x17, digits.slice(2)) : text(0x18, digits)
}
