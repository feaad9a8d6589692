import * as Utf8 from "@hyperfect/protocol/Utf8"
import * as Mac from "effect/crypto/Mac"
import * as Base64 from "effect/encoding/Base64"
import * as Result from "effect/Result"

/** The text in UTF-8. It must be well formed. */
export const utf8Unsafe = (text: string): Uint8Array => {
  const bytes = new Uint8Array(text.length * 3)
  return bytes.slice(0, Utf8.writeUnsafe(text, bytes, 0))
}

export const utf8Text = (bytes: Uint8Array): string | undefined => Utf8.decode(bytes, 0, bytes.length)

export const base64 = (bytes: Uint8Array): string => Base64.encode(bytes)

/** Whole groups of four, padding only at the end, and no bits that the padding cuts off. */
const canonical = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$/

export const base64Bytes = (text: string): Uint8Array | undefined => {
  if (!canonical.test(text)) return undefined
  const decoded = Base64.decode(text)
  return Result.isSuccess(decoded) ? decoded.success : undefined
}

/** Of arrays of the same length. */
export const xor = (left: Uint8Array, right: Uint8Array): Uint8Array => left.map((byte, i) => byte ^ right[i]!)

/** Takes as long for any two texts of the same length. */
export const isSameText = (left: string, right: string): boolean =>
  Mac.timingSafeEqual(utf8Unsafe(left), utf8Unsafe(right))
