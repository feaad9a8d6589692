/** A2: decoding rows to raw fields. */
import * as PgProtocol from "@effect/sql-pg/PgProtocol"
import * as Backend from "@hyperfect/protocol/Backend"
import { columnRangesUnsafe } from "@hyperfect/protocol/backend/DataRow"
import * as Frame from "@hyperfect/protocol/Frame"
import type * as Wire from "@hyperfect/protocol/Wire"
import { Parser } from "pg-protocol/dist/parser.js"
import type { Entry, Prepared, Workload } from "../../Workload.ts"
import { eachFrame, headerWalk, makeDigest, memcpy } from "./frames.ts"
import { binaryChunks, columnCount, fromBinary, fromText, rowCount, textChunks } from "./rows.ts"

type Fields = ReadonlyArray<Uint8Array | null>

/**
 * Makes an entry from a decoder with a callback for each row: a round counts the fields, a check reads the value of
 * every one.
 */
const decoder = <F>(
  chunks: ReadonlyArray<Buffer>,
  start: (onRow: (fields: F) => void) => (chunk: Buffer) => void,
  size: (fields: F) => number,
  toLine: (fields: F) => string
): Prepared => ({
  run: () => {
    let count = 0
    const push = start((fields) => {
      count += size(fields)
    })
    for (const chunk of chunks) push(chunk)
    if (count !== rowCount * columnCount) throw new Error(`${count} fields`)
  },
  check: () => {
    const digest = makeDigest()
    const push = start((fields) => digest.add(toLine(fields)))
    for (const chunk of chunks) push(chunk)
    return Promise.resolve(digest.end())
  }
})

const ours = (name: string, codegen: Wire.Codegen): Entry => ({
  name,
  kind: "ours",
  setup: async () =>
    decoder<Fields>(
      binaryChunks(),
      (onRow) => {
        const read = Backend.readerUnsafe({ codegen: codegen })
        return Frame.makeParser(Backend.limits(), (bytes, start, end) => {
          const message = read(bytes, start, end)
          if (message._tag === "DataRow") onRow(message.columns)
        }).push
      },
      (fields) => fields.length,
      fromBinary
    )
})

interface Ranges {
  readonly bytes: Uint8Array
  readonly into: Int32Array
  readonly count: number
}

const oursAsRanges: Entry = {
  name: "hyperfect, as ranges",
  kind: "ours",
  setup: async () =>
    decoder<Ranges>(
      binaryChunks(),
      (onRow) => {
        const into = new Int32Array(2 * columnCount)
        return Frame.makeParser(Backend.limits(), (bytes, start, end) => {
          onRow({ bytes, into, count: columnRangesUnsafe(bytes, start, end, into) })
        }).push
      },
      ({ count }) => count,
      ({ bytes, count, into }) =>
        fromBinary(Array.from(
          { length: count },
          (_, i) => into[2 * i] === -1 ? null : bytes.subarray(into[2 * i], into[2 * i + 1])
        ))
    )
}

const effectSqlPg: Entry = {
  name: "@effect/sql-pg",
  kind: "peer",
  setup: async () =>
    decoder<Fields>(
      binaryChunks(),
      (onRow) => {
        const parser = PgProtocol.makeParser()
        return (chunk) =>
          parser.pushEach(chunk, (message) => {
            if (message._tag === "DataRow") onRow(message.values)
          })
      },
      (fields) => fields.length,
      fromBinary
    )
}

/** Converts every field to a string, which works only for text format: it receives the same rows as text. */
const pgProtocol: Entry = {
  name: "pg-protocol (text)",
  kind: "peer",
  setup: async () =>
    decoder<ReadonlyArray<string | null>>(
      textChunks(),
      (onRow) => {
        const parser = new Parser()
        return (chunk) =>
          parser.parse(chunk, (message) => {
            if (message.name === "dataRow") onRow((message as unknown as { fields: Array<string | null> }).fields)
          })
      },
      (fields) => fields.length,
      fromText
    )
}

/** Reads every length and makes a view of every field, without validating the rest of the frame. */
const fieldWalk: Entry = {
  name: "field walk",
  kind: "limit",
  setup: async () => {
    const chunks = binaryChunks()
    const walk = (onRow: (fields: Fields) => void): void =>
      eachFrame(chunks, (_bytes, view, start) => {
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
        walk((fields) => digest.add(fromBinary(fields)))
        return Promise.resolve(digest.end())
      }
    }
  }
}

export const dataRows: Workload = {
  id: "A2",
  title: `${rowCount} DataRow of ${columnCount} columns in 64 KiB chunks, to raw fields`,
  floor: "header walk",
  entries: [
    ours("hyperfect", "generated"),
    ours("hyperfect, interpreted", "interpreted"),
    oursAsRanges,
    effectSqlPg,
    pgProtocol,
    fieldWalk,
    { name: "header walk", kind: "limit", setup: async () => headerWalk(binaryChunks(), rowCount) },
    { name: "memcpy", kind: "limit", setup: async () => memcpy(binaryChunks()) }
  ]
}
