/**
 * Enum types, made from their labels.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Codec from "../internal/codec.ts"
import type { Codec as TypeCodec, Format, Type } from "../Type.ts"
import type { Identity } from "./ranges.ts"

/**
 * An enum type: one of its labels as a string.
 *
 * **Details**
 *
 * Only the labels are written. Any label is read: the server may have got a new one since.
 *
 * @category types
 * @since 0.1.0
 */
export const enumeration = <const Label extends string>(
  labels: ReadonlyArray<Label>,
  identity: Identity
): Type<Label> => {
  const { arrayOid, name, oid } = identity
  const known = new Set<string>(labels)
  const codec = (format: Format): TypeCodec<Label> => ({
    read: (bytes, start, end) => Codec.utf8(bytes, start, end, name, format) as Label,
    write: (out, value: unknown) => {
      if (typeof value !== "string") return Codec.typeMismatch(name, format, "string", value)
      if (!known.has(value)) Codec.outOfRange(name, format, `one of ${labels.length} labels`, "another string")
      out.utf8(value)
    }
  })
  return { name, oid, arrayOid, schema: Schema.Literals(labels), text: codec(0), binary: codec(1), hyper: undefined }
}
