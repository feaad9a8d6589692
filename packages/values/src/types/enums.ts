/**
 * Enum types, derived from their labels.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Codec from "../internal/codec/codec.ts"
import * as ValueSchema from "../internal/schema/value.ts"
import type { Codec as TypeCodec, Format, Type } from "../Type.ts"
import type { TypeIdentity } from "./ranges.ts"

type Check = (label: string, format: Format) => void

const codec = <Label extends string>(name: string, format: Format, check: Check): TypeCodec<Label> => ({
  read: (bytes, start, end) => Codec.utf8(bytes, start, end, name, format) as Label,
  write: (out, value: unknown) => {
    if (typeof value !== "string") return Codec.typeMismatch(name, format, "string", value)
    check(value, format)
    out.utf8(value)
  }
})

const make = <Label extends string>(
  { arrayOid, name, oid }: TypeIdentity,
  schema: Schema.Schema<Label>,
  check: Check
): Type<Label> => ({
  name,
  oid,
  arrayOid,
  schema,
  text: codec(name, 0, check),
  binary: codec(name, 1, check)
})

/**
 * Derives an enum type, whose values are its labels as strings.
 *
 * **Details**
 *
 * Writing accepts only these labels. Reading accepts any label, because the server may have added some since.
 *
 * @category types
 * @since 0.1.0
 */
export const enumeration = <const Label extends string>(
  labels: ReadonlyArray<Label>,
  identity: TypeIdentity
): Type<Label> => {
  const known = new Set<string>(labels)
  const check = (label: string, format: Format): void => {
    if (!known.has(label)) Codec.outOfRange(identity.name, format, `one of ${labels.length} labels`, "another string")
  }
  return make(identity, Schema.Literals(labels), check)
}

/**
 * Derives an enum type that may have gained labels since: any text is written, and the server checks it.
 *
 * @category types
 * @since 0.1.0
 */
export const openEnumeration = (labels: ReadonlyArray<string>, identity: TypeIdentity): Type<string> => {
  const check = (label: string, format: Format): void => {
    if (!label.isWellFormed() || label.includes("\0")) {
      Codec.notRepresentable(identity.name, format, "a well-formed text without U+0000", "another")
    }
  }
  const schema = ValueSchema.refine("a label", {
    kind: "string",
    is: (u): u is string => typeof u === "string",
    arbitrary: labels.length === 0 ? Schema.String : Schema.Literals(labels),
    fromArbitrary: (label) => label
  })
  return make(identity, schema, check)
}
