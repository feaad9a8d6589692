/**
 * The COPY formats for the rows of a table.
 *
 * @internal
 */
import type { Dialect } from "@hyperfect/client/Dialect"
import * as CopyFormat from "@hyperfect/values/CopyFormat"
import type { RowWriter } from "@hyperfect/values/RowWriter"
import * as ValueError from "@hyperfect/values/ValueError"
import * as Schema from "effect/Schema"
import type { TableColumn } from "./tableColumn.ts"

/** The format in which the rows of one table are written in one dialect. */
export interface RowFormat {
  /** The format options in the COPY statement. */
  readonly options: string
  readonly writer: CopyFormat.Writer<never>
}

/** Returns a function that encodes a value by the Schema of its column. It throws a plain `ValueError.Reason`. */
const encoder = ({ isEncoded, name, schema, type }: TableColumn, index: number) => {
  if (!isEncoded) return undefined
  const encode = Schema.encodeUnknownResult(schema as Schema.Codec<unknown>)
  return (value: unknown, row: number): unknown => {
    const result = encode(value)
    if (result._tag === "Success") return result.success
    const reason = ValueError.reason(
      "TypeMismatch",
      type.name,
      undefined,
      result.failure.message,
      ValueError.kind(value)
    )
    throw ValueError.atColumn(reason, name, index, row)
  }
}

const formats = { hyperBinary: CopyFormat.hyperBinary, binary: CopyFormat.binary, text: CopyFormat.text() }

/** Returns the format for a dialect. Compiling it is expensive: reuse the result. */
export const makeRowFormat = (
  { copyFormat, valueEncoding }: Dialect,
  columns: ReadonlyArray<TableColumn>
): RowFormat => {
  // Hyper parses well-known text, but not in HyperBinary.
  const isText = copyFormat === "hyperBinary" && columns.some(({ type }) => type[valueEncoding].hyper === undefined)
  const makeRowFormat = formats[isText ? "text" : copyFormat]
  const described = columns.map(({ name, nullable, type }) => ({
    name,
    nullable,
    type: type[valueEncoding],
    typeModifier: type.typeModifier
  }))
  if (!columns.some(({ isEncoded }) => isEncoded)) {
    return {
      options: makeRowFormat.options,
      writer: makeRowFormat.writer("object", described) as CopyFormat.Writer<never>
    }
  }
  const writer = makeRowFormat.writer("array", described)
  return { options: makeRowFormat.options, writer: { ...writer, row: encodingWriter(columns, writer.row) } }
}

/** Returns a writer of rows in which some columns must be encoded first. */
const encodingWriter = (
  columns: ReadonlyArray<TableColumn>,
  write: RowWriter<ReadonlyArray<unknown>>
): RowWriter<never> => {
  const fields = columns.map((column, index) => ({ name: column.name, encode: encoder(column, index) }))
  const values = new Array<unknown>(columns.length)
  return (out, row: Readonly<Record<string, unknown>> | null, index) => {
    if (typeof row !== "object" || row === null) {
      throw { ...ValueError.reason("TypeMismatch", "row", undefined, "object", ValueError.kind(row)), row: index }
    }
    for (let i = 0; i < fields.length; i++) {
      const { encode, name } = fields[i]!
      const value = name !== "__proto__" || Object.hasOwn(row, name) ? row[name] : undefined
      values[i] = encode === undefined ? value : encode(value, index)
    }
    write(out, values, index)
  }
}
