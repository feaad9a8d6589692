/** A3: Bind frames from JavaScript values. */
import * as PgProtocol from "@effect/sql-pg/PgProtocol"
import * as PgTypes from "@effect/sql-pg/PgTypes"
import * as ByteWriter from "@hyperfect/protocol/ByteWriter"
import * as Frontend from "@hyperfect/protocol/Frontend"
import type * as Wire from "@hyperfect/protocol/Wire"
import * as BindWriter from "@hyperfect/values/BindWriter"
import * as BuiltIn from "@hyperfect/values/BuiltIn"
import * as Parameter from "@hyperfect/values/Parameter"
import { Result } from "effect"
import { serialize } from "pg-protocol"
import type { Entry, Prepared, Workload } from "../../Workload.ts"
import { makeDigest } from "./frames.ts"

const frameCount = 100_000

/** The values as a program has them: without types or bytes. One text in sixteen is NULL. */
type Values = readonly [id: number, isOdd: boolean, ratio: number, name: string | null, total: bigint, blob: Buffer]

const valuesOf = (index: number): Values => {
  // A linear congruential step: enough to make adjacent values differ, also in length.
  const random = (Math.imul(index + 1, 1664525) + 1013904223) >>> 0
  return [
    random | 0,
    index % 2 === 1,
    // Never an integer, because its type would be ambiguous.
    random / 1024 + 1 / 4096,
    index % 16 === 7 ? null : `name ${index} ${index % 4 === 0 ? "é" : "e"}${"x".repeat(random % 24)}`,
    BigInt(random) * BigInt(1_000_000_007),
    Buffer.alloc(8 + random % 24, random & 0xff)
  ]
}

/**
 * Returns a row for each frame, repeating a smaller set of rows: a program has usually just made the values of a query,
 * so they are in the processor's cache. A hundred thousand different rows are not, and fetching them took half of the
 * measured time (and garbage collection of them much of the rest).
 */
const rows = (): ReadonlyArray<Values> => {
  const different = Array.from({ length: 4096 }, (_, index) => valuesOf(index))
  return Array.from({ length: frameCount }, (_, index) => different[index % different.length]!)
}

const statement = "s1"

/** Formats the values of a Bind, whatever their formats, as a line for a digest. */
const line = (frame: Uint8Array): string => {
  const message = Frontend.readerUnsafe("password")(frame, 0, frame.length)
  if (message._tag !== "Bind" || message.statement !== statement) throw new Error(`not a Bind of ${statement}`)
  const { parameterFormats, parameters } = message
  const isBinary = (i: number) => (parameterFormats.length === 1 ? parameterFormats[0] : parameterFormats[i]) === 1
  const read = <A>(i: number, binary: (bytes: Buffer) => A, text: (text: string) => A): A => {
    const bytes = Buffer.from(parameters[i]!)
    return isBinary(i) ? binary(bytes) : text(bytes.toString())
  }
  return JSON.stringify([
    read(0, (bytes) => bytes.readInt32BE(), Number),
    read(1, (bytes) => bytes[0] === 1, (text) => text === "true"),
    read(2, (bytes) => bytes.readDoubleBE(), Number),
    parameters[3] === null ? null : read(3, (bytes) => bytes.toString(), String),
    read(4, (bytes) => `${bytes.readBigInt64BE()}`, String),
    read(5, (bytes) => bytes.toString("hex"), String)
  ])
}

/** Makes an entry from a function that encodes the frames of rows and emits buffers of whole frames. */
const encoder = (run: (rows: ReadonlyArray<Values>, onBuffer: (bytes: Uint8Array) => void) => void): Prepared => {
  const input = rows()
  return {
    run: () => {
      let size = 0
      run(input, (bytes) => {
        size += bytes.length
      })
      return size
    },
    check: () => {
      const digest = makeDigest()
      run(input, (bytes) => {
        for (let at = 0; at < bytes.length;) {
          const end = at + 1 + new DataView(bytes.buffer, bytes.byteOffset).getInt32(at + 1)
          digest.add(line(bytes.subarray(at, end)))
          at = end
        }
      })
      return Promise.resolve(digest.end())
    }
  }
}

/** The number of bytes that are batched into one write to a socket. */
const batchSize = 64 * 1024

const { bool, bytea, float8, int4, int8, text } = BuiltIn

