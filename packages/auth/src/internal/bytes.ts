import * as Utf8 from "@hyperfect/protocol/Utf8"
import * as Mac from "effect/crypto/Mac"
import * as Base64 from "effect/encoding/Base64"
import * as Result from "effect/Result"

/** Encodes text as UTF-8. It must be well formed. */
export const encodeUtf8Unsafe = (text: string): Uint8Array => Utf8.encodeUnsafe(text)

export const decodeUtf8 = (bytes: Uint8Array): string | undefined => Utf8.decode(bytes, 0, bytes.length)

export const encodeBase64 = (bytes: Uint8Array): string => Base64.encode(bytes)

/** Groups of four characters, padding only at the end, and no stray bits before the padding. */
const canonicalBase64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$/

export const decodeBase64 = (text: string): Uint8Array | undefined => {
  if (!canonicalBase64.test(text)) return undefined
  const decoded = Base64.decode(text)
  return Result.isSuccess(decoded) ? decoded.success : undefined
}

/** Returns the XOR of two arrays of the same length. */
export const xor = (left: Uint8Array, right: Uint8Array): Uint8Array => left.map((byte, i) => byte ^ right[i]!)

/** Takes the same time for any two texts of the same length. */
export const constantTimeEquals = (left: string, right: string): boolean =>
  Mac.timingSafeEqual(encodeUtf8Unsafe(left), encodeUtf8Unsafe(right))
