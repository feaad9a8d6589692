/** A1a and A1b: decoding rows to JavaScript, without and with documents. */
import * as PgProtocol from "@effect/sql-pg/PgProtocol"
import * as PgTypes from "@effect/sql-pg/PgTypes"
import * as Backend from "@hyperfect/protocol/Backend"
import * as Frame from "@hyperfect/protocol/Frame"
import * as RowReader from "@hyperfect/values/RowReader"
import { Result } from "effect"
import { types } from "pg"
import { Parser } from "pg-protocol/dist/parser.js"
import type { Entry, Prepared, Workload } from "../../Workload.ts"
import { eachFrame, headerWalk, makeDigest, memcpy } from "./frames.ts"
import { binaryChunks, columnsOf, type Fixture, fixtures, lineOf, type RowObject, textChunks } from "./records.ts"

/** Makes an entry from a decoder with a callback for each row: a round counts rows, a check reads every value. */
const decodingAll = <Row>(
  { rowCount }: Fixture,
  decode: (onRow: (row: Row) => void) => void,
  toObject: (row: Row) => RowObject
): Prepared => ({
  run: () => {
    let count = 0
    let last: Row | undefined
    decode((row) => {
      last = row
      count++
    })
    if (count !== rowCount || last === undefined) throw new Error(`${count} rows`)
    return last
  },
  check: () => {
    const digest = makeDigest()
    decode((row) => digest.add(lineOf(toObject(row))))
    return Promise.resolve(digest.end())
  }
})

const asObject = (row: unknown): RowObject => row as RowObject

/** Works as {@link decodingAll}, with a parser that takes chunks. */
const decoding = <Row>(
  fixture: Fixture,
  chunks: ReadonlyArray<Buffer>,
  start: (onRow: (row: Row) => void) => (chunk: Buffer) => void,
  toObject: (row: Row) => RowObject = asObject
): Prepared =>
  decodingAll(fixture, (onRow) => {
    const push = start(onRow)
    for (const chunk of chunks) push(chunk)
  }, toObject)

/**
 * Works as the client does: the reader is made once for a statement, and reads rows from the frame. `start` returns it
 * for each round.
 */
const ours = <Row>(
  name: string,
  fixture: Fixture,
  start: () => RowReader.RowReader<Row>,
  toObject?: (row: Row) => RowObject
): Entry => ({
  name,
  kind: "ours",
  setup: async () => {
    const limits = Backend.limits()
    return decoding<Row>(
      fixture,
      binaryChunks(fixture),
      (onRow) => {
        const read = start()
        return Frame.makeParser(limits, (bytes, start, end) => onRow(read(bytes, start + 5, end))).push
      },
      toObject
    )
  }
})

const effectSqlPg = (fixture: Fixture): Entry => ({
  name: "@effect/sql-pg",
  kind: "peer",
  setup: async () => {
    const columns = columnsOf(fixture)
    const readField = Result.getOrThrow(
      PgTypes.makeFieldReader(columns.map(({ typeOid }) => ({ dataTypeOid: typeOid, format: 1 })))
    )
    const names = columns.map(({ name }) => name)
    return decoding(fixture, binaryChunks(fixture), (onRow) => {
      const parser = PgProtocol.makeParser({ readField })
      return (chunk) =>
        parser.pushEach(chunk, (message) => {
          if (message._tag !== "DataRow") return
          const { values } = message
          const row: Record<string, unknown> = {}
          for (let i = 0; i < names.length; i++) row[names[i]!] = values[i]
          onRow(row)
        })
    })
  }
})

/** Uses the codecs of `pg`; it receives the same rows as text, as it does from a server. */
const pgProtocol = (fixture: Fixture): Entry => ({
  name: "pg-protocol, pg-types (text)",
  kind: "peer",
  setup: async () => {
    const columns = columnsOf(fixture)
    const parsers = columns.map(({ typeOid }) => types.getTypeParser(typeOid, "text") as (text: string) => unknown)
    const names = columns.map(({ name }) => name)
    return decoding(fixture, textChunks(fixture), (onRow) => {
      const parser = new Parser()
      return (chunk) =>
        parser.parse(chunk, (message) => {
          if (message.name !== "dataRow") return
          const { fields } = message as unknown as { readonly fields: ReadonlyArray<string | null> }
          const row: Record<string, unknown> = {}
          for (let i = 0; i < names.length; i++) {
            const field = fields[i]!
            row[names[i]!] = field === null ? null : parsers[i]!(field)
          }
          onRow(row)
        })
    })
  }
})

/** Knows the columns and their order in advance, checks nothing, and reads through a DataView. */
const naive = (fixture: Fixture): Entry => ({
  name: "naive",
  kind: "limit",
  setup: async () => {
    const decoder = new TextDecoder()
    const read = (bytes: Uint8Array, view: DataView, start: number): RowObject => {
      let at = start + 7
      const text = (length: number) => decoder.decode(bytes.subarray(at, at += length))
      const length = () => view.getInt32((at += 4) - 4)
      const id = view.getInt32(at + 4)
      const isOdd = bytes[at + 12] === 1
      const ratio = view.getFloat64(at + 17)
      at += 25
      const size = length()
      const name = size === -1 ? null : text(size)
      const ms = Math.round(view.getInt32(at + 4) * 4_294_967.296 + view.getUint32(at + 8) / 1000)
      const instant = new Date(ms + 946_684_800_000)
      at += 12
      const blobSize = length()
      const blob = new Uint8Array(bytes.subarray(at, at += blobSize))
      if (!fixture.hasDocuments) return { id, isOdd, ratio, name, at: instant, blob }
      const documentSize = length()
      at++
      return { id, isOdd, ratio, name, at: instant, blob, document: JSON.parse(text(documentSize - 1)) as unknown }
    }
    const chunks = binaryChunks(fixture)
    return decodingAll(
      fixture,
      (onRow) => eachFrame(chunks, (bytes, view, start) => onRow(read(bytes, view, start))),
      asObject
    )
  }
})

const workload = (fixture: Fixture): Workload => {
  const { hasDocuments, id, rowCount } = fixture
  const columns = columnsOf(fixture)
  const options = { columns, formats: 1, codegen: "generated" } as const
  const objects = RowReader.objectsUnsafe(options)
  const arrays = RowReader.arraysUnsafe(options)
  const interpreted = RowReader.objectsUnsafe({ ...options, codegen: "interpreted" })
  return {
    id,
    title: `${rowCount} DataRow of ${columns.length} columns in 64 KiB chunks, to JavaScript${
      hasDocuments ? ", with a document each" : ""
    }`,
    floor: "naive",
    entries: [
      ours("hyperfect, objects", fixture, () => objects),
      // As a statement has it that runs once.
      ours("hyperfect, objects anew", fixture, () => RowReader.objectsUnsafe({ columns, formats: 1 })),
      ours(
        "hyperfect, arrays",
        fixture,
        () => arrays,
        (row) => asObject(Object.fromEntries(columns.map(({ name }, i) => [name, row[i]])))
      ),
      ours("hyperfect, interpreted", fixture, () => interpreted),
      effectSqlPg(fixture),
      pgProtocol(fixture),
      naive(fixture),
      { name: "header walk", kind: "limit", setup: async () => headerWalk(binaryChunks(fixture), rowCount) },
      { name: "memcpy", kind: "limit", setup: async () => memcpy(binaryChunks(fixture)) }
    ]
  }
}

export const rowObjects: ReadonlyArray<Workload> = fixtures.map(workload)
