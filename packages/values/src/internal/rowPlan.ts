/**
 * How each column of a result is read: what all readers of rows are compiled from.
 *
 * @internal
 */
import * as Type from "../Type.ts"
import * as TypeRegistry from "../TypeRegistry.ts"
import * as UnknownValue from "../UnknownValue.ts"
import * as Bytes from "./bytes.ts"
import * as Codec from "./codec.ts"

export interface Column {
  readonly name: string
  readonly read: Type.Codec<unknown>["read"]
  readonly typeModifier: number
  readonly typeName: string
  readonly format: Type.Format
}

const unknownText: Type.Codec<string>["read"] = (bytes, start, end) => Codec.utf8(bytes, start, end, "unknown type", 0)

/** What is not known, or not in this format, reads as a string in text, and as an `UnknownValue` in the binary formats. */
const readUnknown = (oid: number, format: Type.Format): Type.Codec<unknown>["read"] =>
  format === Type.text
    ? unknownText
    : (bytes, start, end) => UnknownValue.make(oid, format, Bytes.copy(bytes, start, end))

/** What a caller says of the columns; `RowReader.Options` explains it. */
export interface Described {
  readonly columns: ReadonlyArray<{
    readonly name: string
    readonly typeOid: number
    readonly typeModifier: number
    readonly type?: Type.Any | undefined
  }>
  readonly formats: Type.Format | ReadonlyArray<Type.Format>
  readonly registry?: TypeRegistry.TypeRegistry | undefined
}

export const make = ({ columns, formats, registry = TypeRegistry.builtIn }: Described): ReadonlyArray<Column> =>
  columns.map(({ name, typeModifier, typeOid, type = registry.find(typeOid) }, index) => {
    const format = typeof formats === "number" ? formats : formats[index] ?? 0
    const read = (type && Type.codec(type, format)?.read) ?? readUnknown(typeOid, format)
    return { name, read, typeModifier, typeName: type?.name ?? `oid ${typeOid}`, format }
  })
