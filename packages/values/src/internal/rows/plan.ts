/**
 * The reader of each column of a result, from which all row readers are compiled.
 *
 * @internal
 */
import * as Type from "../../Type.ts"
import * as TypeRegistry from "../../TypeRegistry.ts"
import * as UnknownValue from "../../UnknownValue.ts"
import * as Bytes from "../codec/bytes.ts"
import * as Codec from "../codec/codec.ts"

export interface Column {
  readonly name: string
  readonly read: Type.Codec<unknown>["read"]
  readonly typeModifier: number
  readonly typeName: string
  readonly format: Type.Format
}

const readUnknownText: Type.Codec<string>["read"] = (bytes, start, end) =>
  Codec.utf8(bytes, start, end, "unknown type", 0)

/** Reads a value without a known codec: as a string in text format, and as an `UnknownValue` in the binary formats. */
const readUnknown = (oid: number, format: Type.Format): Type.Codec<unknown>["read"] =>
  format === Type.text
    ? readUnknownText
    : (bytes, start, end) => UnknownValue.make(oid, format, Bytes.copy(bytes, start, end))

/**
 * The parts of a RowDescription field that a reader needs.
 *
 * @category models
 * @since 0.1.0
 */
export interface DescribedColumn {
  readonly name: string
  readonly typeOid: number
  readonly typeModifier: number
  /** The type that reads the column; the registry's type for `typeOid` by default. */
  readonly type?: Type.Any | undefined
}

/** The part of `RowReader.Options` that the readers of the columns depend on. */
export interface ReaderOptions {
  readonly columns: ReadonlyArray<DescribedColumn>
  /**
   * The format of each column, or of all. Pass the formats that were requested in Bind: those in RowDescription are not
   * reliable, because Hyper always reports text.
   */
  readonly formats: Type.Format | ReadonlyArray<Type.Format>
  /** The registry for columns without a type; `TypeRegistry.builtIn` by default. */
  readonly registry?: TypeRegistry.TypeRegistry | undefined
}

export const make = ({ columns, formats, registry = TypeRegistry.builtIn }: ReaderOptions): ReadonlyArray<Column> =>
  columns.map(({ name, typeModifier, typeOid, type = registry.find(typeOid) }, index) => {
    const format = typeof formats === "number" ? formats : formats[index] ?? 0
    const read = (type && Type.codec(type, format)?.read) ?? readUnknown(typeOid, format)
    return { name, read, typeModifier, typeName: type?.name ?? `oid ${typeOid}`, format }
  })
