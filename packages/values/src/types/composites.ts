/**
 * Composite types, derived from their fields, and `record`, whose values describe their own fields.
 *
 * @since 0.1.0
 */
import * as ByteWriter from "@hyperfect/protocol/ByteWriter"
import * as Schema from "effect/Schema"
import * as Bytes from "../internal/codec/bytes.ts"
import * as Codec from "../internal/codec/codec.ts"
import * as Numbers from "../internal/codec/numbers.ts"
import { define, property } from "../internal/codec/properties.ts"
import * as QuotedText from "../internal/text/quoted.ts"
import type { Any, Format, Type } from "../Type.ts"
import * as UnknownValue from "../UnknownValue.ts"
import type { TypeIdentity } from "./ranges.ts"

/**
 * A field of a composite type.
 *
 * @category models
 * @since 0.1.0
 */
export interface Field {
  readonly name: string
  readonly type: Any
  readonly typeModifier?: number | undefined
}

/** Splits the text of a row, `(1,"a b",,"")`, into its fields; NULL is `undefined`. */
const splitText = (
  name: string,
  bytes: Uint8Array,
  start: number,
  end: number
): ReadonlyArray<Uint8Array | undefined> => {
  const fail = (): never => Codec.malformed(name, 0, "fields in parentheses", "another text")
  if (end - start < 2 || bytes[start] !== 0x28 || bytes[end - 1] !== 0x29) return fail()
  const parts: Array<Uint8Array | undefined> = []
  for (let at = start; at < end - 1;) {
    const part = QuotedText.read(bytes, at + 1, end, 0x29)
    if (part === undefined) return fail()
    parts.push(part.bytes)
    at = part.next
    const isLast = at === end - 1
    if (bytes[at] !== (isLast ? 0x29 : 0x2c)) return fail()
  }
  return parts
}

/** Reads the fields of a row: a count, then the OID, length and bytes of each field (record_send). */
const eachField = (
  name: string,
  bytes: Uint8Array,
  start: number,
  end: number,
  onCount: (count: number) => void,
  onField: (index: number, oid: number, start: number, end: number) => void
): void => {
  const fail = (): never => Codec.malformed(name, 1, "as many fields as it says", `${end - start} other bytes`)
  const count = end - start < 4 ? -1 : Numbers.int32(bytes, start)
  if (count < 0 || count > (end - start - 4) / 8) return fail()
  onCount(count)
  let at = start + 4
  for (let i = 0; i < count; i++) {
    if (end - at < 8) return fail()
    const oid = Numbers.int32(bytes, at) >>> 0
    const length = Numbers.int32(bytes, at + 4)
    at += 8
    if (length < -1 || length > end - at) return fail()
    onField(i, oid, at, length === -1 ? -1 : at + length)
    at += Math.max(length, 0)
  }
  if (at !== end) fail()
}

/**
 * Derives a composite type, such as the row type of a table: an object keyed by field name, with `null` for NULL.
 *
 * @category types
 * @since 0.1.0
 */
export const composite = (
  fields: ReadonlyArray<Field>,
  identity: TypeIdentity
): Type<{ readonly [name: string]: unknown }> => {
  const { arrayOid, name, oid } = identity
  const schema = Schema.Struct(
    Object.fromEntries(fields.map((field) => [field.name, Schema.NullOr(field.type.schema)]))
  )
  const check = (value: unknown, format: Format): object =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? value
      : Codec.typeMismatch(name, format, "object", value)
  const hasBinary = fields.every(({ type }) => type.binary !== undefined)
  return {
    name,
    oid,
    arrayOid,
    prefersText: fields.some(({ type }) => type.prefersText === true),
    mapParts: (change) => composite(fields.map((field) => ({ ...field, type: change(field.type) })), identity),
    schema: schema as unknown as Schema.Schema<{ readonly [name: string]: unknown }>,
    text: {
      read: (bytes, start, end) => {
        const parts = splitText(name, bytes, start, end)
        if (parts.length !== fields.length && !(fields.length === 0 && end - start === 2)) {
          return Codec.malformed(name, 0, `${fields.length} fields`, `${parts.length}`)
        }
        const row = {}
        for (const [i, { name, type, typeModifier = -1 }] of fields.entries()) {
          const part = parts[i]
          define(row, name, part === undefined ? null : type.text.read(part, 0, part.length, typeModifier))
        }
        return row
      },
      write: (out, value) => {
        const row = check(value, 0)
        const scratch = ByteWriter.make(64)
        out.uint8(0x28)
        for (const [i, { name, type, typeModifier = -1 }] of fields.entries()) {
          if (i > 0) out.uint8(0x2c)
          const field = property(row, name)
          if (field === null) continue
          type.text.write(scratch, field, typeModifier)
          QuotedText.write(out, scratch.take())
        }
        out.uint8(0x29)
      }
    },
    binary: !hasBinary ? undefined : {
      read: (bytes, start, end) => {
        const row = {}
        eachField(name, bytes, start, end, (count) => {
          if (count !== fields.length) Codec.malformed(name, 1, `${fields.length} fields`, `${count}`)
        }, (i, oid, from, to) => {
          const { name: key, type, typeModifier = -1 } = fields[i]!
          if (oid !== type.oid) Codec.malformed(name, 1, `a field of OID ${type.oid}`, `${oid}`)
          define(row, key, to < 0 ? null : type.binary!.read(bytes, from, to, typeModifier))
        })
        return row
      },
      write: (out, value) => {
        const row = check(value, 1)
        out.int32(fields.length)
        for (const { name, type, typeModifier = -1 } of fields) {
          const field = property(row, name)
          out.int32(type.oid)
          if (field === null) out.int32(-1)
          else Codec.writeSized(out, type.binary!.write, field, typeModifier)
        }
      }
    }
  }
}

/**
 * Derives `record`, a row without a named type: an array of its fields.
 *
 * **Details**
 *
 * In binary format each field carries its type's OID, which `find` resolves; a field of an unknown type is an
 * `UnknownValue`. The text format does not describe the fields, so they are strings, and a row without fields is read
 * as one with a single NULL, because both look the same. Servers do not accept anonymous rows, so writing is not
 * supported.
 *
 * @category types
 * @since 0.1.0
 */
export const record = (find: (oid: number) => Any | undefined): Type<ReadonlyArray<unknown>> => ({
  name: "record",
  oid: 2249,
  arrayOid: 2287,
  hasArrayValues: true,
  mapParts: (change) =>
    record((oid) => {
      const type = find(oid)
      return type && change(type)
    }),
  schema: Schema.Array(Schema.Unknown),
  text: {
    read: (bytes, start, end) =>
      splitText("record", bytes, start, end).map((part) =>
        part === undefined ? null : Codec.utf8(part, 0, part.length, "record", 0)
      ),
    write: () => Codec.notRepresentable("record", 0, "a named composite type", "record")
  },
  binary: {
    read: (bytes, start, end) => {
      const fields: Array<unknown> = []
      eachField("record", bytes, start, end, () => {}, (_, oid, from, to) => {
        const binary = find(oid)?.binary
        fields.push(
          to < 0
            ? null
            : binary === undefined
            ? UnknownValue.make(oid, 1, Bytes.copy(bytes, from, to))
            : binary.read(bytes, from, to, -1)
        )
      })
      return fields
    },
    write: () => Codec.notRepresentable("record", 1, "a named composite type", "record")
  }
})
