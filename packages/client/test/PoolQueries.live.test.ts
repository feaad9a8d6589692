/** The operations of a session, run on a pool. */
import { assert } from "@effect/vitest"
import * as Statement from "@hyperfect/client/Statement"
import * as BuiltIn from "@hyperfect/values/BuiltIn"
import * as Parameter from "@hyperfect/values/Parameter"
import { Effect, Option, Result, Stream } from "effect"
import { describeServers, uniqueName } from "./liveServers.ts"
import { openPool, waitUntil } from "./pools.ts"

const { identifier, sql } = Statement

describeServers({
  both(it) {
    it.effect("a pool returns the results of a session", () =>
      Effect.gen(function*() {
        const { pool } = yield* openPool({ max: 2 })
        const table = identifier(uniqueName("pooled"))
        yield* pool.execute(sql`create table ${table} (a int)`)
        const insert = (a: number) => sql`insert into ${table} values (${a})`
        const count = Effect.map(pool.one(sql`select count(*)::int as n from ${table}`), ({ n }) => n)
        assert.strictEqual((yield* pool.execute(insert(1))).rowCount, 1)
        assert.lengthOf(yield* pool.batch([insert(2), insert(3)]), 2)
        assert.strictEqual(yield* count, 3)
        yield* Effect.flip(pool.batch([insert(4), "select 1 / 0"]))
        assert.strictEqual(yield* count, 3)
        const outcomes = yield* pool.pipeline([insert(4), "select no_such_column", insert(5)])
        assert.deepStrictEqual(outcomes.map(Result.isSuccess), [true, false, true])
        assert.strictEqual(yield* count, 5)
        assert.deepStrictEqual(
          yield* pool.optional(sql`select a from ${table} where a = ${9}`),
          Option.none()
        )
        assert.strictEqual((yield* pool.columns(sql`select a from ${table}`)).rowCount, 5)
        assert.deepStrictEqual((yield* pool.describe(sql`select ${true} as a`)).fields.map(({ name }) => name), ["a"])
        const stream = pool.streamValues(Statement.fromTextUnsafe(`select a from ${table.text} order by a`), {
          fetchSize: 2
        })
        assert.deepStrictEqual(yield* Stream.runCollect(stream), [[1], [2], [3], [4], [5]])
        yield* waitUntil(() => pool.stats().taken + pool.stats().queries === 0)
      }))

    it.effect("a prepared statement holds a session of the pool until its scope closes", () =>
      Effect.gen(function*() {
        const { pool } = yield* openPool({ max: 2 })
        yield* Effect.scoped(Effect.gen(function*() {
          const { values } = yield* pool.prepare("select $1 + 1", [BuiltIn.int4])
          assert.strictEqual(pool.stats().taken, 1)
          assert.deepStrictEqual((yield* values(1)).rows, [[2]])
          assert.deepStrictEqual((yield* values(2)).rows, [[3]])
          assert.deepStrictEqual((yield* pool.values("select 5")).rows, [[5]])
        }))
        yield* waitUntil(() => pool.stats().taken === 0)
      }))

    it.effect("all operations join the transaction that they run in", () =>
      Effect.gen(function*() {
        const { pool } = yield* openPool({ max: 1 })
        const table = identifier(uniqueName("pooled"))
        yield* pool.execute(sql`create table ${table} (a int)`)
        const insert = (a: number) => sql`insert into ${table} values (${a})`
        yield* Effect.flip(pool.transaction(Effect.gen(function*() {
          yield* pool.execute(insert(1))
          yield* pool.batch([insert(2), insert(3)])
          yield* pool.pipeline([insert(4)])
          assert.strictEqual((yield* pool.one(sql`select count(*)::int as n from ${table}`))["n"], 4)
          return yield* Effect.fail("no")
        })))
        assert.strictEqual((yield* pool.query(sql`select * from ${table}`)).rowCount, 0)
      }))
  },

  postgres(it) {
    it.effect("a function is called on any session", () =>
      Effect.gen(function*() {
        const { pool } = yield* openPool({ max: 1 })
        const { oid } = yield* pool.one("select 'int4pl(integer, integer)'::regprocedure::oid as oid")
        const args = [Parameter.make(40, BuiltIn.int4), Parameter.make(2, BuiltIn.int4)]
        assert.strictEqual(yield* pool.call(oid as number, args, BuiltIn.int4), 42)
      }))
  }
})
