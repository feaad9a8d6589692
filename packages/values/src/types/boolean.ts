/**
 * `boolean`.
 *
 * @since 0.1.0
 */
import { code } from "@hyperfect/protocol/internal/codegen"
import * as Schema from "effect/Schema"
import * as Codec from "../internal/codec/codec.ts"
import * as Inline from "../internal/codec/inline.ts"
import type { Format, Type } from "../Type.ts"

const check = (value: unknown, format: Format): boolean =>
  typeof value === "boolean" ? value : Codec.typeMismatch("bool", format, "boolean", value)

const binary = (format: Format) => ({
  read: (bytes: Uint8Array, start: number, end: number): boolean =>
    // Any byte except 0 is true: hyperd stores the bytes received by COPY and returns them unchanged (H-31).
    end - start === 1 ? bytes[start] !== 0 : Codec.wrongLength("bool", format, "1 byte", end - start),
  write: (out: Codec.ByteWriter, value: boolean): void => out.uint8(check(value, format) ? 1 : 0)
})

const storage = Inline.stored("Bool", Uint8Array, (value: boolean) => value ? 1 : 0)

const declare = Inline.fixed(1, storage, () => ({
  read: code`b[p] !== 0`,
  store: Inline.storeValue(code`b[p] !== 0 ? 1 : 0`),
  write: Inline.writeFixed(true, code`typeof v !== "boolean"`, code`b[p] = v ? 1 : 0`)
}))

/**
 * `boolean`.
 *
 * @category types
 * @since 0.1.0
 */
export const bool: Type<boolean> = declare({
  name: "bool",
  oid: 16,
  arrayOid: 1000,
  category: "boolean",
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
})