/** Encodes the frames of all rows one after the other, into buffers as for a socket. */
const batched =
  (write: (out: ByteWriter.ByteWriter, values: Values) => void) =>
  (rows: ReadonlyArray<Values>, onBuffer: (bytes: Uint8Array) => void): void => {
    const out = ByteWriter.make()
    for (const values of rows) {
      write(out, values)
      if (out.size >= batchSize) onBuffer(out.take())
    }
    onBuffer(out.take())
  }

/** Works as the client does for PostgreSQL: with the types that the server has reported for a prepared statement. */
const ours = (name: string, codegen: Wire.Codegen): Entry => ({
  name,
  kind: "ours",
  setup: async () =>
    encoder(batched(BindWriter.make({
      statement,
      types: [int4, bool, float8, text, int8, bytea],
      resultFormats: [1],
      codegen: codegen
    })))
})

/** Works as the client does for Hyper, but in PostgreSQL's formats: each type is inferred from each value. */
const inferred: Entry = {
  name: "hyperfect, types inferred",
  kind: "ours",
  setup: async () =>
    encoder(batched((out, values) => {
      const encoders = Parameter.encoders(values, "postgres")
      BindWriter.writeUnsafe(out, { statement, encoders, values, resultFormats: [1] })
    }))
}

const effectSqlPg: Entry = {
  name: "@effect/sql-pg",
  kind: "peer",
  setup: async () => {
    const encodeBind = PgProtocol.makeBindEncoder(PgTypes.writeParameter, PgTypes.isTextFormat)
    return encoder((rows, onBuffer) => {
      for (const [id, isOdd, ratio, name, total, blob] of rows) {
        const parameters = [
          PgTypes.int4(id),
          PgTypes.bool(isOdd),
          PgTypes.float8(ratio),
          PgTypes.text(name),
          PgTypes.int8(total),
          PgTypes.bytea(blob)
        ]
        const frame = encodeBind({ portal: "", statement, parameters })
        if (Result.isFailure(frame)) throw frame.failure
        onBuffer(frame.success)
      }
    })
  }
}

/** Converts numbers to text, as its driver does. */
const pgProtocol: Entry = {
  name: "pg-protocol",
  kind: "peer",
  setup: async () => {
    const valueMapper = (value: Values[number]) =>
      value === null || Buffer.isBuffer(value) || typeof value === "string" ? value : String(value)
    return encoder((rows, onBuffer) => {
      for (const values of rows) {
        onBuffer(serialize.bind({ statement, values: values as unknown as Array<unknown>, valueMapper, binary: true }))
      }
    })
  }
}

/** Knows the statement, the types and their order in advance, checks nothing, and writes through a DataView. */
const naive: Entry = {
  name: "naive",
  kind: "limit",
  setup: async () =>
    encoder((rows, onBuffer) => {
      let buffer = Buffer.allocUnsafeSlow(2 * batchSize)
      let view = new DataView(buffer.buffer)
      let at = 0
      for (const [id, isOdd, ratio, name, total, blob] of rows) {
        const start = at
        buffer[at] = 0x42
        at += 6
        buffer[at - 1] = 0
        at += buffer.write(statement, at, "latin1")
        buffer[at++] = 0
        view.setInt32(at, 0x0001_0001)
        view.setInt16(at + 4, 6)
        view.setInt32(at + 6, 4)
        view.setInt32(at + 10, id)
        view.setInt32(at + 14, 1)
        buffer[at + 18] = isOdd ? 1 : 0
        view.setInt32(at + 19, 8)
        view.setFloat64(at + 23, ratio)
        at += 31
        if (name === null) {
          view.setInt32(at, -1)
          at += 4
        } else {
          const length = buffer.write(name, at + 4)
          view.setInt32(at, length)
          at += 4 + length
        }
        view.setInt32(at, 8)
        view.setBigInt64(at + 4, total)
        view.setInt32(at + 12, blob.length)
        at += 16
        buffer.set(blob, at)
        at += blob.length
        view.setInt32(at, 0x0001_0001)
        at += 4
        view.setInt32(start + 1, at - start - 1)
        if (at >= batchSize) {
          onBuffer(buffer.subarray(0, at))
          buffer = Buffer.allocUnsafeSlow(2 * batchSize)
          view = new DataView(buffer.buffer)
          at = 0
        }
      }
      onBuffer(buffer.subarray(0, at))
    })
}

export const binds: Workload = {
  id: "A3",
  title: `${frameCount} Bind frames of 6 parameters, from JavaScript values`,
  floor: "naive",
  entries: [
    ours("hyperfect", "generated"),
    ours("hyperfect, interpreted", "interpreted"),
    inferred,
    effectSqlPg,
    pgProtocol,
    naive
  ]
}
