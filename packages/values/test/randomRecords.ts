/** Random records over random schemas, for the tests against real servers. */
import { assert } from "@effect/vitest"
import * as ByteWriter from "@hyperfect/protocol/ByteWriter"
import { Columns, RowReader, Type } from "@hyperfect/values"
import { Arbitrary, Effect, Equal, Schema } from "effect"
import { dataRow } from "./fixtures.ts"
import type { RawParameter, RawResult } from "./rawQuery.ts"

export interface Field {
  readonly type: Type.Any
  readonly format: Type.Format
  readonly value: unknown
}

/** Generates records of up to six fields of these types, any of which may be NULL, with a format for each field. */
export const sampleRecords = (
  types: ReadonlyArray<Type.Any>,
  formats: ReadonlyArray<Type.Format>,
  count: number,
  seed: string
) => {
  const field = Schema.Union(types.map((type) =>
    Schema.Struct({
      type: Schema.Literal(type.name),
      value: Schema.NullOr(type.schema as Schema.Codec<unknown>),
      format: Schema.Literals(formats)
    })
  ))
  const record = Schema.Array(field).check(Schema.isMinLength(1), Schema.isMaxLength(6))
  const byName = new Map(types.map((type) => [type.name, type]))
  return Effect.map(
    Arbitrary.sampleEffect(Arbitrary.schema(record), { count, seed, size: 30 }),
    (records) => records.map((fields) => fields.map((field): Field => ({ ...field, type: byName.get(field.type)! })))
  )
}

/** Converts a field to a parameter; `undefined` for a value that the format cannot represent. */
export const toArgument = ({ format, type, value }: Field): RawParameter | undefined => {
  if (value === null) return { oid: type.oid, format, bytes: null }
  const out = ByteWriter.make()
  try {
    Type.codec(type, format)!.write(out, value, -1)
  } catch {
    return undefined
  }
  return { oid: type.oid, format, bytes: out.take() }
}

/** Reads the only row of a result with every reader, and compares it with the record that was sent. */
export const assertRoundTrip = (
  { columns, rows }: RawResult,
  format: Type.Format,
  record: ReadonlyArray<Field>
): void => {
  const bytes = dataRow(rows[0]!)
  for (const codegen of ["interpreted", "generated"] as const) {
    const options = {
      columns: columns.map((column, i) => ({ ...column, name: `c${i}` })),
      formats: format,
      codegen: codegen
    }
    const reader = Columns.make(options)()
    reader.append(bytes, 0, bytes.length)
    const shapes = {
      arrays: RowReader.arraysUnsafe(options)(bytes, 0, bytes.length),
      objects: Object.values(RowReader.objectsUnsafe(options)(bytes, 0, bytes.length)),
      columns: reader.take().map((column) => Columns.get(column, 0))
    }
    for (const [shape, found] of Object.entries(shapes)) {
      assert.strictEqual(found.length, record.length)
      for (const [i, { format: sent, type, value }] of record.entries()) {
        assert.isTrue(Equal.equals(found[i], value), `${type.name} sent in ${sent}, read in ${format} as ${shape}`)
      }
    }
  }
}
