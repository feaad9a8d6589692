/** Cached statements whose tables, types or names change: by other sessions, and by the session itself. */
import { assert } from "@effect/vitest"
import type { Queries, TransactionOptions } from "@hyperfect/client/Queries"
import type { QueryError } from "@hyperfect/client/QueryError"
import { identifier, sql } from "@hyperfect/client/Statement"
import { Effect, Result, Stream } from "effect"
import { describeServers, openSession, uniqueName } from "./liveServers.ts"

/** Creates a table, and alters it by a second session, so that the first one's statements are stale. */
const alteredTable = Effect.gen(function*() {
  const session = yield* openSession()
  const other = yield* openSession()
  const name = uniqueName("altered")
  yield* other.simple(`create table ${name} (a int); insert into ${name} values (1)`)
  let columns = 0
  const alter = Effect.suspend(() =>
    other.simple(`alter table ${name} add column b${++columns} int default ${columns}`)
  )
  return { alter, name, other, select: `select * from ${name}`, session }
})

/** The number of columns of the rows, before and after the table is altered. */
const columnsOf = (rows: ReadonlyArray<object>): number => Object.keys(rows[0]!).length

/** The usual migration of an enum: a new type replaces the old one. */
const migrateEnum = (type: string, table: string) => `
  alter type ${type} rename to ${type}_old;
  create type ${type} as enum ('red', 'green', 'blue');
  alter table ${table} alter column c type ${type} using c::text::${type};
  drop type ${type}_old`

const stale = (error: unknown, sent: QueryError["sent"]): void =>
  assert.deepInclude(error as QueryError, { _tag: "ServerError", isRetryable: true, sent })

type Way = (queries: Queries, text: string) => Effect.Effect<ReadonlyArray<object>, unknown>

const ways: Readonly<Record<string, Way>> = {
  "a query": (queries, text) => Effect.map(queries.query(text), ({ rows }) => rows),
  "a stream": (queries, text) => Stream.runCollect(queries.stream(text)),
  "a stream with a fetch size": (queries, text) => Stream.runCollect(queries.stream(text, { fetchSize: 1 })),
  "a batch": (queries, text) =>
    Effect.map(queries.batch(["select 1 as one", text, "select 2 as two"]), (results) => {
      const names = [0, 2].map((i) => results[i]!.fields[0]!.name)
      assert.deepStrictEqual(names, ["one", "two"])
      return results[1]!.rows
    })
}

