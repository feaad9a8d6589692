/** Rows of a result, decoded from the chunks of a socket to JavaScript: as objects, arrays and columns. */
import * as PgProtocol from "@effect/sql-pg/PgProtocol"
import * as PgTypes from "@effect/sql-pg/PgTypes"
import * as Backend from "@hyperfect/protocol/Backend"
import * as ByteWriter from "@hyperfect/protocol/ByteWriter"
import * as Frame from "@hyperfect/protocol/Frame"
import type * as Wire from "@hyperfect/protocol/Wire"
import { BuiltIn, Columns, RowReader, type Type } from "@hyperfect/values"
import { Result } from "effect"
import { Parser } from "pg-protocol/dist/parser.js"
import PgResult from "pg/lib/result.js"
import type { Entry, Prepared, Workload } from "../../Workload.ts"
import { random } from "../codec/documents.ts"
import { frame, headerWalk, makeDigest, toChunks } from "../codec/frames.ts"
import { type Sample, samples } from "./samples.ts"

interface Table {
  readonly rowCount: number
  readonly columns: ReadonlyArray<Sample>
  /** One in this many values is NULL; none when absent. */
  readonly nullEvery?: number
}

const named = (columns: ReadonlyArray<Sample>) =>
  columns.map(({ type }, i) => ({ name: `column_${i}`, typeOid: type.oid, typeModifier: -1 }))

const chunks = ({ columns, nullEvery, rowCount }: Table, format: 0 | 1): ReadonlyArray<Buffer> => {
  const out = ByteWriter.make()
  const codecs = columns.map(({ type }): Type.Codec<unknown> => format === 0 ? type.text : type.binary!)
  return toChunks(Array.from({ length: rowCount }, (_, row) => {
    const count = Buffer.alloc(2)
    count.writeInt16BE(columns.length)
    const fields = columns.map(({ make }, i) => {
      const length = Buffer.alloc(4)
      if (nullEvery !== undefined && random(row * columns.length + i) % nullEvery === 0) {
        length.writeInt32BE(-1)
        return length
      }
      codecs[i]!.write(out, make(row + i), -1)
      const bytes = out.take()
      length.writeInt32BE(bytes.length)
      return Buffer.concat([length, bytes])
    })
    return frame("D", count, ...fields)
  }))
}

const dataRowTag = 0x44

/** Calls back with the body of each DataRow. */
const eachRow = (
  input: ReadonlyArray<Buffer>,
  onRow: (bytes: Uint8Array, start: number, end: number) => void
): void => {
  const { push } = Frame.makeParser(Backend.limits(), (bytes, start, end) => {
    if (bytes[start] === dataRowTag) onRow(bytes, start + 5, end)
  })
  for (const chunk of input) push(chunk)
}

const lineOf = (columns: ReadonlyArray<Sample>, values: ReadonlyArray<unknown>): string =>
  values.map((value, i) => value === null ? "NULL" : columns[i]!.line(value)).join("|")

/** Makes an entry from functions that return the rows of a result, and the values of a row. */
const collecting = <Row>(
  table: Table,
  collect: () => ReadonlyArray<Row>,
  valuesOf: (row: Row) => ReadonlyArray<unknown>
): Prepared => ({
  run: () => {
    const rows = collect()
    if (rows.length !== table.rowCount) throw new Error(`${rows.length} rows`)
  },
  check: () => {
    const digest = makeDigest()
    for (const row of collect()) digest.add(lineOf(table.columns, valuesOf(row)))
    return Promise.resolve(digest.end())
  }
})

const collectRows = <Row>(input: ReadonlyArray<Buffer>, reader: RowReader.RowReader<Row>): ReadonlyArray<Row> => {
  const rows: Array<Row> = []
  eachRow(input, (bytes, start, end) => rows.push(reader(bytes, start, end)))
  return rows
}

const objects = (table: Table, name: string, codegen?: Wire.Codegen): Entry => ({
  name,
  kind: "ours",
  setup: async () => {
    const input = chunks(table, 1)
    const reader = RowReader.objectsUnsafe({ columns: named(table.columns), formats: 1, codegen: codegen })
    return collecting(table, () => collectRows(input, reader), (row) => Object.values(row))
  }
})

const arrays = (table: Table): Entry => ({
  name: "hyperfect, arrays",
  kind: "ours",
  setup: async () => {
    const input = chunks(table, 1)
    const reader = RowReader.arraysUnsafe({ columns: named(table.columns), formats: 1 })
    return collecting(table, () => collectRows(input, reader), (row) => row)
  }
})

