/** Checking rows by a Schema after reading: the cost if the column types already guarantee it, and if they do not. */
import { BuiltIn, Row, type RowReader, TimestampTz, type Type } from "@hyperfect/values"
import { Effect, Result, Schema } from "effect"
import type { Entry, Workload } from "../../Workload.ts"
import { random } from "../codec/documents.ts"
import { makeDigest } from "../codec/frames.ts"

const rowCount = 100_000

const rows = (): ReadonlyArray<RowReader.ObjectRow> =>
  Array.from({ length: rowCount }, (_, i) => ({
    id: BigInt(random(i)),
    name: i % 16 === 7 ? null : `name ${i}`,
    ratio: random(i) / 1024,
    seen: TimestampTz.fromPartsUnsafe(random(i) % 10_000, random(i)),
    isOdd: i % 2 === 1,
    count: random(i) >>> 1
  }))

const User = Schema.Struct({
  id: Schema.BigInt,
  name: Schema.NullOr(Schema.String),
  ratio: Schema.Number,
  seen: TimestampTz.TimestampTz,
  isOdd: Schema.Boolean,
  count: Schema.Int
})

const types: Readonly<Record<string, Type.Any>> = {
  id: BuiltIn.int8,
  name: BuiltIn.text,
  ratio: BuiltIn.float8,
  seen: BuiltIn.timestamptz,
  isOdd: BuiltIn.bool,
  count: BuiltIn.int4
}

type User = typeof User.Type

const line = ({ count, id, isOdd, name, ratio, seen }: User): string =>
  `${id} ${name} ${ratio} ${String(seen)} ${isOdd} ${count}`

const entry = (
  name: string,
  kind: Entry["kind"],
  decodeAll: () => (rows: ReadonlyArray<RowReader.ObjectRow>) => ReadonlyArray<User>
): Entry => ({
  name,
  kind,
  setup: async () => {
    const input = rows()
    const decode = decodeAll()
    return {
      run: () => {
        if (decode(input).length !== rowCount) throw new Error("other rows")
      },
      check: () => {
        const digest = makeDigest()
        for (const row of decode(input)) digest.add(line(row))
        return Promise.resolve(digest.end())
      }
    }
  }
})

const ours = (schema: Schema.Codec<User>) => () => {
  const columns = Object.entries(types).map(([name, type]) => ({ name, type }))
  const { decode } = Result.getOrThrowWith(Row.schema(schema)(columns), () => new Error("it does not fit"))
  return (rows: ReadonlyArray<RowReader.ObjectRow>) => Effect.runSync(decode(rows, 0))
}

const Checked = User.check(Schema.makeFilter(({ count }) => count >= 0))

export const schemas: Workload = {
  id: "schema",
  title: `${rowCount} rows of 6 columns by a Schema`,
  entries: [
    entry("hyperfect, fused", "ours", ours(User)),
    entry("hyperfect, with a check", "ours", ours(Checked)),
    entry("an array of the Schema", "limit", () => {
      const decode = Schema.decodeUnknownSync(Schema.Array(User))
      return (rows) => decode(rows)
    }),
    entry("row by row", "limit", () => {
      const decode = Schema.decodeUnknownSync(User)
      return (rows) => rows.map((row) => decode(row))
    })
  ]
}
