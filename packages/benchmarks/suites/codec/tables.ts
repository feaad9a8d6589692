/** Results of any columns, as DataRow messages in PostgreSQL's binary and text formats. */
import * as ByteWriter from "@hyperfect/protocol/ByteWriter"
import type { Type } from "@hyperfect/values"
import { random } from "./documents.ts"
import { dataRow, toChunks } from "./frames.ts"
import type { Sample } from "./samples.ts"

export interface Table {
  readonly rowCount: number
  readonly columns: ReadonlyArray<Sample>
  /** One in this many values is NULL; none when absent. */
  readonly nullEvery?: number
}

/** Returns the columns as in RowDescription. */
export const named = (columns: ReadonlyArray<Sample>) =>
  columns.map(({ type }, i) => ({ name: `column_${i}`, typeOid: type.oid, typeModifier: -1 }))

const codecOf = (type: Type.Any, format: Type.Format): Type.Codec<unknown> => format === 0 ? type.text : type.binary!

/** Returns a value, or `null`, of each column of a row. */
export const valuesOf = ({ columns, nullEvery }: Omit<Table, "rowCount">, row: number): ReadonlyArray<unknown> =>
  columns.map(({ make }, i) =>
    nullEvery !== undefined && random(row * columns.length + i) % nullEvery === 0 ? null : make(row + i)
  )

export const chunks = (table: Table, format: Type.Format): ReadonlyArray<Buffer> => {
  const out = ByteWriter.make()
  const codecs = table.columns.map(({ type }) => codecOf(type, format))
  return toChunks(
    Array.from({ length: table.rowCount }, (_, row) =>
      dataRow(
        valuesOf(table, row).map((value, i) => {
          if (value === null) return null
          codecs[i]!.write(out, value, -1)
          return Buffer.from(out.take())
        })
      ))
  )
}

/** Formats the values of a row as a line for a digest. */
export const lineOf = (columns: ReadonlyArray<Sample>, values: ReadonlyArray<unknown>): string =>
  values.map((value, i) => value === null ? "NULL" : columns[i]!.line(value)).join("|")

/** Formats the values of a row from its fields, as a line for a digest. */
export const lineOfFields = (
  columns: ReadonlyArray<Sample>,
  format: Type.Format,
  fields: ReadonlyArray<Uint8Array | string | null>
): string => {
  if (fields.length !== columns.length) throw new Error(`${fields.length} fields`)
  const read = (field: Uint8Array | string, { type }: Sample): unknown => {
    const bytes = typeof field === "string" ? Buffer.from(field) : field
    return codecOf(type, format).read(bytes, 0, bytes.length, -1)
  }
  return lineOf(columns, fields.map((field, i) => field === null ? null : read(field, columns[i]!)))
}
