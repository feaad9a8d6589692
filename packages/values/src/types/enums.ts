/**
 * Enum types, made from their labels.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Codec from "../internal/codec.ts"
import * as ValueSchema from "../internal/valueSchema.ts"
import type { Codec as TypeCodec, Format, Type } from "../Type.ts"
import type { Identity } from "./ranges.ts"

const codec = <Label extends string>(
  name: string,
  format: Format,
  check: (label: string, format: Format) => void
): TypeCodec<Label> => ({
  read: (bytes, start, end) => Codec.utf8(bytes, start, end, name, format) as Label,
  write: (out, value: unknown) => {
    if (typeof value !== "string") return Codec.typeMismatch(name, format, "string", value)
    check(value, format)
    out.utf8(value)
  }
})

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
  const check = (label: string, format: Format): void => {
    if (!known.has(label)) Codec.outOfRange(name, format, `one of ${labels.length} labels`, "another string")
  }
  return {
    name,
    oid,
    arrayOid,
    schema: Schema.Literals(labels),
    text: codec(name, 0, check),
    binary: codec(name, 1, check),
    hyper: undefined
  }
}

/**
 * An enum type that may have got labels since: any text is written, and the server says whether it is one of them.
 *
 * @category types
 * @since 0.1.0
 */
export const openEnumeration = (labels: ReadonlyArray<string>, identity: Identity): Type<string> => {
  const { arrayOid, name, oid } = identity
  const check = (label: string, format: Format): void => {
    if (!label.isWellFormed() || label.includes("\0")) {
      Codec.notRepresentable(name, format, "a well-formed text without U+0000", "another")
    }
  }
  return {
    name,
    oid,
    arrayOid,
    schema: ValueSchema.refine("a label", {
      kind: "string",
      is: (u): u is string => typeof u === "string",
      arbitrary: labels.length === 0 ? Schema.String : Schema.Literals(labels),
      fromArbitrary: (label) => label
    }),
    text: codec(name, 0, check),
    binary: codec(name, 1, check),
    hyper: undefined
  }
}
