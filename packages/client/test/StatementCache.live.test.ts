import { assert } from "@effect/vitest"
import type * as Session from "@hyperfect/client/Session"
import * as Statement from "@hyperfect/client/Statement"
import { Effect, References, Stream } from "effect"
import { describeServers, openSession as open, uniqueName } from "./liveServers.ts"

const { identifier, sql } = Statement

/** On a busy machine a statement would be described again, and its new name would be counted. */
const openSession = (changes: Parameters<typeof open>[0] = {}) => open({ typeCheckInterval: "1 hour", ...changes })

/** Counts the session's prepared statements on the server, by a statement that is not one of them. */
const preparedCount = (session: Session.Session) =>
  Effect.map(
    session.simple("select count(*)::int as n from pg_prepared_statements"),
    ([result]) => result!.rows[0]!["n"] as number
  )

const range = (count: number) => Array.from({ length: count }, (_, i) => i)

describeServers({
  both(it) {
    it.effect("runs a statement again with different values and types", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        for (const value of [true, "text", null, 1, false, "again", BigInt(2)]) {
          const { rows } = yield* session.values(sql`select (${value}::text) is null, 1`)
          assert.deepStrictEqual(rows, [[value === null, 1]])
        }
      }))

    it.effect("keeps few statements and runs many concurrently", () =>
      Effect.gen(function*() {
        const session = yield* openSession({ statementCacheSize: 1 })
        const answers = yield* Effect.forEach(
          range(300),
          (i) => Effect.map(session.values(`select ${i}, 'x' as s${i % 50}`), ({ rows }) => rows[0]![0]),
          { concurrency: 16 }
        )
        assert.deepStrictEqual(answers, range(300))
      }))
  },

  postgres(it) {
    it.effect("prepares a statement once for concurrent callers", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const before = yield* preparedCount(session)
        yield* Effect.forEach(range(50), (i) => session.query(sql`select ${i}::int`), { concurrency: "unbounded" })
        yield* Effect.forEach(range(50), (i) => session.query(sql`select ${i}::int`))
        assert.strictEqual((yield* preparedCount(session)) - before, 1)
      }))

    it.effect("distinguishes statements of one text by their declared types", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const type = (value: unknown) =>
          Effect.map(session.values(sql`select pg_typeof(${value})::text`), ({ rows }) => rows[0]![0])
        assert.strictEqual(yield* type(true), "boolean")
        assert.strictEqual(yield* type(new Date(0)), "timestamp with time zone")
        assert.strictEqual(yield* type(false), "boolean")
        assert.strictEqual(yield* preparedCount(session), 2)
      }))

    it.effect("closes the least recently used statements", () =>
      Effect.gen(function*() {
        const session = yield* openSession({ statementCacheSize: 3 })
        for (const i of range(10)) {
          yield* session.query(`select ${i}`)
          yield* session.query("select 'often'")
          assert.isAtMost(yield* preparedCount(session), 3)
        }
        const { rows } = yield* session.values("select statement from pg_prepared_statements order by prepare_time")
        assert.include(rows.map(([statement]) => statement), "select 'often'")
      }))

    it.effect("keeps few long statements, and does not close short ones for them", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        yield* session.query("select 'short'")
        const long = (i: number) => `select ${i} as ${"x".repeat(100_000)}`
        for (const i of range(30)) yield* session.execute(long(i))
        yield* session.execute(long(29))
        const kept = Effect.map(
          session.simple("select left(statement, 14) as s from pg_prepared_statements order by prepare_time"),
          ([result]) => result!.rows.map(({ s }) => (s as string).trimEnd())
        )
        // Those evicted by the last one are closed with the next one.
        yield* session.query("select 'next'")
        const last = range(10).map((i) => `select ${20 + i} as x`)
        assert.deepStrictEqual(yield* kept, ["select 'short'", ...last, "select 'next'"])
        yield* session.execute(`select '${"x".repeat(2_000_000)}' as huge`)
        assert.deepStrictEqual(yield* kept, ["select 'short'", "select 'next'", "select 'xxxxxx"])
      }))

    it.effect("closes all statements of a burst eventually", () =>
      Effect.gen(function*() {
        const session = yield* openSession({ statementCacheSize: 2 })
        yield* Effect.forEach(range(100), (i) => session.query(`select ${i}`), { concurrency: "unbounded" })
        yield* session.query("select 'one more'")
        assert.isAtMost(yield* preparedCount(session), 2)
      }))

    it.effect("does not run a statement that is closed while its fiber yields", () =>
      Effect.gen(function*() {
        for (const budget of [3, 4, 5, 6]) {
          const session = yield* openSession({ statementCacheSize: 1 })
          const rows = yield* session.transaction(
            Effect.forEach(range(200), (i) => session.one(`select ${i % 3} as a`), { concurrency: 3 })
          ).pipe(Effect.provideService(References.MaxOpsBeforeYield, budget))
          assert.deepStrictEqual(rows, range(200).map((i) => ({ a: i % 3 })))
        }
      }))

    it.effect("does not search the text of a long script for each of its statements", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        for (const statement of ["select 1 as a", "set a.b = 'c'", "drop table if exists no_such_table"]) {
          const before = process.cpuUsage()
          assert.lengthOf(yield* session.simple(`${statement};\n`.repeat(20_000)), 20_000)
          // About 60 ms, and more than 1,100 ms if each statement searched the text.
          assert.isBelow(process.cpuUsage(before).user, 800_000, statement)
        }
      }))

    it.effect("closes statements even if the next one cannot be sent or is refused", () =>
      Effect.gen(function*() {
        const session = yield* openSession({ statementCacheSize: 1 })
        for (const i of range(10)) {
          yield* session.query(`select ${i}`)
          yield* Effect.flip(session.query(`select '${i}\0'`))
          yield* Effect.flip(session.query(`select no_such_column_${i}`))
        }
        yield* session.query("select 'one more'")
        assert.isAtMost(yield* preparedCount(session), 2)
      }))

    it.effect("prepares again what failed to be prepared", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const table = uniqueName("later")
        const results = yield* Effect.forEach(
          range(3),
          () => Effect.result(session.query(`select * from ${table}`)),
          { concurrency: "unbounded" }
        )
        assert.deepStrictEqual(results.map(({ _tag }) => _tag), ["Failure", "Failure", "Failure"])
        yield* session.query(`create table ${table} (a int)`)
        assert.deepStrictEqual((yield* session.query(`select * from ${table}`)).rows, [])
      }))

    it.effect("prepares again what the server has dropped", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const one = [{ a: 1 }]
        assert.deepStrictEqual((yield* session.query("select 1 as a")).rows, one)
        for (const command of ["deallocate all", "discard all"]) {
          yield* session.simple(command)
          assert.deepStrictEqual((yield* session.query("select 1 as a")).rows, one)
        }
        yield* session.simple("deallocate all")
        assert.deepStrictEqual(yield* Stream.runCollect(session.stream("select 1 as a")), one)
        yield* session.simple("deallocate all")
        assert.deepStrictEqual((yield* session.transaction(session.query("select 1 as a"))).rows, one)
      }))

    it.effect("prepares again what reads an altered table", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const table = identifier(uniqueName("changing"))
        const select = sql`select * from ${table}`
        yield* session.query(sql`create table ${table} (a int)`)
        yield* session.query(sql`insert into ${table} values (1)`)
        assert.deepStrictEqual((yield* session.query(select)).rows, [{ a: 1 }])
        yield* session.query(sql`alter table ${table} add column b int default 2`)
        assert.deepStrictEqual((yield* session.query(select)).rows, [{ a: 1, b: 2 }])
        assert.isAtMost(yield* preparedCount(session), 5)
      }))

    it.effect("does not repeat a statement that failed after it had begun to run", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const name = uniqueName("failing")
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