const columns = (table: Table, name: string, codegen?: Wire.Codegen): Entry => ({
  name,
  kind: "ours",
  setup: async () => {
    const input = chunks(table, 1)
    const start = Columns.make({ columns: named(table.columns), formats: 1, codegen: codegen })
    const collect = () => {
      const reader = start()
      eachRow(input, reader.append)
      return reader.take()
    }
    return {
      run: () => {
        const [first] = collect()
        if (first!.length !== table.rowCount) throw new Error(`${first!.length} rows`)
      },
      check: () => {
        const digest = makeDigest()
        const found = collect()
        for (let row = 0; row < table.rowCount; row++) {
          digest.add(lineOf(table.columns, found.map((column) => Columns.get(column, row))))
        }
        return Promise.resolve(digest.end())
      }
    }
  }
})

/** Works as its connection does: each field is decoded as it is parsed, into an object keyed by column name. */
const effectSqlPg = (table: Table): Entry => ({
  name: "@effect/sql-pg",
  kind: "peer",
  setup: async () => {
    const input = chunks(table, 1)
    const names = named(table.columns).map(({ name }) => name)
    const readField = Result.getOrThrow(
      PgTypes.makeFieldReader(table.columns.map(({ type }) => ({ dataTypeOid: type.oid, format: 1 }) as never))
    )
    const collect = () => {
      const rows: Array<Record<string, unknown>> = []
      const parser = PgProtocol.makeParser<unknown>({ readField })
      for (const chunk of input) {
        parser.pushEach(chunk, (message) => {
          if (message._tag !== "DataRow") return
          const row: Record<string, unknown> = {}
          for (let i = 0; i < names.length; i++) row[names[i]!] = message.values[i]
          rows.push(row)
        })
      }
      return rows
    }
    return collecting(table, collect, (row) => Object.values(row))
  }
})

/** Uses its parser and its result class, which makes objects of texts. */
const pgText = (table: Table): Entry => ({
  name: "pg (text)",
  kind: "peer",
  setup: async () => {
    const input = chunks(table, 0)
    const fields = named(table.columns).map(({ name, typeOid }) => ({ name, dataTypeID: typeOid, format: "text" }))
    const collect = () => {
      const result = new PgResult()
      result.addFields(fields)
      const parser = new Parser()
      for (const chunk of input) {
        parser.parse(chunk, (message) => {
          if (message.name === "dataRow") result.addRow(result.parseRow((message as never as { fields: never }).fields))
        })
      }
      return result.rows
    }
    return collecting(table, collect, (row) => Object.values(row as object))
  }
})

const workload = (id: string, title: string, table: Table, more: ReadonlyArray<Entry> = []): Workload => ({
  id,
  title,
  floor: "header walk",
  entries: [
    objects(table, "hyperfect, objects"),
    arrays(table),
    columns(table, "hyperfect, columns"),
    ...more,
    effectSqlPg(table),
    pgText(table),
    { name: "header walk", kind: "limit", setup: async () => headerWalk(chunks(table, 1), table.rowCount) }
  ]
})

const sampleOf = (type: Type.Any): Sample => {
  const found = samples.find((sample) => sample.type.oid === type.oid)
  if (found === undefined) throw new Error(`no values of ${type.name}`)
  return found
}

const mixed: Table = {
  rowCount: 200_000,
  columns: [BuiltIn.int4, BuiltIn.int4, BuiltIn.text, BuiltIn.float8, BuiltIn.timestamptz, BuiltIn.bool].map(sampleOf)
}

const numbers: Table = {
  rowCount: 200_000,
  columns: [BuiltIn.int4, BuiltIn.int8, BuiltIn.float8, BuiltIn.float8, BuiltIn.int4, BuiltIn.bool].map(sampleOf),
  nullEvery: 20
}

const six = [BuiltIn.int4, BuiltIn.text, BuiltIn.float8, BuiltIn.bool, BuiltIn.int8, BuiltIn.timestamptz].map(sampleOf)

const wide: Table = { rowCount: 5_000, columns: Array.from({ length: 200 }, (_, i) => six[i % 6]!) }

/** The same number of values as {@link wide} in rows of six: the difference is the cost of the width. */
const narrow: Table = { rowCount: 5_000 * 200 / 6 | 0, columns: six }

const codegenEntries = (table: Table): ReadonlyArray<Entry> => [
  objects(table, "hyperfect, objects interpreted", "interpreted"),
  columns(table, "hyperfect, columns interpreted", "interpreted")
]

export const rows: ReadonlyArray<Workload> = [
  workload(
    "B3-decode",
    `${mixed.rowCount} DataRow of 6 columns (ints, text, float8, timestamptz, bool)`,
    mixed,
    codegenEntries(mixed)
  ),
  workload("numbers", `${numbers.rowCount} DataRow of 6 numbers, one in ${numbers.nullEvery} NULL`, numbers),
  workload("wide", `${wide.rowCount} DataRow of 200 columns`, wide, codegenEntries(wide)),
  workload("narrow", `${narrow.rowCount} DataRow of 6 columns: as many values as in the wide ones`, narrow)
]
