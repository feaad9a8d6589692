import { assert } from "@effect/vitest"
import * as Statement from "@hyperfect/client/Statement"
import { BuiltIn, Columns, Parameter, Preset } from "@hyperfect/values"
import { Effect } from "effect"
import { describeServers, openSession } from "./liveServers.ts"
import { openPool } from "./pools.ts"

const { sql, withPreset } = Statement

const manyRows = sql`select n, cast(n as bigint) * 1000000000000 as big, cast(n as double precision) / 4 as ratio,
  n % 2 = 0 as even, 'row ' || n as note, case when n % 3 = 0 then null else n end as gaps,
  cast('2024-02-29 12:30:00.000001' as timestamp) as wall, cast(n as numeric(10,2)) as amount
  from generate_series(1, ${Parameter.make(5000, BuiltIn.int4)}) as g(n) order by n`

describeServers({
  both(it) {
    it.effect("returns results as columns, with fields, command tag and row count", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const { columns, commandTag, fields, rowCount } = yield* session.columns(manyRows)
        assert.deepStrictEqual(columns.map(({ _tag, name }) => [name, _tag]), [
          ["n", "Int32"],
          ["big", "Int64"],
          ["ratio", "Float64"],
          ["even", "Bool"],
          ["note", "Text"],
          ["gaps", "Int32"],
          ["wall", "Timestamp"],
          ["amount", "Values"]
        ])
        assert.deepStrictEqual(fields.map(({ name }) => name), columns.map(({ name }) => name))
        assert.deepStrictEqual([commandTag, rowCount], ["SELECT 5000", 5000])
        assert.isTrue(columns.every(({ length }) => length === 5000))
        assert.strictEqual(columns[5]!.nullCount, 1666)
        const { rows } = yield* session.values(manyRows)
        for (const [i, column] of columns.entries()) {
          assert.deepStrictEqual(Columns.toArray(column), rows.map((row) => row[i]))
        }
        // The code compiled for one result is reused for the next.
        assert.deepStrictEqual((yield* session.columns(manyRows)).columns[4], columns[4])
      }))

    it.effect("accepts columns of the same name, no rows and no columns", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const { columns } = yield* session.columns("select 1 as a, 2 as a")
        assert.deepStrictEqual(columns.map((column) => [column.name, ...Columns.toArray(column)]), [["a", 1], ["a", 2]])
        const empty = yield* session.columns("select 1 as a where 1 = 0")
        assert.deepStrictEqual(empty.columns.map(({ length, name }) => [name, length]), [["a", 0]])
        assert.deepStrictEqual((yield* session.columns("")).columns, [])
      }))

    it.effect("reads columns by presets", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const statement = withPreset(
          "select cast(1 as bigint) as n, cast(2 as bigint) as m",
          Preset.withColumns(Preset.lossless, { m: Preset.native })
        )
        const { columns } = yield* session.columns(statement)
        assert.deepStrictEqual(columns.map((column) => [column._tag, ...Columns.toArray(column)]), [
          ["Int64", BigInt(1)],
          ["Values", "2"]
        ])
      }))

    it.effect("fails a query with its own error, and no other query", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const [failed, refused, fine] = yield* Effect.all([
          Effect.flip(session.columns("select 1 / (n - 3) from generate_series(1, 5) as g(n)")),
          Effect.flip(session.columns(withPreset(
            "select cast('9007199254740993' as bigint) as n",
            Preset.withTypes(Preset.lossless, { int8: BuiltIn.int8Number })
          ))),
          session.columns("select 1 as n")
        ], { concurrency: "unbounded" })
        assert.isTrue(failed._tag === "ServerError" && failed.reason._tag === "DivisionByZero")
        assert.isTrue(refused._tag === "ValueError" && refused.reason.name === "n")
        assert.deepStrictEqual(Columns.toArray(fine.columns[0]!), [1])
      }))

    it.effect("works on pools as well", () =>
      Effect.gen(function*() {
        const { pool } = yield* openPool()
        const { columns } = yield* pool.columns("select 7 as n")
        assert.deepStrictEqual(Columns.toArray(columns[0]!), [7])
      }))
  }
})
