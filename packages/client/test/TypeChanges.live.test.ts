/** Types that change while statements are cached: by sessions of the same pool, and by other programs. */
import { assert } from "@effect/vitest"
import type { Queries } from "@hyperfect/client/Queries"
import { fromTextUnsafe, sql } from "@hyperfect/client/Statement"
import { Effect, Stream } from "effect"
import { describeServers, openSession, TestServer, uniqueName } from "./liveServers.ts"
import { openPoolWith } from "./pools.ts"

/** Longer than any test. */
const never = 3_600_000

/** Creates a table with a column of a composite type, and opens a further session. */
const pairTable = Effect.gen(function*() {
  const other = yield* openSession()
  const [pair, table] = [uniqueName("pair"), uniqueName("pairs")]
  yield* other.simple(
    `create type ${pair} as (x int, y int); create table ${table} (p ${pair}); insert into ${table} values ((1, 2))`
  )
  const swap = `alter type ${pair} drop attribute y; alter type ${pair} add attribute z int`
  const read = <E>(client: Queries<E>) =>
    Effect.map(client.values(`select p from ${table}`), ({ rows }) => rows.map(([p]) => p))
  const write = <E>(client: Queries<E>, p: object) => client.execute(fromTextUnsafe(`update ${table} set p = $1`, [p]))
  return { other, pair, read, swap, table, write }
})

/** Creates a table whose column is changed to another type, with some content. */
const numberTable = Effect.fnUntraced(function*(type: string) {
  const other = yield* openSession()
  const table = uniqueName("numbers")
  yield* other.simple(`create table ${table} (n ${type})`)
  const alterText = (type: string) => `alter table ${table} alter n type ${type}`
  const alter = (type: string) => other.simple(alterText(type))
  const insert = (value: unknown) => fromTextUnsafe(`insert into ${table} values ($1)`, [value])
  const last = Effect.map(
    other.simple(`select n::text from ${table}`),
    ([result]) => result!.rows.at(-1)!["n"]
  )
  return { alter, alterText, insert, last }
})

