import { assert } from "@effect/vitest"
import type * as Session from "@hyperfect/client/Session"
import * as Statement from "@hyperfect/client/Statement"
import { Effect, Stream } from "effect"
import { fresh, open, servers } from "./servers.ts"

const { identifier, sql } = Statement

/** How many statements the server keeps for the session, counted by a statement that is not one of them. */
const kept = (session: Session.Session) =>
  Effect.map(
    session.simple("select count(*)::int as n from pg_prepared_statements"),
    ([result]) => result!.rows[0]!["n"] as number
  )

const numbers = (count: number) => Array.from({ length: count }, (_, i) => i)

servers({
  both(it) {
    it.effect("runs a statement again with other values, of other types too", () =>
      Effect.gen(function*() {
        const session = yield* open()
        for (const value of [true, "text", null, 1, false, "again", BigInt(2)]) {
          const { rows } = yield* session.values(sql`select (${value}::text) is null, 1`)
          assert.deepStrictEqual(rows, [[value === null, 1]])
        }
      }))

    it.effect("keeps few statements and runs many at a time", () =>
      Effect.gen(function*() {
        const session = yield* open({ statementCacheSize: 1 })
        const answers = yield* Effect.forEach(
          numbers(300),
          (i) => Effect.map(session.values(`select ${i}, 'x' as s${i % 50}`), ({ rows }) => rows[0]![0]),
          { concurrency: 16 }
        )
        assert.deepStrictEqual(answers, numbers(300))
      }))
  },

  postgres(it) {
    it.effect("prepares a statement once, however many ask for it at a time", () =>
      Effect.gen(function*() {
        const session = yield* open()
        const before = yield* kept(session)
        yield* Effect.forEach(numbers(50), (i) => session.query(sql`select ${i}::int`), { concurrency: "unbounded" })
        yield* Effect.forEach(numbers(50), (i) => session.query(sql`select ${i}::int`))
        assert.strictEqual((yield* kept(session)) - before, 1)
      }))

    it.effect("tells statements of one text apart by the types that are declared", () =>
      Effect.gen(function*() {
        const session = yield* open()
        const type = (value: unknown) =>
          Effect.map(session.values(sql`select pg_typeof(${value})::text`), ({ rows }) => rows[0]![0])
        assert.strictEqual(yield* type(true), "boolean")
        assert.strictEqual(yield* type(new Date(0)), "timestamp with time zone")
        assert.strictEqual(yield* type(false), "boolean")
        assert.strictEqual(yield* kept(session), 2)
      }))

    it.effect("closes the statements that were not used for longest", () =>
      Effect.gen(function*() {
        const session = yield* open({ statementCacheSize: 3 })
        for (const i of numbers(10)) {
          yield* session.query(`select ${i}`)
          yield* session.query("select 'often'")
          assert.isAtMost(yield* kept(session), 3)
        }
        const { rows } = yield* session.values("select statement from pg_prepared_statements order by prepare_time")
        assert.include(rows.map(([statement]) => statement), "select 'often'")
      }))

    it.effect("closes all statements of a burst sooner or later", () =>
      Effect.gen(function*() {
        const session = yield* open({ statementCacheSize: 2 })
        yield* Effect.forEach(numbers(100), (i) => session.query(`select ${i}`), { concurrency: "unbounded" })
        yield* session.query("select 'one more'")
        assert.isAtMost(yield* kept(session), 2)
      }))

    it.effect("closes statements although the next one cannot be sent or is refused", () =>
      Effect.gen(function*() {
        const session = yield* open({ statementCacheSize: 1 })
        for (const i of numbers(10)) {
          yield* session.query(`select ${i}`)
          yield* Effect.flip(session.query(`select '${i}\0'`))
          yield* Effect.flip(session.query(`select no_such_column_${i}`))
        }
        yield* session.query("select 'one more'")
        assert.isAtMost(yield* kept(session), 2)
      }))

    it.effect("prepares anew what failed to be prepared", () =>
      Effect.gen(function*() {
        const session = yield* open()
        const table = fresh("later")
        const results = yield* Effect.forEach(
          numbers(3),
          () => Effect.result(session.query(`select * from ${table}`)),
          { concurrency: "unbounded" }
        )
        assert.deepStrictEqual(results.map(({ _tag }) => _tag), ["Failure", "Failure", "Failure"])
        yield* session.query(`create table ${table} (a int)`)
        assert.deepStrictEqual((yield* session.query(`select * from ${table}`)).rows, [])
      }))

    it.effect("prepares anew what the server has forgotten", () =>
      Effect.gen(function*() {
        const session = yield* open()
        const one = [{ a: 1 }]
        assert.deepStrictEqual((yield* session.query("select 1 as a")).rows, one)
        for (const command of ["deallocate all", "discard all"]) {
          yield* session.simple(command)
          assert.deepStrictEqual((yield* session.query("select 1 as a")).rows, one)
        }
        // A stream may have been consumed, and a transaction has failed with it: these start anew only the next time.
        const all = Stream.runCollect(session.stream("select 1 as a"))
        const inTransaction = session.transaction(session.query("select 1 as a"))
        for (const run of [all, Effect.map(inTransaction, ({ rows }) => rows)]) {
          yield* session.simple("deallocate all")
          const error = yield* Effect.flip(run)
          assert.isTrue(error._tag === "ServerError" && error.reason._tag === "InvalidSqlStatementName")
          assert.deepStrictEqual(yield* run, one)
        }
      }))

    it.effect("prepares anew what reads a table that has changed", () =>
      Effect.gen(function*() {
        const session = yield* open()
        const table = identifier(fresh("changing"))
        const select = sql`select * from ${table}`
        yield* session.query(sql`create table ${table} (a int)`)
        yield* session.query(sql`insert into ${table} values (1)`)
        assert.deepStrictEqual((yield* session.query(select)).rows, [{ a: 1 }])
        yield* session.query(sql`alter table ${table} add column b int default 2`)
        assert.deepStrictEqual((yield* session.query(select)).rows, [{ a: 1, b: 2 }])
        assert.isAtMost(yield* kept(session), 5)
      }))

    it.effect("does not run again what failed after it had begun to run", () =>
      Effect.gen(function*() {
        const session = yield* open()
        const name = fresh("failing")
        yield* session.simple(`
          create sequence ${name}_runs;
          create function ${name}() returns int language plpgsql as $$
            begin perform nextval('${name}_runs'); raise 'no' using errcode = '26000'; end $$`)
        for (const run of [1, 2]) {
          const error = yield* Effect.flip(session.query(`select ${name}()`))
          assert.isTrue(error._tag === "ServerError" && error.reason.sqlState === "26000")
          assert.deepStrictEqual((yield* session.values(`select last_value from ${name}_runs`)).rows, [[BigInt(run)]])
        }
      }))
  }
})
