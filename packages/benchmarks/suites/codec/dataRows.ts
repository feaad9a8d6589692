/** A2: decoding rows to raw fields. */
import * as PgProtocol from "@effect/sql-pg/PgProtocol"
import * as Backend from "@hyperfect/protocol/Backend"
import { columnRangesUnsafe } from "@hyperfect/protocol/backend/DataRow"
import * as Frame from "@hyperfect/protocol/Frame"
import type * as Wire from "@hyperfect/protocol/Wire"
import { BuiltIn } from "@hyperfect/values"
import { Parser } from "pg-protocol/dist/parser.js"
import type { Entry, Prepared, Workload } from "../../Workload.ts"
import { eachFrame, headerWalk, makeDigest, memcpy } from "./frames.ts"
import { columnsOf, idOf, sets, type Which } from "./samples.ts"
import { chunks, lineOfFields, type Table } from "./tables.ts"

type Fields = ReadonlyArray<Uint8Array | null>

/**
 * Makes an entry from a decoder with a callback for each row: a round counts the fields, a check reads the value of
 * every one.
 */
const decoder = <F>(
  { columns, rowCount }: Table,
  input: ReadonlyArray<Buffer>,
  start: (onRow: (fields: F) => void) => (chunk: Buffer) => void,
  size: (fields: F) => number,
  toLine: (fields: F) => string
): Prepared => ({
  run: () => {
    let count = 0
    const push = start((fields) => {
      count += size(fields)
    })
    for (const chunk of input) push(chunk)
    if (count !== rowCount * columns.length) throw new Error(`${count} fields`)
  },
  check: () => {
    const digest = makeDigest()
    const push = start((fields) => digest.add(toLine(fields)))
    for (const chunk of input) push(chunk)
    return Promise.resolve(digest.end())
  }
})

const ours = (table: Table, name: string, codegen: Wire.Codegen): Entry => ({
  name,
  kind: "ours",
  setup: async () =>
    decoder<Fields>(
      table,
      chunks(table, 1),
      (onRow) => {
        const read = Backend.readerUnsafe({ codegen: codegen })
        return Frame.makeParser(Backend.limits(), (bytes, start, end) => {
          const message = read(bytes, start, end)
          if (message._tag === "DataRow") onRow(message.columns)
        }).push
      },
      (fields) => fields.length,
      (fields) => lineOfFields(table.columns, 1, fields)
    )
})

interface Ranges {
  readonly bytes: Uint8Array
  readonly into: Int32Array
  readonly count: number
}

const oursAsRanges = (table: Table): Entry => ({
  name: "hyperfect, as ranges",
  kind: "ours",
  setup: async () =>
    decoder<Ranges>(
      table,
      chunks(table, 1),
      (onRow) => {
        const into = new Int32Array(2 * table.columns.length)
        return Frame.makeParser(Backend.limits(), (bytes, start, end) => {
          onRow({ bytes, into, count: columnRangesUnsafe(bytes, start, end, into) })
        }).push
      },
      ({ count }) => count,
      ({ bytes, count, into }) =>
        lineOfFields(
          table.columns,
          1,
          Array.from(
            { length: count },
            (_, i) => into[2 * i] === -1 ? null : bytes.subarray(into[2 * i], into[2 * i + 1])
          )
        )
    )
})

const effectSqlPg = (table: Table): Entry => ({
  name: "@effect/sql-pg",
  kind: "peer",
  setup: async () =>
    decoder<Fields>(
      table,
      chunks(table, 1),
      (onRow) => {
        const parser = PgProtocol.makeParser()
        return (chunk) =>
          parser.pushEach(chunk, (message) => {
            if (message._tag === "DataRow") onRow(message.values)
          })
      },
      (fields) => fields.length,
      (fields) => lineOfFields(table.columns, 1, fields)
    )
})

/** Converts every field to a string, which works only for text format: it receives the same rows as text. */
const pgProtocol = (table: Table): Entry => ({
  name: "pg-protocol (text)",
  kind: "peer",
  setup: async () =>
    decoder<ReadonlyArray<string | null>>(
      table,
      chunks(table, 0),
      (onRow) => {
        const parser = new Parser()
        return (chunk) =>
          parser.parse(chunk, (message) => {
            if (message.name === "dataRow") onRow((message as unknown as { fields: Array<string | null> }).fields)
          })
      },
      (fields) => fields.length,
      (fields) => lineOfFields(table.columns, 0, fields)
    )
})

/** Reads every length and makes a view of every field, without validating the rest of the frame. */
const fieldWalk = (table: Table): Entry => ({
  name: "field walk",
  kind: "limit",
  setup: async () => {
    const input = chunks(table, 1)
    const walk = (onRow: (fields: Fields) => void): void =>
      eachFrame(input, (_bytes, view, start) => {
        const store = view.buffer
        const count = view.getInt16(start + 5)
        const fields = new Array<Uint8Array | null>(count)
        let at = start + 7
        for (let i = 0; i < count; i++) {
          const length = view.getInt32(at)
          at += 4
          fields[i] = length === -1 ? null : new Uint8Array(store, view.byteOffset + at, length)
          if (length !== -1) at += length
        }
        onRow(fields)
      })
    return {
      run: () => {
        let count = 0
        walk((fields) => {
          count += fields.length
        })
        return count
      },
      check: () => {
        const digest = makeDigest()
        walk((fields) => digest.add(lineOfFields(table.columns, 1, fields)))
        return Promise.resolve(digest.end())
      }
    }
  }
})

const { bool, bytea, float8, int4, int8, jsonb, text } = BuiltIn

const tables: Readonly<Record<Which, Table>> = {
  0: { rowCount: 100_000, columns: columnsOf(0, [int4, bool, float8, text, jsonb, bytea]), nullEvery: 96 },
  // Many short fields, a third of them NULL, and a long text.
  1: {
    rowCount: 30_000,
    columns: columnsOf(1, [...Array.from({ length: 23 }, (_, i) => [int4, bool, int8, float8][i % 4]!), text]),
    nullEvery: 3
  }
}

const workload = (set: Which): Workload => {
  const table = tables[set]
  return {
    id: idOf("A2", set),
    title: `${table.rowCount} DataRow of ${table.columns.length} columns in 64 KiB chunks, to raw fields`,
    floor: "header walk",
    entries: [
      ours(table, "hyperfect", "generated"),
      ours(table, "hyperfect, interpreted", "interpreted"),
      oursAsRanges(table),
      effectSqlPg(table),
      pgProtocol(table),
      fieldWalk(table),
      { name: "header walk", kind: "limit", setup: async () => headerWalk(chunks(table, 1), table.rowCount) },
      { name: "memcpy", kind: "limit", setup: async () => memcpy(chunks(table, 1)) }
    ]
  }
}

export const dataRows: ReadonlyArray<Workload> = sets.map(workload)
