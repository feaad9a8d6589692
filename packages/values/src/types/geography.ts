/**
 * Hyper's `geography`.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Bytes from "../internal/codec/bytes.ts"
import * as Codec from "../internal/codec/codec.ts"
import type { Type } from "../Type.ts"

/**
 * Hyper's `geography`: in text format a string of well-known text, in HyperBinary opaque bytes in the format that
 * Tableau's products exchange.
 *
 * **Gotchas**
 *
 * Hyper does not validate the bytes sent by COPY: invalid bytes are stored, and every later read as text fails. There
 * is no PostgreSQL binary format. To send well-known text as a parameter, send a string and cast it in SQL.
 *
 * @category types
 * @since 0.1.0
 */
export const geography: Type<string | Uint8Array> = {
  name: "geography",
  oid: 5003,
  arrayOid: 5004,
  schema: Schema.Union([Schema.String, Schema.Uint8Array]),
  text: {
    read: (bytes, start, end) => Codec.utf8(bytes, start, end, "geography", 0),
    write: (out, value) => {
      if (typeof value !== "string") return Codec.typeMismatch("geography", 0, "a string of well-known text", value)
      if (!value.isWellFormed()) Codec.notRepresentable("geography", 0, "well-formed UTF-16", "an unpaired surrogate")
      out.utf8(value)
    }
  },
  hyper: Codec.variable({
    read: Bytes.copy,
    write: (out, value) => {
      if (!(value instanceof Uint8Array)) return Codec.typeMismatch("geography", 2, "Uint8Array", value)
      out.copy(value)
    }
  })
}
