/**
 * `bit` and `bit varying`.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Codec from "../internal/codec/codec.ts"
import * as Numbers from "../internal/codec/numbers.ts"
import type { Format, Type } from "../Type.ts"

const pattern = /^[01]*$/
const wanted = "a string of 0 and 1"

const check = (typeName: string, format: Format, value: unknown): string => {
  if (typeof value !== "string") return Codec.typeMismatch(typeName, format, wanted, value)
  return pattern.test(value) ? value : Codec.outOfRange(typeName, format, wanted, "another string")
}

const make = (name: string, oid: number, arrayOid: number): Type<string> => ({
  name,
  oid,
  arrayOid,
  schema: Schema.String.check(Schema.isPattern(pattern)),
  text: Codec.text(
    name,
    wanted,
    (text) => pattern.test(text) ? text : undefined,
    (value: string) => check(name, 0, value)
  ),
  // The number of bits, then the bits, starting with the highest bit of the first byte; unused bits of the last byte
  // are 0 (varbit_send).
  binary: {
    read: (bytes, start, end) => {
      const count = end - start < 4 ? -1 : Numbers.int32(bytes, start)
      if (count < 0 || end - start !== 4 + Math.ceil(count / 8)) {
        return Codec.wrongLength(name, 1, "a number of bits and as many bits", end - start)
      }
      let text = ""
      for (let at = start + 4; at < end; at++) text += bytes[at]!.toString(2).padStart(8, "0")
      return text.slice(0, count)
    },
    write: (out, value) => {
      const bits = check(name, 1, value)
      out.int32(bits.length)
      for (let at = 0; at < bits.length; at += 8) out.uint8(parseInt(bits.slice(at, at + 8).padEnd(8, "0"), 2))
    }
  }
})

/**
 * `bit(n)`: a string of zeros and ones.
 *
 * @category types
 * @since 0.1.0
 */
export const bit: Type<string> = make("bit", 1560, 1561)

/**
 * `bit varying`: a string of zeros and ones.
 *
 * @category types
 * @since 0.1.0
 */
export const varbit: Type<string> = make("varbit", 1562, 1563)
