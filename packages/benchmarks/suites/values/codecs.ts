/** Single values of a type, read and written by each library's codec. */
import * as PgTypes from "@effect/sql-pg/PgTypes"
import * as ByteWriter from "@hyperfect/protocol/ByteWriter"
import type { Type } from "@hyperfect/values"
import { Result } from "effect"
import pg from "pg"
import pgUtils from "pg/lib/utils.js"
import type { Entry, Prepared, Workload } from "../../Workload.ts"
import { makeDigest } from "../codec/frames.ts"
import { idOf, type Sample, samplesOf, sets, type Which } from "../codec/samples.ts"

const count = 200_000
/** The number of values, which are made once and reused, so that a round measures only the codecs. */
const distinct = 4_000

const valuesOf = ({ make }: Sample): ReadonlyArray<unknown> => Array.from({ length: distinct }, (_, i) => make(i))

interface Written {
  readonly bytes: Buffer
  /** The end of each value; the first begins at 0. */
  readonly ends: ReadonlyArray<number>
}

const write = (codec: Type.Codec<unknown>, values: ReadonlyArray<unknown>): Written => {
  const out = ByteWriter.make()
  const ends = values.map((value) => {
    codec.write(out, value, -1)
    return out.size
  })
  return { bytes: Buffer.from(out.take()), ends }
}

const decoder = (
  { bytes, ends }: Written,
  { line }: Sample,
  read: (bytes: Buffer, start: number, end: number) => unknown
): Prepared => ({
  run: () => {
    let last: unknown
    for (let i = 0; i < count; i++) {
      const at = i % distinct
      last = read(bytes, at === 0 ? 0 : ends[at - 1]!, ends[at]!)
    }
    return last
  },
  check: () => {
    const digest = makeDigest()
    for (const [i, end] of ends.entries()) digest.add(line(read(bytes, i === 0 ? 0 : ends[i - 1]!, end)))
    return Promise.resolve(digest.end())
  }
})

/** Returns the type's name without brackets. */
const nameOf = ({ type }: Sample): string => type.name.replace("[]", "-array")

const decoding = (sample: Sample, set: Which): Workload => {
  const { type } = sample
  const entries: ReadonlyArray<Entry> = [
    {
      name: "hyperfect",
      kind: "ours",
      setup: async () => {
        const { read } = type.binary!
        return decoder(
          write(type.binary!, valuesOf(sample)),
          sample,
          (bytes, start, end) => read(bytes, start, end, -1)
        )
      }
    },
    {
      name: "hyperfect, text",
      kind: "ours",
      setup: async () => {
        const { read } = type.text
        return decoder(write(type.text, valuesOf(sample)), sample, (bytes, start, end) => read(bytes, start, end, -1))
      }
    },
    {
      name: "@effect/sql-pg",
      kind: "peer",
      setup: async () => {
        const read = Result.getOrThrow(PgTypes.makeFieldReader([{ dataTypeOid: type.oid, format: 1 } as never]))
        return decoder(
          write(type.binary!, valuesOf(sample)),
          sample,
          (bytes, start, end) => read(bytes, start, end - start, 0)
        )
      }
    },
    {
      name: "pg-types (text)",
      kind: "peer",
      setup: async () => {
        const parse = pg.types.getTypeParser(type.oid, "text") as (text: string) => unknown
        // pg-protocol creates the text first, which is a part of the work.
        return decoder(
          write(type.text, valuesOf(sample)),
          sample,
          (bytes, start, end) => parse(bytes.toString("utf8", start, end))
        )
      }
    }
  ]
  return { id: idOf(`decode-${nameOf(sample)}`, set), title: `${count} values of ${type.name}, to JavaScript`, entries }
}

const encoder = (
  sample: Sample,
  run: (values: ReadonlyArray<unknown>, count: number) => void,
  one: (value: unknown) => unknown
): Prepared => {
  const values = valuesOf(sample)
  return {
    run: () => run(values, count),
    check: () => {
      const digest = makeDigest()
      for (const value of values) digest.add(sample.line(one(value)))
      return Promise.resolve(digest.end())
    }
  }
}

const readBack = ({ type }: Sample, format: 0 | 1, bytes: Uint8Array): unknown =>
  (format === 0 ? type.text : type.binary!).read(bytes, 0, bytes.length, -1)

const encoding = (sample: Sample, set: Which): Workload => {
  const { type } = sample
  const { oid } = type
  const ours: Entry = {
    name: "hyperfect",
    kind: "ours",
    setup: async () => {
      const { write } = type.binary!
      const out = ByteWriter.make(1 << 16)
      return encoder(sample, (values, count) => {
        for (let i = 0; i < count; i++) {
          write(out, values[i % distinct], -1)
          if (out.size > 60_000) out.take()
        }
        out.take()
      }, (value) => {
        write(out, value, -1)
        return readBack(sample, 1, out.take())
      })
    }
  }
  const effectSqlPg: Entry = {
    name: "@effect/sql-pg",
    kind: "peer",
    setup: async () => {
      // Converts the value to the form that its codec takes.
      const own = (value: unknown): unknown => {
        if (type.name === "numeric" || type.name === "date") return sample.line(value)
        return value
      }
      const encode = (value: unknown) => Result.getOrThrow(PgTypes.encode(value, oid))
      const converted = valuesOf(sample).map(own)
      return encoder(sample, (_, count) => {
        for (let i = 0; i < count; i++) encode(converted[i % distinct])
      }, (value) => readBack(sample, 1, encode(own(value))))
    }
  }
  const pgText: Entry = {
    name: "pg (text)",
    kind: "peer",
    setup: async () => {
      const own = (value: unknown): unknown =>
        type.name === "numeric" || type.name === "date" ? sample.line(value) : value
      const prepare = (value: unknown): Buffer => {
        const prepared: unknown = pgUtils.prepareValue(own(value))
        return Buffer.isBuffer(prepared) ? prepared : Buffer.from(prepared as string)
      }
      // It passes `bytea` on as bytes, and writes true where PostgreSQL writes t.
      const readPg = (bytes: Buffer): unknown =>
        type.name === "bytea" ? bytes : type.name === "bool" ? bytes.toString() : readBack(sample, 0, bytes)
      const converted = valuesOf(sample).map(own)
      return encoder(sample, (_, count) => {
        for (let i = 0; i < count; i++) {
          const prepared: unknown = pgUtils.prepareValue(converted[i % distinct])
          if (typeof prepared === "string") Buffer.from(prepared)
        }
      }, (value) => readPg(prepare(value)))
    }
  }
  return {
    id: idOf(`encode-${nameOf(sample)}`, set),
    title: `${count} values of ${type.name}, to bytes`,
    entries: [ours, effectSqlPg, pgText]
  }
}

const each = (workload: (sample: Sample, set: Which) => Workload): ReadonlyArray<Workload> =>
  sets.flatMap((set) => samplesOf(set).map((sample) => workload(sample, set)))

export const decode: ReadonlyArray<Workload> = each(decoding)
export const encode: ReadonlyArray<Workload> = each(encoding)
