/**
 * How the rows of a table are written for COPY.
 *
 * @internal
 */
import * as CopyFormat from "@hyperfect/values/CopyFormat"
import type { RowWriter } from "@hyperfect/values/RowWriter"
import * as ValueError from "@hyperfect/values/ValueError"
import * as Schema from "effect/Schema"
import type { TableColumn } from "./tableColumn.ts"

/** How the rows of one table are written for one kind of server. */
export interface Format {
  /** What the statement says of it. */
  readonly options: string
  readonly writer: CopyFormat.Writer<never>
}

/** A function that puts a value through the Schema of its column. It throws a plain `ValueError.Reason`. */
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

/** The format for a kind of server. Compiled: keep it. */
export const format = (kind: "hyper" | "postgres", columns: ReadonlyArray<TableColumn>): Format => {
  const format = kind === "hyper" ? CopyFormat.hyperBinary : CopyFormat.binary
  const described = columns.map(({ name, nullable, type }) => ({
    name,
    nullable,
    type: type[kind],
    typeModifier: type.typeModifier
  }))
  if (!columns.some(({ isEncoded }) => isEncoded)) {
    return { options: format.options, writer: format.writer("object", described) as CopyFormat.Writer<never> }
  }
  const writer = format.writer("array", described)
  return { options: format.options, writer: { ...writer, row: encodingWriter(columns, writer.row) } }
}

/** A writer of rows of which some columns have to be encoded first. */
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