describeServers({
  postgres(it) {
    it.effect("a composite type altered by a session of a pool is known to all of them at once", () =>
      Effect.gen(function*() {
        const { config } = yield* TestServer
        const { read, swap, write } = yield* pairTable
        const { pool } = yield* openPoolWith({ ...config, typeCheckInterval: never }, { max: 2, depth: 1 })
        yield* Effect.scoped(Effect.gen(function*() {
          const [first, second] = [yield* pool.session, yield* pool.session]
          assert.deepStrictEqual(yield* read(second), [{ x: 1, y: 2 }])
          yield* first.simple(swap)
          for (const session of [first, second]) {
            assert.deepStrictEqual(yield* read(session), [{ x: 1, z: null }])
            yield* write(session, { x: 3, z: 4 })
            assert.deepStrictEqual(yield* read(session), [{ x: 3, z: 4 }])
            yield* write(session, { x: 1, z: null })
          }
        }))
      }))

    it.effect("a composite type altered in a transaction is not known to others before its end", () =>
      Effect.gen(function*() {
        const { config } = yield* TestServer
        const { pair, read } = yield* pairTable
        const { pool } = yield* openPoolWith({ ...config, typeCheckInterval: never }, { max: 2, depth: 1 })
        const added = [{ x: 1, y: 2, w: null }]
        const before = [{ x: 1, y: 2 }]
        yield* Effect.scoped(Effect.gen(function*() {
          const session = yield* pool.session
          assert.deepStrictEqual(yield* read(session), before)
          for (const end of ["rollback", "commit"]) {
            yield* session.simple("begin")
            yield* session.simple(`savepoint s; alter type ${pair} add attribute w int`)
            assert.deepStrictEqual(yield* read(session), added)
            yield* session.simple("rollback to savepoint s")
            assert.deepStrictEqual(yield* read(session), before)
            yield* session.simple(`alter type ${pair} add attribute w int`)
            assert.deepStrictEqual(yield* read(session), added)
            yield* session.simple(end)
            const wanted = end === "commit" ? added : before
            assert.deepStrictEqual(yield* read(session), wanted)
            assert.deepStrictEqual(yield* read(pool), wanted)
          }
        }))
      }))

    it.effect("a composite type altered by another program is updated after typeCheckInterval", () =>
      Effect.gen(function*() {
        const { other, read, swap, write } = yield* pairTable
        const session = yield* openSession({ typeCheckInterval: 30 })
        assert.deepStrictEqual(yield* read(session), [{ x: 1, y: 2 }])
        yield* other.simple(swap)
        yield* Effect.sleep(40)
        yield* write(session, { x: 3, z: 4 })
        assert.deepStrictEqual(yield* read(session), [{ x: 3, z: 4 }])
        assert.deepStrictEqual(yield* read(other), [{ x: 3, z: 4 }])
      }))

    it.effect("composite types are compared before every run with typeCheckInterval 0", () =>
      Effect.gen(function*() {
        const { other, pair, read, table, write } = yield* pairTable
        const session = yield* openSession({ typeCheckInterval: 0 })
        const nested = Effect.map(
          Stream.runCollect(session.streamValues(`select array[row(p)], array[p], t from ${table} t`)),
          ([row]) => JSON.stringify(row)
        )
        let [from, to] = ["y", "z"]
        for (const value of [5, 6, 7]) {
          yield* write(session, { x: 1, [from]: value })
          const wanted = { x: 1, [from]: value }
          assert.deepStrictEqual(yield* read(session), [wanted])
          yield* nested
          assert.strictEqual(yield* nested, JSON.stringify([[[wanted]], [wanted], { p: wanted }]))
          yield* other.simple(`alter type ${pair} rename attribute ${from} to ${to}`)
          ;[from, to] = [to, from]
        }
      }))

    it.effect("a value that fits the new type of a column is sent, although it did not fit before", () =>
      Effect.gen(function*() {
        for (const value of [2_147_483_648, "2147483648", BigInt(2_147_483_648)]) {
          const { alter, insert, last } = yield* numberTable("int")
          const session = yield* openSession({ typeCheckInterval: never })
          for (const small of [1, 2]) yield* session.execute(insert(typeof value === "string" ? `${small}` : small))
          yield* alter("bigint")
          yield* session.execute(insert(value))
          assert.strictEqual(yield* last, "2147483648")
        }
      }))

    it.effect("a value that fits the new type of a column is sent in a transaction, a batch and a stream too", () =>
      Effect.gen(function*() {
        const ways: ReadonlyArray<
          (session: Queries, insert: ReturnType<typeof fromTextUnsafe>) => Effect.Effect<unknown, unknown>
        > = [
          (session, insert) => session.transaction(session.execute(insert)),
          (session, insert) => session.batch([insert, "select 1"]),
          (session, insert) => Stream.runDrain(session.stream(insert))
        ]
        for (const run of ways) {
          const { alter, insert, last } = yield* numberTable("int")
          const session = yield* openSession({ typeCheckInterval: never })
          for (const small of [1, 2]) yield* session.execute(insert(small))
          yield* alter("bigint")
          yield* run(session, insert(2_147_483_648))
          assert.strictEqual(yield* last, "2147483648")
        }
      }))

    it.effect("a value that does not fit is refused by number, and the statement remains usable", () =>
      Effect.gen(function*() {
        const { insert, last } = yield* numberTable("int")
        const session = yield* openSession({ typeCheckInterval: never })
        for (const value of [1, 2, 3]) {
          yield* session.execute(insert(value))
          const refused = yield* Effect.flip(session.execute(insert(0.5)))
          assert.deepInclude(refused, { _tag: "ValueError", sent: "nothing" })
          const text = yield* Effect.flip(session.execute(insert("x")))
          assert.deepInclude(text, { _tag: "ServerError", isRetryable: false })
        }
        assert.strictEqual(yield* last, "3")
      }))

    it.effect("a parameter's type is described again after a run, or before it with typeCheckInterval 0", () =>
      Effect.gen(function*() {
        for (const [typeCheckInterval, staleRuns] of [[10, 1], [0, 0]] as const) {
          const { alter, insert, last } = yield* numberTable("real")
          const session = yield* openSession({ typeCheckInterval })
          yield* session.execute(insert(0.1))
          yield* alter("double precision")
          yield* Effect.sleep(20)
          for (let i = 0; i < staleRuns; i++) yield* session.execute(insert(0.1))
          // Queries that need no check come after it.
          yield* session.simple("select 1")
          yield* session.execute(insert(0.1))
          assert.strictEqual(yield* last, "0.1")
        }
      }))

    it.effect("the type of a parameter is described again after another session of the pool altered a table", () =>
      Effect.gen(function*() {
        const { config } = yield* TestServer
        const { alterText, insert, last } = yield* numberTable("real")
        const { pool } = yield* openPoolWith({ ...config, typeCheckInterval: never }, { max: 2, depth: 1 })
        yield* Effect.scoped(Effect.gen(function*() {
          const [first, second] = [yield* pool.session, yield* pool.session]
          for (const session of [first, second]) yield* session.execute(insert(0.1))
          yield* first.execute(alterText("double precision"))
          for (const session of [first, second]) {
            yield* session.execute(insert(0.1))
            assert.strictEqual(yield* last, "0.1")
          }
        }))
      }))

    it.effect("statements described again after a run are closed, and affect no transaction", () =>
      Effect.gen(function*() {
        const session = yield* openSession({ typeCheckInterval: 1 })
        for (let i = 0; i < 20; i++) {
          yield* session.query(sql`select ${i}::int`)
          yield* session.transaction(session.query(sql`select ${i}::int`))
          yield* Effect.sleep(2)
        }
        const [result] = yield* session.simple("select count(*)::int as n from pg_prepared_statements")
        assert.isAtMost(result!.rows[0]!["n"] as number, 3)
      }))
  }
})
