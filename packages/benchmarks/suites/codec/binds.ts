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
import { random, seeded, sentence } from "./documents.ts"
import { makeDigest } from "./frames.ts"
import { columnsOf, idOf, type Sample, sets, type Which } from "./samples.ts"
import { lineOf } from "./tables.ts"

const frameCount = 100_000

/** The values as a program has them: without types or bytes. */
type Values = ReadonlyArray<unknown>

/** Writes fields through a DataView, from a position on; returns the position after them. */
type WriteFields = (buffer: Buffer, view: DataView, at: number, values: Values) => number

interface Fixture {
  readonly columns: ReadonlyArray<Sample>
  readonly valuesOf: (index: number) => Values
  readonly toEffect: (values: Values) => ReadonlyArray<PgTypes.Parameter>
  readonly writeFields: WriteFields
}

const { bool, bytea, float8, int4, int8, text } = BuiltIn

const writeText = (buffer: Buffer, view: DataView, at: number, value: string | null): number => {
  if (value === null) {
    view.setInt32(at, -1)
    return at + 4
  }
  const length = buffer.write(value, at + 4)
  view.setInt32(at, length)
  return at + 4 + length
}

const writeFloat = (view: DataView, at: number, value: number | null): number => {
  view.setInt32(at, value === null ? -1 : 8)
  if (value === null) return at + 4
  view.setFloat64(at + 4, value)
  return at + 12
}

/** Numbers, a text of which one in sixteen is NULL, and bytes. */
type Six = readonly [id: number, isOdd: boolean, ratio: number, name: string | null, total: bigint, blob: Buffer]

const six: Fixture = {
  columns: columnsOf(0, [int4, bool, float8, text, int8, bytea]),
  valuesOf: (index): Six => {
    const seed = random(index)
    return [
      seed | 0,
      index % 2 === 1,
      // Never an integer, because its type would be ambiguous.
      seed / 1024 + 1 / 4096,
      index % 16 === 7 ? null : `name ${index} ${index % 4 === 0 ? "é" : "e"}${"x".repeat(seed % 24)}`,
      BigInt(seed) * BigInt(1_000_000_007),
      Buffer.alloc(8 + seed % 24, seed & 0xff)
    ]
  },
  toEffect: (values) => {
    const [id, isOdd, ratio, name, total, blob] = values as Six
    return [
      PgTypes.int4(id),
      PgTypes.bool(isOdd),
      PgTypes.float8(ratio),
      PgTypes.text(name),
      PgTypes.int8(total),
      PgTypes.bytea(blob)
    ]
  },
  writeFields: (buffer, view, at, values) => {
    const [id, isOdd, ratio, name, total, blob] = values as Six
    view.setInt32(at, 4)
    view.setInt32(at + 4, id)
    view.setInt32(at + 8, 1)
    buffer[at + 12] = isOdd ? 1 : 0
    at = writeFloat(view, at + 13, ratio)
    at = writeText(buffer, view, at, name)
    view.setInt32(at, 8)
    view.setBigInt64(at + 4, total)
    view.setInt32(at + 12, blob.length)
    at += 16
    buffer.set(blob, at)
    return at + blob.length
  }
}

/** Long texts that are not ASCII, between numbers that are often NULL. */
type Eight = readonly [
  title: string | null,
  body: string,
  low: number | null,
  high: number | null,
  mean: number | null,
  isKept: boolean,
  count: number,
  note: string | null
]

const eight: Fixture = {
  columns: columnsOf(1, [text, text, float8, float8, float8, bool, int4, text]),
  valuesOf: (index): Eight => {
    const next = seeded(index)
    const float = () => next(900) < 300 ? null : next(1000) + 0.5
    return [
      sentence(next, 2),
      sentence(next, next(60)),
      float(),
      float(),
      float(),
      next(100) < 97,
      next(200) - 50,
      next(900) < 700 ? null : ""
    ]
  },
  toEffect: (values) => {
    const [title, body, low, high, mean, isKept, count, note] = values as Eight
    return [
      PgTypes.text(title),
      PgTypes.text(body),
      PgTypes.float8(low),
      PgTypes.float8(high),
      PgTypes.float8(mean),
      PgTypes.bool(isKept),
      PgTypes.int4(count),
      PgTypes.text(note)
    ]
  },
  writeFields: (buffer, view, at, values) => {
    const [title, body, low, high, mean, isKept, count, note] = values as Eight
    at = writeText(buffer, view, writeText(buffer, view, at, title), body)
    at = writeFloat(view, writeFloat(view, writeFloat(view, at, low), high), mean)
    view.setInt32(at, 1)
    buffer[at + 4] = isKept ? 1 : 0
    view.setInt32(at + 5, 4)
    view.setInt32(at + 9, count)
    return writeText(buffer, view, at + 13, note)
  }
}

const fixtures: Readonly<Record<Which, Fixture>> = { 0: six, 1: eight }

/**
 * Returns a row for each frame, repeating a smaller set of rows: a program has usually just made the values of a query,
 * so they are in the processor's cache. A hundred thousand different rows are not, and fetching them took half of the
 * measured time (and garbage collection of them much of the rest).
 */
const rows = ({ valuesOf }: Fixture): ReadonlyArray<Values> => {
  const different = Array.from({ length: 4096 }, (_, index) => valuesOf(index))
  return Array.from({ length: frameCount }, (_, index) => different[index % different.length]!)
}

const statement = "s1"