describeServers({
  postgres(it) {
    it.effect("a query, a stream and a batch are repeated after another session altered their table", () =>
      Effect.gen(function*() {
        const { alter, select, session } = yield* alteredTable
        for (const [name, run] of Object.entries(ways)) {
          const before = columnsOf(yield* run(session, select))
          yield* alter
          assert.strictEqual(columnsOf(yield* run(session, select)), before + 1, name)
        }
      }))

    it.effect("a batch is not repeated if transaction control may have committed a part of it", () =>
      Effect.gen(function*() {
        const { alter, name, select, session } = yield* alteredTable
        yield* session.query(select)
        yield* alter
        const insert = `insert into ${name} (a) values (2)`
        const error = yield* Effect.flip(session.batch([insert, "commit", select]))
        assert.isTrue(error._tag === "ServerError" && !error.isRetryable && error.sent === "all")
        assert.strictEqual((yield* session.query(select)).rowCount, 2)
      }))

    it.effect("a statement of a pipeline is not repeated, but fails as not run and retryable", () =>
      Effect.gen(function*() {
        const { alter, name, select, session } = yield* alteredTable
        yield* session.query(select)
        yield* alter
        const pipeline = session.pipeline([select, `insert into ${name} (a) values (2)`])
        const [first, second] = yield* pipeline
        stale(yield* Effect.flip(Effect.fromResult(first!)), "nothing")
        assert.isTrue(Result.isSuccess(second!))
        const [again] = yield* pipeline
        assert.strictEqual((yield* Effect.fromResult(again!)).rowCount, 2)
      }))

    it.effect("a transaction is repeated as a whole after another session altered its table", () =>
      Effect.gen(function*() {
        const { alter, name, select, session } = yield* alteredTable
        for (const [way, run] of Object.entries(ways)) {
          yield* run(session, select)
          yield* alter
          let runs = 0
          const work = Effect.suspend(() => {
            runs++
            return Effect.andThen(session.query(`insert into ${name} (a) values (2)`), run(session, select))
          })
          const error = yield* Effect.flip(session.transaction(work))
          stale(error, "nothing")
          yield* run(session, select)
          yield* alter
          runs = 0
          yield* session.retryTransaction(work)
          assert.strictEqual(runs, 2, way)
          yield* session.query(`delete from ${name} where a = 2`)
        }
      }))

    it.effect("a parameter of a migrated enum is sent with the new type", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const other = yield* openSession()
        for (const isArray of [false, true]) {
          const [type, table] = [uniqueName("color"), uniqueName("colored")]
          const [t, color] = [identifier(table), identifier(type)]
          yield* other.simple(`create type ${type} as enum ('red', 'green'); create table ${table} (c ${type})`)
          const insert = (c: string) =>
            session.query(
              isArray ? sql`insert into ${t} select unnest(${[c]}::${color}[])` : sql`insert into ${t} values (${c})`
            )
          const select = (c: string) => session.query(sql`select c from ${t} where c = ${c}`)
          yield* insert("red")
          assert.strictEqual((yield* select("red")).rowCount, 1)
          yield* other.simple(migrateEnum(type, table))
          yield* insert("blue")
          assert.deepStrictEqual((yield* select("blue")).rows, [{ c: "blue" }])
        }
      }))

    it.effect("a transaction that uses a migrated enum is repeated as a whole", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const other = yield* openSession()
        const [type, table] = [uniqueName("color"), uniqueName("colored")]
        yield* other.simple(`create type ${type} as enum ('red', 'green'); create table ${table} (c ${type})`)
        const insert = (c: string) => session.query(sql`insert into ${identifier(table)} values (${c})`)
        yield* insert("red")
        yield* other.simple(migrateEnum(type, table))
        stale(yield* Effect.flip(session.transaction(insert("red"))), "nothing")
        yield* other.simple(migrateEnum(type, table))
        yield* session.retryTransaction(insert("blue"))
      }))

    it.effect("a cached statement runs after DEALLOCATE ALL and DISCARD ALL, in a transaction too", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const select = Effect.map(session.query("select 1 as a"), ({ rows }) => rows)
        const prepared = yield* session.prepare("select 2 as a")
        const both = Effect.all([select, Effect.map(prepared.query(), ({ rows }) => rows)])
        const run = (command: Effect.Effect<unknown, unknown>) => Effect.andThen(Effect.andThen(both, command), both)
        const rows: Effect.Success<typeof both> = [[{ a: 1 }], [{ a: 2 }]]
        assert.deepStrictEqual(yield* session.transaction(run(session.query("deallocate all"))), rows)
        assert.deepStrictEqual(yield* session.transaction(run(session.simple("select 1; deallocate all"))), rows)
        assert.deepStrictEqual(yield* run(session.query("discard all")), rows)
        assert.deepStrictEqual(yield* session.transaction(both), rows)
      }))

    it.effect("a transaction reads a table that it has altered itself, by any statement", () =>
      Effect.gen(function*() {
        const { name, select, session } = yield* alteredTable
        const procedure = uniqueName("altering")
        yield* session.simple(`
          create procedure ${procedure}() language plpgsql as $$ begin alter table ${name} add x int; end $$`)
        for (
          const [command, columns] of [
            [`alter table ${name} add column c bigint`, 1],
            [`call ${procedure}()`, 1],
            [`do $$ begin alter table ${name} add column d int; end $$`, 1],
            [`alter table ${name} drop column a`, -1],
            [`alter table ${name} rename to ${name}_old; create table ${name} (z text); insert into ${name} default values`]
          ] as const
        ) {
          for (const [way, run] of Object.entries(ways)) {
            if (way === "a batch" && command.includes(" rename ")) continue
            const before = columnsOf(yield* run(session, select))
            const after = session.transaction(Effect.gen(function*() {
              yield* run(session, select)
              yield* session.simple(command)
              return columnsOf(yield* run(session, select))
            }))
            const undone = Effect.flip(session.transaction(Effect.gen(function*() {
              yield* session.transaction(Effect.andThen(after, Effect.fail("undone"))).pipe(Effect.ignore)
              const now = yield* run(session, select)
              return yield* Effect.fail(columnsOf(now))
            })))
            assert.strictEqual(yield* undone, before, `${way}: rolled back to a savepoint`)
            assert.strictEqual(columnsOf(yield* run(session, select)), before, `${way}: rolled back`)
            if (columns !== undefined) {
              const inside = session.transaction(Effect.flatMap(after, (count) => Effect.fail(count)))
              assert.strictEqual(yield* Effect.flip(inside), before + columns, `${way}: ${command}`)
            }
          }
        }
      }))

    it.effect("a batch and a pipeline read what they have altered themselves", () =>
      Effect.gen(function*() {
        const { name, select, session } = yield* alteredTable
        yield* session.query(select)
        const [, altered] = yield* session.batch([`alter table ${name} add column c int`, select])
        assert.deepStrictEqual(altered!.rows, [{ a: 1, c: null }])
        const [, , again] = yield* session.pipeline([select, `alter table ${name} add column d bool`, select])
        assert.deepStrictEqual((yield* Effect.fromResult(again!)).rows, [{ a: 1, c: null, d: null }])
      }))

    it.effect("a statement reads a temporary table that was created from a query, however it was written", () =>
      Effect.gen(function*() {
        for (const before of ["", "\n  ", "/* tagged */ ", "select 1; "]) {
          const session = yield* openSession()
          const name = uniqueName("shadowed")
          // The server itself notices the first temporary table of a session.
          yield* session.simple(`create temp table other (); create table ${name} as select 1 as a`)
          const read = Effect.map(session.query(`select a from ${name}`), ({ rows }) => rows)
          assert.deepStrictEqual(yield* read, [{ a: 1 }])
          const create = `create temp table ${name} as select 2 as a`
          yield* before.includes(";")
            ? Effect.andThen(
              session.simple(`${before}${create}`),
              session.batch(["select 1", `drop table ${name}`, create])
            )
            : session.execute(`${before}${create}`)
          assert.deepStrictEqual(yield* read, [{ a: 2 }], before)
        }
      }))

    it.effect("a statement reads the tables of the current search path and role", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const [a, b, role] = [uniqueName("tenant"), uniqueName("tenant"), uniqueName("role")]
        yield* session.simple(`
          create role ${role}; grant ${role} to current_user;
          create schema ${a}; create type ${a}.color as enum ('red'); create table ${a}.t (c ${a}.color);
          insert into ${a}.t values ('red');
          create schema ${b}; create type ${b}.color as enum ('blue'); create table ${b}.t (id int8, c ${b}.color);
          insert into ${b}.t values (1, 'blue');
          create schema ${role} authorization ${role}; create table ${role}.t (n text);
          insert into ${role}.t values ('own'); grant select on ${role}.t to ${role};
          create table t as select 0 as z`)
        const prepared = yield* session.prepare("select * from t")
        const read = (setting: string, options?: TransactionOptions) =>
          session.transaction(
            Effect.andThen(
              session.simple(setting),
              Effect.map(session.query("select * from t"), ({ rows }) => rows[0])
            ),
            options
          )
        for (let i = 0; i < 3; i++) {
          assert.deepStrictEqual(yield* read(`set local search_path to ${a}`), { c: "red" })
          assert.deepStrictEqual(yield* read(`set local search_path to ${b}`), { id: BigInt(1), c: "blue" })
          assert.deepStrictEqual(yield* read(`select set_config('search_path', '${a}', true)`), { c: "red" })
          assert.deepStrictEqual(yield* read(`set local role ${role}`), { n: "own" })
          assert.deepStrictEqual(yield* read("select 1", { settings: { Search_Path: a } }), { c: "red" })
          assert.deepStrictEqual(
            yield* read("select 1", { settings: { search_path: b } }),
            { id: BigInt(1), c: "blue" }
          )
          assert.deepStrictEqual(yield* read("select 1", { role }), { n: "own" })
          const readPrepared = (options: TransactionOptions) =>
            Effect.map(session.transaction(prepared.query(), options), ({ rows }) => rows[0])
          assert.deepStrictEqual(yield* readPrepared({ role }), { n: "own" })
          assert.deepStrictEqual(yield* readPrepared({ settings: { search_path: a } }), { c: "red" })
          assert.deepStrictEqual(yield* readPrepared({}), { z: 0 })
          const reset = Effect.andThen(read("select 1"), read(`reset role; set local search_path to ${a}`))
          assert.deepStrictEqual(yield* session.transaction(reset, { role }), { c: "red" })
        }
        yield* session.query(`set search_path to ${a}`)
        assert.deepStrictEqual(yield* read("select 1"), { c: "red" })
        yield* session.query(`set search_path to ${b}, ${a}`)
        assert.deepStrictEqual(yield* read("select 1"), { id: BigInt(1), c: "blue" })
      }))

    it.effect("an explicitly prepared statement is prepared again after another session made it stale", () =>
      Effect.gen(function*() {
        const { alter, name, select, session } = yield* alteredTable
        const prepared = yield* session.prepare(select)
        const rows = Effect.map(prepared.query(), ({ rows }) => columnsOf(rows))
        const streamed = Effect.map(Stream.runCollect(prepared.stream()), columnsOf)
        let columns = yield* rows
        for (const run of [rows, streamed, Effect.map(prepared.columns(), ({ columns }) => columns.length)]) {
          yield* alter
          assert.strictEqual(yield* run, ++columns)
          yield* alter
          stale(yield* Effect.flip(session.transaction(run)), "nothing")
          assert.strictEqual(yield* session.transaction(run), ++columns)
          yield* alter
          assert.strictEqual(yield* session.retryTransaction(run), ++columns)
          const inside = session.transaction(Effect.gen(function*() {
            yield* session.query(`alter table ${name} add column own_${columns} int`)
            return yield* run
          }))
          assert.strictEqual(yield* inside, ++columns)
        }
      }))

    it.effect("a batch and a pipeline run with more statements than the cache holds, in a transaction too", () =>
      Effect.gen(function*() {
        const session = yield* openSession({ statementCacheSize: 4, typeCheckInterval: "1 hour" })
        const range = (count: number) => Array.from({ length: count }, (_, i) => i)
        const values = (from: number) => range(4).map((i) => `select ${from + i} as n`)
        const work = (name: string) =>
          Effect.forEach(range(60), (i) =>
            i % 3 === 0
              ? Effect.map(session.batch(values(i)), (results) => results[3]!.rows[0]!["n"])
              : i % 3 === 1
              ? Effect.flatMap(
                session.pipeline(values(i)),
                (results) => Effect.map(Effect.fromResult(results[3]!), ({ rows }) => rows[0]!["n"])
              )
              : Effect.map(session.query(`select ${i + 3} as n, '${name}'`), ({ rows }) => rows[0]!["n"]), {
            concurrency: "unbounded"
          })
        const expected = range(60).map((i) => i + 3)
        for (let round = 0; round < 5; round++) {
          assert.deepStrictEqual(yield* work(`outside ${round}`), expected)
          assert.deepStrictEqual(yield* session.transaction(work(`inside ${round}`)), expected)
        }
        yield* session.query("select 'one more'")
        const [count] = yield* session.simple("select count(*)::int as n from pg_prepared_statements")
        assert.isAtMost(count!.rows[0]!["n"] as number, 4)
      }))

    it.effect("a statement is not closed while its types are looked up before it runs", () =>
      Effect.gen(function*() {
        const session = yield* openSession({ statementCacheSize: 2, typeCheckInterval: 0 })
        const type = uniqueName("pair")
        yield* session.simple(`create type ${type} as (a int, b int)`)
        const pair = Effect.map(session.values(`select row(1, 2)::${type}`), ({ rows }) => rows[0]![0])
        const expected = { a: 1, b: 2 }
        assert.deepEqual(yield* pair, expected)
        for (let round = 0; round < 5; round++) {
          const others = Effect.forEach([0, 1, 2, 3], (i) => session.values(`select ${round}, ${i}`), {
            concurrency: "unbounded"
          })
          const [found] = yield* session.transaction(Effect.all([pair, others], { concurrency: "unbounded" }))
          assert.deepEqual(found, expected)
        }
      }))

    it.effect("a schema that was dropped and created again is read in its current form", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const other = yield* openSession()
        const schema = uniqueName("remade")
        const make = `create schema ${schema}; create type ${schema}.color as enum ('red');
          create domain ${schema}.paint as ${schema}.color; create type ${schema}.pair as (a int, c ${schema}.color);
          create table ${schema}.t (c ${schema}.color, d ${schema}.color[], e ${schema}.paint, f ${schema}.pair)`
        yield* other.simple(make)
        const table = identifier(schema, "t")
        const f = { a: 1, c: "red" }
        const insert = sql`insert into ${table} values (${"red"}, ${["red"]}, ${"red"}, ${f})`
        const select = sql`select * from ${table} where c = ${"red"} and ${"red"} = any (d) and f = ${f}::${
          identifier(schema, "pair")
        }`
        for (let i = 0; i < 3; i++) {
          yield* session.query(insert)
          assert.deepStrictEqual((yield* session.query(select)).rows, [{ c: "red", d: ["red"], e: "red", f }])
          yield* other.simple(`drop schema ${schema} cascade; ${make}`)
        }
      }))
  }
})
