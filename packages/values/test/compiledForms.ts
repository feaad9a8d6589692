/** Uses each kind of function that is compiled, often enough for all of them to be compiled. */
import * as ByteWriter from "@hyperfect/protocol/ByteWriter"
import { BindWriter, BuiltIn, Columns, CopyFormat, Row, RowReader } from "@hyperfect/values"
import { Effect, Result, Schema } from "effect"

const many = 600

/** Returns what the functions read and wrote. */
export const run = (): string => {
  const types = [BuiltIn.int4, BuiltIn.text, BuiltIn.numeric]
  const columns = ["a", "__proto__", "c"].map((name, i) => ({ name, type: types[i]!, typeOid: 0, typeModifier: -1 }))
  const wide = Array.from({ length: 200 }, (_, i) => ({ ...columns[0]!, name: `c${i}` }))
  const values = [7, "seven", null]
  const out = ByteWriter.make()
  const rowOf = (of: typeof columns, values: ReadonlyArray<unknown>): Uint8Array => {
    CopyFormat.binary.writer("array", of).row(out, values, 0)
    return out.take().slice()
  }
  const bytes = rowOf(columns, values)
  const wideBytes = rowOf(wide, wide.map((_, i) => i))

  const objects = RowReader.objectsUnsafe({ columns, formats: 1 })
  const wideObjects = RowReader.objectsUnsafe({ columns: wide, formats: 1 })
  const reader = Columns.make({ columns, formats: 1 })()
  const bind = BindWriter.make({ statement: "s", types, resultFormats: [1] })
  for (let i = 0; i < many; i++) {
    objects(bytes, 0, bytes.length)
    wideObjects(wideBytes, 0, wideBytes.length)
    reader.append(bytes, 0, bytes.length)
    bind(out, values)
  }
  const decoder = Result.getOrThrow(Row.schema(Schema.Struct({ a: Schema.Number }))(columns))
  const nullAt = decoder.decode([{ a: 1 }, { a: null }], 0).pipe(Effect.flip, Effect.map(({ row }) => row))
  return JSON.stringify([
    Array.from(bytes),
    objects(bytes, 0, bytes.length),
    wideObjects(wideBytes, 0, wideBytes.length),
    reader.take().map(Columns.toArray),
    Array.from(out.take()),
    Effect.runSync(nullAt)
  ])
}