/** Formats the values of a Bind, whatever their formats, as a line for a digest. */
const lineOfBind = ({ columns }: Fixture, frame: Uint8Array): string => {
  const message = Frontend.readerUnsafe("password")(frame, 0, frame.length)
  if (message._tag !== "Bind" || message.statement !== statement) throw new Error(`not a Bind of ${statement}`)
  const { parameterFormats, parameters } = message
  const isBinary = (i: number) => (parameterFormats.length === 1 ? parameterFormats[0] : parameterFormats[i]) === 1
  return lineOf(
    columns,
    parameters.map((bytes, i) => {
      if (bytes === null) return null
      const { type } = columns[i]!
      if (isBinary(i)) return type.binary!.read(bytes, 0, bytes.length, -1)
      // pg-protocol writes true where PostgreSQL writes t.
      return type === bool ? Buffer.from(bytes).toString() : type.text.read(bytes, 0, bytes.length, -1)
    })
  )
}

/** Makes an entry from a function that encodes the frames of rows and emits buffers of whole frames. */
const encoder = (
  fixture: Fixture,
  run: (rows: ReadonlyArray<Values>, onBuffer: (bytes: Uint8Array) => void) => void
): Prepared => {
  const input = rows(fixture)
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
          digest.add(lineOfBind(fixture, bytes.subarray(at, end)))
          at = end
        }
      })
      return Promise.resolve(digest.end())
    }
  }
}

/** The number of bytes that are batched into one write to a socket. */
const batchSize = 64 * 1024

/** Encodes a frame into a buffer. */
type Write = (out: ByteWriter.ByteWriter, values: Values) => void

/** Encodes the frames of all rows one after the other, into buffers as for a socket; `start` is called for each round. */
const batched = (start: () => Write) => (rows: ReadonlyArray<Values>, onBuffer: (bytes: Uint8Array) => void): void => {
  const write = start()
  const out = ByteWriter.make()
  for (const values of rows) {
    write(out, values)
    if (out.size >= batchSize) onBuffer(out.take())
  }
  onBuffer(out.take())
}

const makeWriter = ({ columns }: Fixture, codegen?: Wire.Codegen): Write =>
  BindWriter.make({ statement, types: columns.map(({ type }) => type), resultFormats: [1], codegen: codegen })

/** Works as the client does for PostgreSQL: with the types that the server has reported for a prepared statement. */
const ours = (fixture: Fixture, name: string, codegen: Wire.Codegen): Entry => ({
  name,
  kind: "ours",
  setup: async () => {
    const write = makeWriter(fixture, codegen)
    return encoder(fixture, batched(() => write))
  }
})

/** Makes the writer in each round, as a program has it that runs once. */
const anew = (fixture: Fixture): Entry => ({
  name: "hyperfect, anew",
  kind: "ours",
  setup: async () => encoder(fixture, batched(() => makeWriter(fixture)))
})

/** Works as the client does for Hyper, but in PostgreSQL's formats: each type is inferred from each value. */
const inferred = (fixture: Fixture): Entry => ({
  name: "hyperfect, types inferred",
  kind: "ours",
  setup: async () =>
    encoder(
      fixture,
      batched(() => (out, values) => {
        const encoders = Parameter.encoders(values, "postgres")
        BindWriter.writeUnsafe(out, { statement, encoders, values, resultFormats: [1] })
      })
    )
})

const effectSqlPg = (fixture: Fixture): Entry => ({
  name: "@effect/sql-pg",
  kind: "peer",
  setup: async () => {
    const { toEffect } = fixture
    const encodeBind = PgProtocol.makeBindEncoder(PgTypes.writeParameter, PgTypes.isTextFormat)
    return encoder(fixture, (rows, onBuffer) => {
      for (const values of rows) {
        const frame = encodeBind({ portal: "", statement, parameters: toEffect(values) })
        if (Result.isFailure(frame)) throw frame.failure
        onBuffer(frame.success)
      }
    })
  }
})

/** Converts numbers to text, as its driver does. */
const pgProtocol = (fixture: Fixture): Entry => ({
  name: "pg-protocol",
  kind: "peer",
  setup: async () => {
    const valueMapper = (value: unknown) =>
      value === null || Buffer.isBuffer(value) || typeof value === "string"
        ? value
        : String(value as number | boolean | bigint)
    return encoder(fixture, (rows, onBuffer) => {
      for (const values of rows) {
        onBuffer(serialize.bind({ statement, values: values as Array<unknown>, valueMapper, binary: true }))
      }
    })
  }
})

/** Knows the statement, the types and their order in advance, checks nothing, and writes through a DataView. */
const naive = (fixture: Fixture): Entry => ({
  name: "naive",
  kind: "limit",
  setup: async () => {
    const { columns, writeFields } = fixture
    return encoder(fixture, (rows, onBuffer) => {
      let buffer = Buffer.allocUnsafeSlow(2 * batchSize)
      let view = new DataView(buffer.buffer)
      let at = 0
      for (const values of rows) {
        const start = at
        buffer[at] = 0x42
        at += 6
        buffer[at - 1] = 0
        at += buffer.write(statement, at, "latin1")
        buffer[at++] = 0
        view.setInt32(at, 0x0001_0001)
        view.setInt16(at + 4, columns.length)
        at = writeFields(buffer, view, at + 6, values)
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
})

const workload = (set: Which): Workload => {
  const fixture = fixtures[set]
  return {
    id: idOf("A3", set),
    title: `${frameCount} Bind frames of ${fixture.columns.length} parameters, from JavaScript values`,
    floor: "naive",
    entries: [
      ours(fixture, "hyperfect", "generated"),
      ours(fixture, "hyperfect, interpreted", "interpreted"),
      anew(fixture),
      inferred(fixture),
      effectSqlPg(fixture),
      pgProtocol(fixture),
      naive(fixture)
    ]
  }
}

export const binds: ReadonlyArray<Workload> = sets.map(workload)
