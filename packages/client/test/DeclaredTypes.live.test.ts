/** The types of numbers and booleans where the server cannot infer them, or infers another type. */
import { assert } from "@effect/vitest"
import type { Queries } from "@hyperfect/client/Queries"
import { fromTextUnsafe } from "@hyperfect/client/Statement"
import { Effect, Stream } from "effect"
import { describeServers, openSession, TestServer, uniqueName } from "./liveServers.ts"

const first = <E>(client: Queries<E>, text: string, ...parameters: ReadonlyArray<unknown>) =>
  Effect.map(client.values(fromTextUnsafe(text, parameters)), ({ rows }) => rows[0]?.[0])

/** Statements with numbers, and the first value of their results. */
const numbers: ReadonlyArray<readonly [text: string, parameters: ReadonlyArray<unknown>, expected: unknown]> = [
  ["select $1", [5], 5],
  ["select max(n) from (values ($1), ($2)) v(n)", [9, 10], 10],
  ["select greatest($1, $2)", [9, 10], 10],
  ["select greatest($1, $2)", [9, 10.5], 10.5],
  ["select greatest($1, $2)", [9n, 10_000_000_000n], 10_000_000_000n],
  ["select coalesce($1, $2)", [null, 5], 5],
  ["select case when $1 then $2 else $3 end", [true, 9, 10], 9],
  ["select $1 union all select $2 order by 1", [10, 9], 9],
  ["select '[10, 20]'::jsonb -> $1", [1], 20],
  ["select '[10, 20]'::jsonb -> $1", [1n], 20],
  ["select $1", [1n], 1n],
  ["select ('[10, 20]'::jsonb - $1)::text", [0], "[20]"],
  ["select count(*)::int from generate_series($1, $2)", [1, 3], 3],
  ["select (date '2020-01-01' + $1)::text", [2], "2020-01-03"],
  ["select jsonb_build_object('n', $1)::text", [5], "{\"n\": 5}"],
  ["select to_jsonb($1)::text", [5], "5"],
  ["select greatest($1, $2) + 1", [9, 10], 11],
  ["select (array[1, 2] || $1)::text", [3], "{1,2,3}"],
  ["select substring('abc', $1)", [2], "bc"]
]

/** Places where the server requires the digits of a number to be text or another type. */
const digits: ReadonlyArray<readonly [text: string, parameters: ReadonlyArray<unknown>, expected: unknown]> = [
  ["select count(*)::int from pg_class where relname = $1", [5], 0],
  ["select 'a' || $1", [5], "a5"],
  ["select length($1)", [12345], 5],
  ["select '12' like $1", [12], true],
  ["select greatest($1, 'a')", [5], "a"],
  ["select greatest($1, $2)", [5, "a"], "a"],
  ["select (select count(*) from pg_class where relname = $1)::text || greatest($2, $3)", [5, 9, 10.5], "010.5"]
]

const both = [...numbers, ...digits]

const runAll = Effect.fnUntraced(function*<E>(client: Queries<E>) {
  for (const [text, parameters, expected] of [...both, ...both.toReversed()]) {
    assert.deepStrictEqual(yield* first(client, text, ...parameters), expected, text)
  }
})

/** The parameter types with which a session has prepared the texts that contain this part. */
const preparedFor = <E>(client: Queries<E>, part: string) =>
  Effect.map(
    client.simple(`select parameter_types::text as t from pg_prepared_statements where statement like '%${part}%' and
      statement not like '%pg_prepared%' order by prepare_time, name`),
    ([result]) => result!.rows.map(({ t }) => t)
  )

