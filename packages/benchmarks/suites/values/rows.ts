/** Rows of a result, decoded from the chunks of a socket to JavaScript: as objects, arrays and columns. */
import * as PgProtocol from "@effect/sql-pg/PgProtocol"
import * as PgTypes from "@effect/sql-pg/PgTypes"
import * as Backend from "@hyperfect/protocol/Backend"
import * as Frame from "@hyperfect/protocol/Frame"
import type * as Wire from "@hyperfect/protocol/Wire"
import { BuiltIn, Columns, RowReader } from "@hyperfect/values"
import { Result } from "effect"
import { Parser } from "pg-protocol/dist/parser.js"
import PgResult from "pg/lib/result.js"
import type { Entry, Prepared, Workload } from "../../Workload.ts"
import { headerWalk, makeDigest } from "../codec/frames.ts"
import { columnsOf, idOf, sets, type Which } from "../codec/samples.ts"
import { chunks, lineOf, named, type Table } from "../codec/tables.ts"

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

/** An entry that is `anew` makes its reader in each round, as a statement has it that runs once. */
interface Options {
  readonly name: string
  readonly codegen?: Wire.Codegen
  readonly anew?: boolean
}

/** Returns a function that makes a value each time, or one that has made it before. */
const maker = <A>(make: () => A, anew = false): () => A => {
  if (anew) return make
  const made = make()
  return () => made
}

const objects = (table: Table, { anew, codegen, name }: Options): Entry => ({
  name,
  kind: "ours",
  setup: async () => {
    const input = chunks(table, 1)
    const reader = maker(
      () => RowReader.objectsUnsafe({ columns: named(table.columns), formats: 1, codegen: codegen }),
      anew
    )
    return collecting(table, () => collectRows(input, reader()), (row) => Object.values(row))
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

const columns = (table: Table, { anew, codegen, name }: Options): Entry => ({
  name,
  kind: "ours",
  setup: async () => {
    const input = chunks(table, 1)
    const starter = maker(
      () => Columns.make({ columns: named(table.columns), formats: 1, codegen: codegen }),
      anew
    )
    const collect = () => {
      const reader = starter()()
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

const { bool, bytea, date, float8, int4, int8, jsonb, text, timestamptz, uuid } = BuiltIn
const six = [int4, text, float8, bool, int8, timestamptz]

/** A workload with a table of each set. */
interface Work {
  readonly id: string
  readonly title: (table: Table) => string
  readonly tables: Readonly<Record<Which, Table>>
  readonly interpreted?: boolean
}

const works: ReadonlyArray<Work> = [
  {
    id: "B3-decode",
    title: ({ columns, rowCount }) => `${rowCount} DataRow of ${columns.length} columns of several types`,
    tables: {
      0: { rowCount: 200_000, columns: columnsOf(0, [int4, int4, text, float8, timestamptz, bool]) },
      1: { rowCount: 40_000, columns: columnsOf(1, [uuid, text, int8, date, bytea, bool, jsonb, float8]), nullEvery: 7 }
    },
    interpreted: true
  },
  {
    id: "numbers",
    title: ({ columns, nullEvery, rowCount }) =>
      `${rowCount} DataRow of ${columns.length} numbers, one in ${nullEvery} NULL`,
    tables: {
      0: { rowCount: 200_000, columns: columnsOf(0, [int4, int8, float8, float8, int4, bool]), nullEvery: 20 },
      1: {
        rowCount: 100_000,
        columns: columnsOf(1, [float8, int4, float8, bool, int4, float8, int4, bool, float8, int4, int8, float8]),
        nullEvery: 3
      }
    }
  },
  {
    id: "wide",
    title: ({ columns, rowCount }) => `${rowCount} DataRow of ${columns.length} columns`,
    tables: {
      0: { rowCount: 5_000, columns: columnsOf(0, Array.from({ length: 200 }, (_, i) => six[i % 6]!)) },
      1: {
        rowCount: 1_200,
        columns: columnsOf(1, Array.from({ length: 600 }, (_, i) => [int4, uuid, bool, date][i % 4]!)),
        nullEvery: 4
      }
    },
    interpreted: true
  },
  {
    id: "narrow",
    // The same number of values as in the wide rows of the set: the difference is the cost of the width.
    title: ({ columns, rowCount }) =>
      `${rowCount} DataRow of ${columns.length} columns: as many values as in the wide ones`,
    tables: {
      0: { rowCount: 5_000 * 200 / 6 | 0, columns: columnsOf(0, six) },
      1: { rowCount: 1_200 * 600 / 4, columns: columnsOf(1, [int4, uuid, bool, date]), nullEvery: 4 }
    }
  }
]

const workload = ({ id, interpreted = false, tables, title }: Work, set: Which): Workload => {
  const table = tables[set]
  return {
    id: idOf(id, set),
    title: title(table),
    floor: "header walk",
    entries: [
      objects(table, { name: "hyperfect, objects" }),
      objects(table, { name: "hyperfect, objects anew", anew: true }),
      arrays(table),
      columns(table, { name: "hyperfect, columns" }),
      columns(table, { name: "hyperfect, columns anew", anew: true }),
      ...(interpreted
        ? [
          objects(table, { name: "hyperfect, objects interpreted", codegen: "interpreted" }),
          columns(table, { name: "hyperfect, columns interpreted", codegen: "interpreted" })
        ]
        : []),
      effectSqlPg(table),
      pgText(table),
      { name: "header walk", kind: "limit", setup: async () => headerWalk(chunks(table, 1), table.rowCount) }
    ]
  }
}

export const rows: ReadonlyArray<Workload> = works.flatMap((work) => sets.map((set) => workload(work, set)))
