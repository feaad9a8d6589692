/**
 * Statements whose columns depend on an object that is resolved by name when they run, and sessions that describe
 * nothing in advance.
 */
import { assert } from "@effect/vitest"
import type { Queries } from "@hyperfect/client/Queries"
import * as Columns from "@hyperfect/values/Columns"
import { Effect, Stream } from "effect"
import { describeServers, openSession, uniqueName } from "./liveServers.ts"

type Read = (queries: Queries, text: string) => Effect.Effect<unknown, unknown>

/** Each way to run a statement of one column and one row. Returns the value. */
const ways: Readonly<Record<string, Read>> = {
  query: (queries, text) => Effect.map(queries.query(text), ({ rows }) => rows[0]!["v"]),
  values: (queries, text) => Effect.map(queries.values(text), ({ rows }) => rows[0]![0]),
  columns: (queries, text) => Effect.map(queries.columns(text), ({ columns }) => Columns.toArray(columns[0]!)[0]),
  batch: (queries, text) => Effect.map(queries.batch(["select 1", text]), (results) => results[1]!.rows[0]!["v"]),
  pipeline: (queries, text) =>
    Effect.flatMap(
      queries.pipeline([text, "select 1"]),
      ([first]) => Effect.map(Effect.fromResult(first!), ({ rows }) => rows[0]!["v"])
    ),
  stream: (queries, text) => Effect.map(Stream.runCollect(queries.stream(text)), ([row]) => row!["v"]),
  "stream with a fetch size": (queries, text) =>
    Effect.map(Stream.runCollect(queries.stream(text, { fetchSize: 10 })), ([row]) => row!["v"])
}

const columns = [["1::int4", 1], ["1.5::float4", 1.5], ["'abcd'::text", "abcd"], ["7::int8", BigInt(7)], [
  "array[true]",
  [true]
]] as const

describeServers({
  postgres(it) {
    it.effect("FETCH of a known text reads the cursor that currently has the name", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        for (const [name, read] of Object.entries(ways)) {
          for (const text of ["fetch all from c", "/* comment */ FETCH 1 FROM c"]) {
            for (const [column, value] of columns) {
              const fetched = session.transaction(Effect.andThen(
                session.query(`declare c cursor for select ${column} as v`),
                read(session, text)
              ))
              assert.deepStrictEqual(yield* fetched, value, `${name}: ${column}`)
            }
          }
        }
      }))

    it.effect("FETCH reads a cursor that a function has opened under a fixed name", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const name = uniqueName("opening")
        yield* session.simple(`create function ${name}(q text) returns refcursor language plpgsql as $$
          declare r refcursor := 'fixed'; begin open r for execute q; return r; end $$`)
        for (const [column, value] of columns) {
          const fetched = session.transaction(Effect.andThen(
            session.query(`select ${name}($$select ${column} as v$$)`),
            session.values(`fetch all in "fixed"`)
          ))
          assert.deepStrictEqual((yield* fetched).rows, [[value]])
        }
      }))

    it.effect("EXECUTE of a known text reads the statement that currently has the name", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        for (const [name, read] of Object.entries(ways)) {
          for (const [column, value] of columns) {
            yield* session.query(`prepare p as select ${column} as v`)
            assert.deepStrictEqual(yield* read(session, "execute p"), value, `${name}: ${column}`)
            yield* session.query("deallocate p")
          }
        }
      }))

    it.effect("a prepared FETCH and EXECUTE read the object that currently has the name", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        yield* session.query("prepare p as select 1 as v")
        const execute = yield* session.prepare("execute p")
        for (const [column, value] of columns) {
          yield* session.simple(`deallocate p; prepare p as select ${column} as v`)
          assert.deepStrictEqual((yield* execute.values()).rows, [[value]])
          assert.deepStrictEqual(yield* Stream.runCollect(execute.stream()), [{ v: value }])
        }
      }))

    it.effect("EXPLAIN, SHOW and CALL of a known text are read by their current columns", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const name = uniqueName("giving")
        for (const [type, value] of [["int4", 1], ["float8", 1.5], ["text", "x"]] as const) {
          yield* session.simple(`
            drop procedure if exists ${name}; deallocate all;
            create procedure ${name}(inout v ${type}) language plpgsql as $$ begin v := '${value}'; end $$;
            prepare p as select '${value}'::${type} as v`)
          assert.deepStrictEqual((yield* session.query(`call ${name}(null)`)).rows, [{ v: value }])
          const plan = yield* session.values("explain (costs off) execute p")
          assert.deepStrictEqual(plan.rows, [["Result"]])
          assert.deepStrictEqual((yield* session.values("show search_path")).rows, [["\"$user\", public"]])
        }
      }))

    it.effect("user-defined types are decoded by every query method, also if nothing is described in advance", () =>
      Effect.gen(function*() {
        for (const statementCacheSize of [0, 1, undefined]) {
          for (const [way, read] of Object.entries(ways)) {
            // A new session each time, because a session remembers the types that were looked up.
            const session = yield* openSession({ statementCacheSize })
            const type = uniqueName("color")
            yield* session.simple(`
              create type ${type} as enum ('red', 'blue'); create type ${type}_pair as (n int, c ${type});
              create domain ${type}_paint as ${type}`)
            const expected: ReadonlyArray<readonly [string, unknown]> = [
              [`'red'::${type}`, "red"],
              [`array['red', 'blue']::${type}[]`, ["red", "blue"]],
              [`row(1, 'blue')::${type}_pair`, { n: 1, c: "blue" }],
              [`array[row(1, 'blue')]::${type}_pair[]`, [{ n: 1, c: "blue" }]],
              [`'red'::${type}_paint`, "red"]
            ]
            for (const [column, value] of expected) {
              const isStream = way.startsWith("stream")
              const known = yield* session.query(`select 'red'::${type} as v`)
              assert.deepStrictEqual(known.rows, [{ v: "red" }])
              const values = [
                yield* read(session, `select ${column} as v`),
                yield* read(session, `select ${column} as v`)
              ]
              assert.deepStrictEqual(
                values.slice(isStream ? 1 : 0),
                isStream ? [value] : [value, value],
                `${way} ${column}`
              )
              const fetched = session.transaction(Effect.andThen(
                session.query(`declare c cursor for select ${column} as v`),
                read(session, "fetch all from c")
              ))
              assert.deepStrictEqual(yield* fetched, value, `${way}: fetch ${column}`)
            }
          }
        }
      }))
  }
})
