/**
 * `boolean`.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Codec from "../internal/codec.ts"
import type { Format, Type } from "../Type.ts"

const check = (value: unknown, format: Format): boolean =>
  typeof value === "boolean" ? value : Codec.typeMismatch("bool", format, "boolean", value)

const binary = (format: Format) => ({
  read: (bytes: Uint8Array, start: number, end: number): boolean =>
    // Any byte but 0 is true: hyperd stores and sends back what COPY brought (measured).
    end - start === 1 ? bytes[start] !== 0 : Codec.wrongLength("bool", format, "1 byte", end - start),
  write: (out: Codec.ByteWriter, value: boolean): void => out.uint8(check(value, format) ? 1 : 0)
})

/**
 * `boolean`.
 *
 * @category types
 * @since 0.1.0
 */
export const bool: Type<boolean> = {
  name: "bool",
  oid: 16,
  arrayOid: 1000,
  schema: Schema.Boolean,
  text: {
    read: (bytes, start, end) => {
      const byte = end - start === 1 ? bytes[start] : 0
      return byte === 0x74 ? true : byte === 0x66 ? false : Codec.malformed("bool", 0, "t or f", "another text")
    },
    write: (out, value) => out.uint8(check(value, 0) ? 0x74 : 0x66)
  },
  binary: binary(1),
  hyper: Codec.fixed(1, binary(2))
}