describeServers({
  postgres(it) {
    it.effect("numbers are sent as numbers where the server would infer text", () =>
      Effect.flatMap(openSession(), runAll))

    it.effect("numbers are sent as numbers in transactions, which survive refused types", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const table = uniqueName("kept")
        yield* session.simple(`create temp table ${table} (n int)`)
        for (const [text, parameters, expected] of both) {
          yield* session.transaction(Effect.gen(function*() {
            yield* session.execute(`insert into ${table} values (1)`)
            assert.deepStrictEqual(yield* first(session, text, ...parameters), expected)
          }))
        }
        assert.strictEqual(yield* first(session, `select count(*)::int from ${table}`), both.length)
      }))

    it.effect("concurrent statements of one transaction survive each other's refused types", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        yield* session.transaction(
          Effect.forEach(
            both,
            ([text, parameters, expected]) =>
              Effect.map(first(session, text, ...parameters), (found) => assert.deepStrictEqual(found, expected, text)),
            {
              concurrency: "unbounded"
            }
          )
        )
      }))

    it.effect("a transaction fails if a statement with numbers is refused with every type", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        for (const text of ["select $1 + no_such_column", "select lower(point(1, $1))", "select '$1'"]) {
          yield* session.execute("begin")
          const error = yield* Effect.flip(first(session, text, 5))
          assert.strictEqual(error._tag === "ServerError" && error.reason.sqlState.startsWith("42"), true)
          assert.strictEqual(session.transactionStatus(), "E")
          yield* session.execute("rollback")
        }
      }))

    it.effect("only statements that need it are prepared with the types of their numbers", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        for (const n of [1, 2.5, 10_000_000_000]) {
          yield* first(session, "select 'plain', $1::numeric", n)
          yield* first(session, "select count(*), 'named' from pg_class where relname = $1", n)
          yield* first(session, "select greatest($1, $1), 'own'", n)
        }
        assert.deepStrictEqual(yield* preparedFor(session, "plain"), ["{numeric}"])
        assert.deepStrictEqual(yield* preparedFor(session, "named"), ["{name}"])
        assert.deepStrictEqual(yield* preparedFor(session, "own"), [
          "{text}",
          "{integer}",
          "{\"double precision\"}",
          "{bigint}"
        ])
      }))

    it.effect("strings for a statement stay strings before and after numbers", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const values: ReadonlyArray<readonly [ReadonlyArray<unknown>, unknown]> = [
          [["9", "10"], "9"],
          [[9, 10], 10],
          [["b", "a"], "b"],
          [[null, 10], 10],
          [["x", 10], "x"],
          [[10, "x"], "x"]
        ]
        for (const [parameters, expected] of [...values, ...values.toReversed()]) {
          assert.deepStrictEqual(yield* first(session, "select greatest($1, $2)", ...parameters), expected)
        }
      }))

    it.effect("numbers are sent as numbers in batches, pipelines and streams, even with a cache of one statement", () =>
      Effect.gen(function*() {
        const { config } = yield* TestServer
        const statement = fromTextUnsafe("select greatest($1, $2) as n", [9, 10])
        const named = fromTextUnsafe("select relname as n from pg_class where relname = $1", [5])
        for (const statementCacheSize of [1, 2, 256]) {
          const session = yield* openSession({ ...config, statementCacheSize })
          for (let i = 0; i < 3; i++) {
            assert.deepStrictEqual(yield* Stream.runCollect(session.stream(statement)), [{ n: 10 }])
            assert.deepStrictEqual(yield* Stream.runCollect(session.stream(named)), [])
            assert.deepStrictEqual((yield* session.query(statement)).rows, [{ n: 10 }])
            assert.deepStrictEqual((yield* session.query(named)).rows, [])
          }
          if (statementCacheSize < 2) continue
          const results = yield* session.batch([statement, named])
          assert.deepStrictEqual(results.map(({ rows }) => rows), [[{ n: 10 }], []])
        }
      }))

    it.effect("describe uses the same types of numbers as running the statement", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const columns = (text: string, ...parameters: ReadonlyArray<unknown>) =>
          Effect.map(session.describe(fromTextUnsafe(text, parameters)), ({ fields, parameterTypes }) => [
            parameterTypes,
            fields.map(({ typeOid }) => typeOid)
          ])
        assert.deepStrictEqual(yield* columns("select $1", 5), [[23], [23]])
        assert.deepStrictEqual(yield* columns("select $1", "5"), [[25], [25]])
        assert.deepStrictEqual(yield* columns("select oid from pg_class where relname = $1", 5), [[19], [26]])
      }))

    it.effect("booleans are sent as JSON where JSON is expected, and as booleans where any type is accepted", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const table = uniqueName("flags")
        yield* session.simple(`create temp table ${table} (j jsonb, p json, b bool, n int)`)
        for (const flag of [true, false, true]) {
          const insert = fromTextUnsafe(`insert into ${table} values ($1, $2, $3, greatest($4, $5))`, [
            flag,
            flag,
            flag,
            9,
            10
          ])
          yield* session.transaction(session.execute(insert))
          yield* session.execute(insert)
        }
        assert.deepStrictEqual(
          yield* first(session, `select string_agg(concat_ws(' ', j, p, b, n), ',') from ${table}`),
          [
            "true true t 10",
            "true true t 10",
            "false false f 10",
            "false false f 10",
            "true true t 10",
            "true true t 10"
          ]
            .join()
        )
        assert.strictEqual(yield* first(session, `select count(*)::int from ${table} where j = $1`, false), 2)
        assert.strictEqual(yield* first(session, "select $1::jsonb::text", true), "true")
        assert.strictEqual(yield* first(session, "select to_jsonb($1)::text", true), "true")
        assert.strictEqual(yield* first(session, "select jsonb_build_object('a', $1)::text", false), "{\"a\": false}")
        assert.strictEqual(yield* first(session, "select jsonb_build_array($1, $2)::text", true, 5), "[true, 5]")
        assert.strictEqual(yield* first(session, "select $1", true), true)
      }))

    it.effect("booleans are still refused where neither boolean nor JSON is accepted", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const error = yield* Effect.flip(first(session, "select 'a'::text = $1", true))
        assert.strictEqual(error._tag === "ServerError" && error.reason.sqlState, "42883")
      }))

    it.effect("a fraction compared with an integer is refused, and the error names the cast to write", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const error = yield* Effect.flip(first(session, "select count(*) from pg_class where relnatts > $1", 1.5))
        assert.strictEqual(error._tag, "ValueError")
        assert.match(error.message, /::/)
      }))
  }
})
