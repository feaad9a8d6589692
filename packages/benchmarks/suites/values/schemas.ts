/** Checking rows by a Schema after reading: the cost if the column types already guarantee it, and if they do not. */
import { BuiltIn, Row, type RowReader, TimestampTz, type Type } from "@hyperfect/values"
import { Effect, Result, Schema } from "effect"
import type { Entry, Workload } from "../../Workload.ts"
import { random, seeded, sentence } from "../codec/documents.ts"
import { makeDigest } from "../codec/frames.ts"
import { idOf, type Which } from "../codec/samples.ts"

const rowCount = 100_000

/** A Schema of rows, a check of it that all rows pass, and rows as a reader returns them. */
interface Fixture<Row extends RowReader.ObjectRow> {
  readonly schema: Schema.Codec<Row>
  readonly checked: Schema.Codec<Row>
  readonly types: Readonly<Record<string, Type.Any>>
  readonly row: (index: number) => Row
}

const User = Schema.Struct({
  id: Schema.BigInt,
  name: Schema.NullOr(Schema.String),
  ratio: Schema.Number,
  seen: TimestampTz.TimestampTz,
  isOdd: Schema.Boolean,
  count: Schema.Int
})

const users: Fixture<typeof User.Type> = {
  schema: User,
  checked: User.check(Schema.makeFilter(({ count }) => count >= 0)),
  types: {
    id: BuiltIn.int8,
    name: BuiltIn.text,
    ratio: BuiltIn.float8,
    seen: BuiltIn.timestamptz,
    isOdd: BuiltIn.bool,
    count: BuiltIn.int4
  },
  row: (i) => ({
    id: BigInt(random(i)),
    name: i % 16 === 7 ? null : `name ${i}`,
    ratio: random(i) / 1024,
    seen: TimestampTz.fromPartsUnsafe(random(i) % 10_000, random(i)),
    isOdd: i % 2 === 1,
    count: random(i) >>> 1
  })
}

const Reading = Schema.Struct({
  station: Schema.String,
  low: Schema.NullOr(Schema.Number),
  high: Schema.NullOr(Schema.Number),
  mean: Schema.NullOr(Schema.Number),
  wind: Schema.NullOr(Schema.Number),
  rain: Schema.NullOr(Schema.Number),
  isFinal: Schema.NullOr(Schema.Boolean),
  year: Schema.Int,
  day: Schema.Int,
  note: Schema.NullOr(Schema.String)
})

const readings: Fixture<typeof Reading.Type> = {
  schema: Reading,
  checked: Reading.check(Schema.makeFilter(({ day }) => day < 367)),
  types: {
    station: BuiltIn.text,
    low: BuiltIn.float8,
    high: BuiltIn.float8,
    mean: BuiltIn.float8,
    wind: BuiltIn.float8,
    rain: BuiltIn.float8,
    isFinal: BuiltIn.bool,
    year: BuiltIn.int4,
    day: BuiltIn.int4,
    note: BuiltIn.text
  },
  row: (i) => {
    const next = seeded(i)
    const float = () => next(900) < 400 ? null : next(1000) / 10 - 40
    return {
      station: sentence(next, 2),
      low: float(),
      high: float(),
      mean: float(),
      wind: float(),
      rain: float(),
      isFinal: next(900) < 100 ? null : true,
      year: 1950 + next(75),
      day: next(366),
      note: next(900) < 800 ? null : sentence(next, 12)
    }
  }
}

/** Decodes all rows. */
type Decode = (rows: ReadonlyArray<RowReader.ObjectRow>) => ReadonlyArray<object>

/** Makes an entry, which is `anew` if it makes the decoder in each round, as a statement has it that runs once. */
const entry = (
  row: (index: number) => RowReader.ObjectRow,
  name: string,
  kind: Entry["kind"],
  make: () => Decode,
  anew = false
): Entry => ({
  name,
  kind,
  setup: async () => {
    const made = make()
    const start = () => anew ? make() : made
    const input = Array.from({ length: rowCount }, (_, i) => row(i))
    return {
      run: () => {
        if (start()(input).length !== rowCount) throw new Error("other rows")
      },
      check: () => {
        const digest = makeDigest()
        for (const decoded of start()(input)) {
          digest.add(Object.entries(decoded).map(([name, value]) => `${name} ${value}`).join("|"))
        }
        return Promise.resolve(digest.end())
      }
    }
  }
})

const ours = <Row extends RowReader.ObjectRow>(types: Fixture<Row>["types"], schema: Schema.Codec<Row>): Decode => {
  const columns = Object.entries(types).map(([name, type]) => ({ name, type }))
  const { decode } = Result.getOrThrowWith(Row.schema(schema)(columns), () => new Error("it does not fit"))
  return (rows) => Effect.runSync(decode(rows, 0))
}

const workload = <Row extends RowReader.ObjectRow>(set: Which, fixture: Fixture<Row>): Workload => {
  const { checked, row, schema, types } = fixture
  return {
    id: idOf("schema", set),
    title: `${rowCount} rows of ${Object.keys(types).length} columns by a Schema`,
    entries: [
      entry(row, "hyperfect, fused", "ours", () => ours(types, schema)),
      entry(row, "hyperfect, fused anew", "ours", () => ours(types, schema), true),
      entry(row, "hyperfect, with a check", "ours", () => ours(types, checked)),
      entry(row, "an array of the Schema", "limit", () => Schema.decodeUnknownSync(Schema.Array(schema))),
      entry(row, "row by row", "limit", () => {
        const decode = Schema.decodeUnknownSync(schema)
        return (rows) => rows.map((row) => decode(row))
      })
    ]
  }
}

export const schemas: ReadonlyArray<Workload> = [workload(0, users), workload(1, readings)]
