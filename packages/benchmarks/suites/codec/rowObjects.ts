/** A1: rows to JavaScript objects. */
import * as PgProtocol from "@effect/sql-pg/PgProtocol"
import * as PgTypes from "@effect/sql-pg/PgTypes"
import * as Backend from "@hyperfect/protocol/Backend"
import * as Frame from "@hyperfect/protocol/Frame"
import type * as Wire from "@hyperfect/protocol/Wire"
import * as RowReader from "@hyperfect/values/RowReader"
import { Result } from "effect"
import { types } from "pg"
import { Parser } from "pg-protocol/dist/parser.js"
import type { Entry, Prepared, Workload } from "../../Workload.ts"
import { eachFrame, headerWalk, makeDigest, memcpy } from "./chunks.ts"
import { binaryChunks, columns, lineOf, rowCount, type RowObject, textChunks } from "./rows.ts"

/** An entry out of a decoder, which calls back with each row: a round counts rows, a check reads every value. */
const decodingAll = (
  chunks: ReadonlyArray<Buffer>,
  decode: (chunks: ReadonlyArray<Buffer>, onRow: (row: RowObject) => void) => void
): Prepared => ({
  run: () => {
    let count = 0
    let last: RowObject | undefined
    decode(chunks, (row) => {
      last = row
      count++
    })
    if (count !== rowCount || last === undefined) throw new Error(`${count} rows`)
    return last
  },
  check: () => {
    const digest = makeDigest()
    decode(chunks, (row) => digest.add(lineOf(row)))
    return Promise.resolve(digest.end())
  }
})

/** As {@link decodingAll}, out of a parser that is pushed chunks. */
const decoding = (
  chunks: ReadonlyArray<Buffer>,
  start: (onRow: (row: RowObject) => void) => (chunk: Buffer) => void
): Prepared =>
  decodingAll(chunks, (chunks, onRow) => {
    const push = start(onRow)
    for (const chunk of chunks) push(chunk)
  })

/** As the client does it: the reader is made once for a statement, and reads rows out of the frame. */
const ours = (name: string, backEnd: Wire.BackEnd): Entry => ({
  name,
  kind: "ours",
  setup: async () => {
    const read = RowReader.objectsUnsafe({ columns, formats: 1, backEnd })
    const limits = Backend.limits()
    return decoding(
      binaryChunks(),
      (onRow) =>
        Frame.makeParser(limits, (bytes, start, end) => onRow(read(bytes, start + 5, end) as unknown as RowObject)).push
    )
  }
})

const effectSqlPg: Entry = {
  name: "@effect/sql-pg",
  kind: "peer",
  setup: async () => {
    const readField = Result.getOrThrow(
      PgTypes.makeFieldReader(columns.map(({ typeOid }) => ({ dataTypeOid: typeOid, format: 1 })))
    )
    const names = columns.map(({ name }) => name)
    return decoding(binaryChunks(), (onRow) => {
      const parser = PgProtocol.makeParser({ readField })
      return (chunk) =>
        parser.pushEach(chunk, (message) => {
          if (message._tag !== "DataRow") return
          const { values } = message
          const row: Record<string, unknown> = {}
          for (let i = 0; i < names.length; i++) row[names[i]!] = values[i]
          onRow(row as unknown as RowObject)
        })
    })
  }
}

/** With what `pg` reads values by; it gets the same rows as text, as it does from a server. */
const pgProtocol: Entry = {
  name: "pg-protocol, pg-types (text)",
  kind: "peer",
  setup: async () => {
    const parsers = columns.map(({ typeOid }) => types.getTypeParser(typeOid, "text") as (text: string) => unknown)
    const names = columns.map(({ name }) => name)
    return decoding(textChunks(), (onRow) => {
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
          onRow(row as unknown as RowObject)
        })
    })
  }
}

/** Knows the columns and their order beforehand, checks nothing, and reads through a DataView. */
const naive: Entry = {
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
      const documentSize = length()
      at++
      const document: unknown = JSON.parse(text(documentSize - 1))
      const blobSize = length()
      return { id, isOdd, ratio, name, document, blob: new Uint8Array(bytes.subarray(at, at + blobSize)) }
    }
    return decodingAll(
      binaryChunks(),
      (chunks, onRow) => eachFrame(chunks, (bytes, view, start) => onRow(read(bytes, view, start)))
    )
  }
}

export const rowObjects: Workload = {
  id: "A1",
  title: `${rowCount} DataRow of ${columns.length} columns in 64 KiB chunks, to JavaScript objects`,
  floor: "naive",
  entries: [
    ours("hyperfect", "generated"),
    ours("hyperfect, closures", "closures"),
    effectSqlPg,
    pgProtocol,
    naive,
    { name: "header walk", kind: "limit", setup: async () => headerWalk(binaryChunks(), rowCount) },
    { name: "memcpy", kind: "limit", setup: async () => memcpy(binaryChunks()) }
  ]
}
