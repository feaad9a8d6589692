/**
 * `uuid`.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Bytes from "../internal/bytes.ts"
import * as Codec from "../internal/codec.ts"
import * as ValueSchema from "../internal/valueSchema.ts"
import type { Format, Type } from "../Type.ts"

const pattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i
const wanted = "8-4-4-4-12 hexadecimal digits"

const check = (value: unknown, format: Format): string => {
  if (typeof value !== "string") return Codec.typeMismatch("uuid", format, "string", value)
  return pattern.test(value) ? value : Codec.outOfRange("uuid", format, wanted, "another string")
}

/** Where in the text the 16 bytes stand. */
const positions = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34]

const byteOf = (value: string, index: number): number => {
  const at = positions[index]!
  return Bytes.nibble(value.charCodeAt(at)) << 4 | Bytes.nibble(value.charCodeAt(at + 1))
}

/** `step` 1 reads upwards from `at`, -1 downwards. */
const format = (bytes: Uint8Array, at: number, step: 1 | -1): string => {
  const { hex } = Bytes
  let text = ""
  for (let i = 0; i < 16; i++) {
    text += i === 4 || i === 6 || i === 8 || i === 10 ? "-" + hex[bytes[at + i * step]!]! : hex[bytes[at + i * step]!]!
  }
  return text
}

/**
 * `uuid`: its text in lower case. Upper case is taken when writing.
 *
 * @category types
 * @since 0.1.0
 */
export const uuid: Type<string> = {
  name: "uuid",
  oid: 2950,
  arrayOid: 2951,
  schema: ValueSchema.refine(wanted, {
    kind: "string",
    is: (u): u is string => typeof u === "string" && pattern.test(u) && u === u.toLowerCase(),
    arbitrary: Schema.BigInt.check(
      Schema.isBetweenBigInt({ minimum: BigInt(0), maximum: (BigInt(1) << BigInt(128)) - BigInt(1) })
    ),
    fromArbitrary: (integer) =>
      integer.toString(16).padStart(32, "0").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-")
  }),
  text: Codec.text(
    "uuid",
    wanted,
    (text) => pattern.test(text) ? text.toLowerCase() : undefined,
    (value: string) => check(value, 0)
  ),
  binary: {
    read: (bytes, start, end) =>
      end - start === 16 ? format(bytes, start, 1) : Codec.wrongLength("uuid", 1, "16 bytes", end - start),
    write: (out, value) => {
      check(value, 1)
      for (let i = 0; i < 16; i++) out.uint8(byteOf(value, i))
    }
  },
  // Hyper keeps a 128-bit integer, and sends it with the lowest byte first.
  hyper: Codec.fixed(16, {
    read: (bytes, start, end) =>
      end - start === 16 ? format(bytes, end - 1, -1) : Codec.wrongLength("uuid", 2, "16 bytes", end - start),
    write: (out, value) => {
      check(value, 2)
      for (let i = 15; i >= 0; i--) out.uint8(byteOf(value, i))
    }
  })
}
