import { assert } from "@effect/vitest"
import type { QueryError } from "@hyperfect/client/QueryError"
import type * as Session from "@hyperfect/client/Session"
import * as Statement from "@hyperfect/client/Statement"
import * as BuiltIn from "@hyperfect/values/BuiltIn"
import * as Parameter from "@hyperfect/values/Parameter"
import { Effect, Option, Stream } from "effect"
import { describeServers, openSession, uniqueName } from "./liveServers.ts"

const { fromTextUnsafe, identifier, sql } = Statement

/** The ways to run a text whose result does not matter. */
const queryMethods = (
  session: Session.Session
): ReadonlyArray<(text: string) => Effect.Effect<unknown, QueryError>> => [
  session.query,
  session.values,
  session.simple,
  (text) => Stream.runDrain(session.stream(text))
]

describeServers({
  both(it) {
    it.effect("return rows as objects and as arrays, with fields, tag and count", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const statement = "select n, 'a' as s, null::int as nothing from generate_series(1, 3) as g(n) order by n"
        const objects = yield* session.query(statement)
        assert.deepStrictEqual(objects.rows[2], { n: 3, s: "a", nothing: null })
        assert.deepStrictEqual(objects.fields.map(({ name }) => name), ["n", "s", "nothing"])
        assert.strictEqual(objects.fields[0]?.typeOid, BuiltIn.int4.oid)
        assert.strictEqual(objects.commandTag, "SELECT 3")
        assert.strictEqual(objects.rowCount, 3)
        const arrays = yield* session.values(statement)
        assert.deepStrictEqual(arrays.rows, [[1, "a", null], [2, "a", null], [3, "a", null]])
        assert.deepStrictEqual(arrays.fields.map(({ name }) => name), ["n", "s", "nothing"])
      }))

    it.effect("return the only row, or fail with the number of rows", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const rows = (count: number) => sql`select n::int as n from generate_series(1, ${count}) as g(n)`
        assert.deepStrictEqual(yield* session.one(rows(1)), { n: 1 })
        assert.deepStrictEqual(yield* session.optional(rows(1)), Option.some({ n: 1 }))
        assert.deepStrictEqual(yield* session.optional(rows(0)), Option.none())
        for (
          const [effect, message] of [
            [session.one(rows(0)), "wanted one row, found 0 rows"],
            [session.one(rows(2)), "wanted one row, found 2 rows"],
            [session.optional(rows(3)), "wanted at most one row, found 3 rows"]
          ] as const
        ) {
          const error = yield* Effect.flip<unknown, Error & { readonly _tag: string }, never>(effect)
          assert.deepStrictEqual([error._tag, error.message], ["RowError", message])
        }
      }))

    it.effect("execute statements and drop their rows", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const table = identifier(uniqueName("executed"))
        const run = (statement: Statement.Statement | string) => session.execute(statement)
        assert.deepStrictEqual(yield* run(sql`create table ${table} (a int)`), {
          commandTag: "CREATE TABLE",
          rowCount: undefined
        })
        assert.strictEqual((yield* run(sql`insert into ${table} values (${1}), (${2})`)).rowCount, 2)
        assert.deepStrictEqual(yield* run("select 1 as a, 2 as a"), { commandTag: "SELECT 1", rowCount: 1 })
        assert.strictEqual((yield* Effect.flip(run("select 1 / 0")))._tag, "ServerError")
      }))

    it.effect("return duplicate column names in arrays, and refuse them in objects", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const statement = "select 1 as a, 2 as a, 3 as b"
        assert.deepStrictEqual((yield* session.values(statement)).rows, [[1, 2, 3]])
        const error = yield* Effect.flip(session.query(statement))
        assert.isTrue(
          error._tag === "ValueError" && error.reason._tag === "DuplicateColumn" && error.reason.name === "a"
        )
        assert.deepStrictEqual((yield* session.query("select 1 as a, 2 as b")).rows, [{ a: 1, b: 2 }])
      }))

    it.effect("return a column of any name as an ordinary property", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const { rows } = yield* session.query(`select 1 as ${identifier("__proto__").text}, 2 as "to""String"`)
        assert.deepStrictEqual(Object.entries(rows[0]!), [["__proto__", 1], ["to\"String", 2]])
        assert.isFalse(({} as Record<string, unknown>)["to\"String"] !== undefined)
      }))

    it.effect("return an empty result for an empty query", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const empty = { rows: [], fields: [], commandTag: "", rowCount: undefined }
        assert.deepStrictEqual(yield* session.query(""), empty)
        assert.deepStrictEqual(yield* session.simple(""), [empty])
        assert.deepStrictEqual(yield* session.simple("-- nothing\n"), [empty])
        assert.deepStrictEqual((yield* session.values("select 1")).rows, [[1]])
      }))

    it.effect("return rows without columns", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        assert.deepStrictEqual((yield* session.query("select from generate_series(1, 2)")).rows, [{}, {}])
        assert.deepStrictEqual((yield* session.values("select from generate_series(1, 2)")).rows, [[], []])
      }))

    it.effect("return the row count of the command tag", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const table = identifier(uniqueName("tags"))
        const run = (statement: Statement.Statement) =>
          Effect.map(session.query(statement), ({ commandTag, rowCount }) => [commandTag, rowCount])
        assert.deepStrictEqual(yield* run(sql`create table ${table} (a int, b text)`), ["CREATE TABLE", undefined])
        assert.deepStrictEqual(yield* run(sql`insert into ${table} values (1, 'x'), (2, 'y')`), ["INSERT 0 2", 2])
        assert.deepStrictEqual(yield* run(sql`update ${table} set b = ${"z"} where a > ${1}`), ["UPDATE 1", 1])
        assert.deepStrictEqual(yield* run(sql`select * from ${table} order by a`), ["SELECT 2", 2])
        assert.deepStrictEqual(yield* run(sql`delete from ${table} where a = ${9}`), ["DELETE 0", 0])
        assert.deepStrictEqual(yield* run(sql`drop table ${table}`), ["DROP TABLE", undefined])
      }))

    it.effect("fail with the error's condition and position, and the session survives", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const failing: ReadonlyArray<readonly [statement: string, condition: string]> = [
          ["select 1 +", "SyntaxError"],
          ["select * from no_such_table", "UndefinedTable"],
          ["select no_such_column from generate_series(1, 1)", "UndefinedColumn"],
          ["select no_such_function(1)", "UndefinedFunction"],
          ["select 1 / (n - 1) from generate_series(1, 1) as g(n)", "DivisionByZero"],
          ["select 'x'::text::int", "InvalidTextRepresentation"]
        ]
        for (const run of queryMethods(session)) {
          for (const [statement, condition] of failing) {
            const error = yield* Effect.flip(run(statement))
            assert.strictEqual(error._tag === "ServerError" ? error.reason._tag : error._tag, condition)
            assert.deepStrictEqual((yield* session.query("select 1 as a")).rows, [{ a: 1 }])
          }
        }
        const error = yield* Effect.flip(session.query("select 'ä' as x, no_such_column"))
        assert.isTrue(error._tag === "ServerError" && error.reason.position === 18)
        const caught = session.query("select 1 / 0").pipe(
          Effect.catchReason("ServerError", "DivisionByZero", (reason) => Effect.succeed(reason.sqlState))
        )
        assert.strictEqual(yield* caught, "22012")
      }))

    it.effect("drop the rows before an error", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const statement = "select 100 / (50000 - n) from generate_series(1, 60000) as g(n)"
        for (const run of queryMethods(session)) {
          const error = yield* Effect.flip(run(statement))
          assert.isTrue(error._tag === "ServerError" && error.reason._tag === "DivisionByZero")
        }
        assert.strictEqual(session.transactionStatus(), "I")
      }))

    it.effect("fail with the wrong number of parameters", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        for (const values of [[], [1], [1, 2, 3]]) {
          const error = yield* Effect.flip(session.query(fromTextUnsafe("select $1::int + $2::int", values)))
          assert.oneOf(error._tag, ["ServerError", "ValueError"])
        }
        const { rows } = yield* session.query(fromTextUnsafe("select $1::int + $2::int as n", [1, 2]))
        assert.deepStrictEqual(rows, [{ n: 3 }])
      }))

    it.effect("use a parameter in several places", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const { rows } = yield* session.query(fromTextUnsafe("select $1::int + $2::int * $1::int as n", [3, 4]))
        assert.deepStrictEqual(rows, [{ n: 15 }])
      }))

    it.effect("refuse text that cannot be sent, and the session survives", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        for (const text of ["select '\0'", "select '\ud800'"]) {
          for (const run of queryMethods(session)) {
            const error = yield* Effect.flip(run(text))
            assert.strictEqual(error._tag, "ProtocolError")
          }
        }
        assert.deepStrictEqual((yield* session.query("select 1 as a")).rows, [{ a: 1 }])
      }))

    it.effect("return its own result to each of 200 concurrent queries", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const answers = yield* Effect.forEach(
          Array.from({ length: 200 }, (_, i) => i),
          (i) => Effect.map(session.query(sql`select ${`token ${i}`}::text as token`), ({ rows }) => rows[0]!["token"]),
          { concurrency: "unbounded" }
        )
        assert.deepStrictEqual(answers, answers.map((_, i) => `token ${i}`))
        // Every statement is different, and every third fails.
        const mixed = yield* Effect.forEach(
          Array.from({ length: 200 }, (_, i) => i),
          (i) => Effect.result(session.values(i % 3 === 0 ? `select ${i} / 0` : `select ${i}`)),
          { concurrency: "unbounded" }
        )
        for (const [i, result] of mixed.entries()) {
          if (i % 3 === 0) assert.isTrue(result._tag === "Failure" && result.failure._tag === "ServerError")
          else assert.isTrue(result._tag === "Success" && result.success.rows[0]?.[0] === i)
        }
      }))

    it.effect("return the same values by the simple and the extended protocol", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const statement =
          "select 1::int as i, 2::bigint as l, true as b, 'x'::text as t, 1.50::numeric(8,2) as d, null::text as nothing"
        const [result, ...others] = yield* session.simple(statement)
        assert.deepStrictEqual(result!.rows, (yield* session.query(statement)).rows)
        assert.deepStrictEqual(others, [])
      }))

    it.effect("send and return large values", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const text = "ä€😀 ".repeat(300_000)
        const bytes = new Uint8Array(3_000_000).map((_, i) => i)
        const { rows } = yield* session.values(sql`select ${text}::text, ${Parameter.make(bytes, BuiltIn.bytea)}`)
        assert.isTrue(rows[0]?.[0] === text)
        assert.deepStrictEqual(rows[0]?.[1], bytes)
      }))
  },

  postgres(it) {
    it.effect("run several statements at once, in one transaction", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const table = uniqueName("several")
        const results = yield* session.simple(
          `create table ${table} (a int); insert into ${table} values (1), (2); select a from ${table}; ; select 'x' as x`
        )
        assert.deepStrictEqual(results.map(({ commandTag }) => commandTag), [
          "CREATE TABLE",
          "INSERT 0 2",
          "SELECT 2",
          "SELECT 1"
        ])
        assert.deepStrictEqual(results.map(({ rows }) => rows), [[], [], [{ a: 1 }, { a: 2 }], [{ x: "x" }]])
        const error = yield* Effect.flip(session.simple(`insert into ${table} values (3); select 1 / 0`))
        assert.isTrue(error._tag === "ServerError" && error.reason._tag === "DivisionByZero")
        assert.strictEqual((yield* session.query(`select a from ${table}`)).rowCount, 2)
        const extended = yield* Effect.flip(session.query("select 1; select 2"))
        assert.isTrue(extended._tag === "ServerError" && extended.reason._tag === "SyntaxError")
      }))

    it.effect("run texts with literals of many megabytes, and read them for what they may not do", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const text = `select length('${"x".repeat(20_000_000)}') as length`
        const [result] = yield* session.transaction(session.simple(`${text}; select 1 as "end"`))
        assert.deepStrictEqual(result?.rows, [{ length: 20_000_000 }])
        const ended = yield* Effect.flip(session.transaction(session.simple(`${text}; end`)))
        assert.strictEqual(ended._tag, "TransactionCommandRefused")
        const encoded = yield* Effect.flip(session.simple(`${text}; set client_encoding to latin1`))
        assert.strictEqual(encoded._tag, "UnsupportedError")
      }))

    it.effect("fail with the constraint, table and schema that were violated, with the detail kept apart", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const table = uniqueName("unique")
        yield* session.query(`create table ${table} (a int constraint only_once_${table} unique)`)
        yield* session.query(`insert into ${table} values (7)`)
        const error = yield* Effect.flip(session.query(sql`insert into ${identifier(table)} values (${7})`))
        assert.strictEqual(error._tag, "ServerError")
        if (error._tag !== "ServerError") return
        const { constraint, detail, schema, sqlState, table: where } = error.reason
        assert.deepStrictEqual([constraint, where, schema, sqlState], [`only_once_${table}`, table, "public", "23505"])
        assert.strictEqual(detail, "Key (a)=(7) already exists.")
        assert.notInclude(error.message, "(7)")
        assert.isFalse(error.isRetryable)
      }))
  },

  hyper(it) {
    it.effect("fail with several statements at once as unsupported", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const error = yield* Effect.flip(session.simple("select 1; select 2"))
        assert.isTrue(error._tag === "ServerError" && error.reason._tag === "FeatureNotSupported")
        assert.deepStrictEqual((yield* session.simple("select 1 as a;"))[0]?.rows, [{ a: 1 }])
      }))

    it.effect("read a table that was created again under the same name", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const table = uniqueName("anew")
        for (const [type, value] of [["int", 1], ["text", "one"]] as const) {
          yield* session.query(`create table ${table} (a ${type})`)
          yield* session.query(sql`insert into ${identifier(table)} values (${value})`)
          assert.deepStrictEqual((yield* session.query(`select * from ${table}`)).rows, [{ a: value }])
          yield* session.query(`drop table ${table}`)
        }
      }))

    it.effect("decode simple queries in the session's result format", () =>
      Effect.gen(function*() {
        for (const format of ["Text", "HyperBinary", "PGBinary"]) {
          const session = yield* openSession({ options: `-c result_format_code=${format}` })
          assert.strictEqual(session.parameters().get("result_format_code"), format)
          const statement = "select 258::int as i, 2::bigint as l, 'x'::text as t, date '2024-02-29' as d"
          const [result] = yield* session.simple(statement)
          assert.deepStrictEqual(result!.rows, (yield* session.query(statement)).rows)
        }
      }))
  }
})
