/** The same programs on Effect's own driver and on this one: equal results, errors and spans, but for a few exceptions. */
import { assert, layer } from "@effect/vitest"
import { Cause, Effect, Exit, type Layer, Stream, Tracer } from "effect"
import * as SqlClient from "effect/sql/SqlClient"
import { SqlError } from "effect/sql/SqlError"
import * as Statement from "effect/sql/Statement"
import { layerHyperSql, layerPgClient, layerServer } from "./servers.ts"

type Program = (sql: SqlClient.SqlClient) => Effect.Effect<unknown, unknown>

/** The parts of a span that both drivers are expected to make alike. */
const described = ({ attributes, kind, name, status }: Tracer.Span) => ({
  name,
  kind,
  failed: status._tag === "Ended" && Exit.isFailure(status.exit),
  attributes: [...attributes].filter(([key]) => key !== "server.address" && !key.startsWith("db.client"))
    .toSorted(([a], [b]) => a < b ? -1 : 1)
})

/** Rows are made plain; of an error the reason's tag counts, as the texts are those of the drivers. */
const plain = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(plain)
  if (value instanceof SqlError) return { _tag: value._tag, reason: value.reason._tag, retryable: value.isRetryable }
  const isRow = typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype
  return isRow ? Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)])) : value
}

/** Runs a program in a schema of its own, and returns its outcome and its spans, if there is a tracer. */
const observe = <R>(program: Program, client: Layer.Layer<SqlClient.SqlClient, unknown, R>, hasTracer = true) =>
  Effect.gen(function*() {
    const spans: Array<Tracer.Span> = []
    const tracer = Tracer.make({
      span: (options) => {
        const span = new Tracer.NativeSpan(options)
        spans.push(span)
        return span
      }
    })
    const outcome = yield* Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* sql`drop schema if exists side_by_side cascade`
      yield* sql`create schema side_by_side`
      return yield* Effect.exit(hasTracer ? Effect.withTracer(program(sql), tracer) : program(sql))
    }).pipe(Effect.provide(client))
    return {
      outcome: Exit.isSuccess(outcome)
        ? { value: plain(outcome.value) }
        : { error: plain(Cause.squash(outcome.cause)) },
      spans: spans.map(described)
    }
  })

const undone = Effect.fail("undone")

/** States of all classes that have a reason, and of some that have none. */
const sqlStates = (
  "08006 28P01 42501 42601 42P01 23502 23503 23505 23514 23P01 40P01 40001 55P03 57014 22012 25P02 40003 XX000"
).split(" ")

const raise = (sql: SqlClient.SqlClient, sqlState: string) =>
  sql.unsafe(`do $$ begin raise exception using errcode = '${sqlState}'; end $$`)

const programs: Readonly<Record<string, Program>> = {
  "rows of plain types": (sql) =>
    sql`select true as a, 1::int2 as b, 2 as c, ${"x"}::text as d, 1.5::float8 as e, null as f, '\\x01'::bytea as g`,
  "exact numbers": (sql) => sql`select 9007199254740993::int8 as a, 1.50::numeric as b, 'NaN'::numeric as c`,
  "dates and times": (sql) =>
    sql`select '2024-01-02'::date as a, '2024-01-02 03:04:05.123456'::timestamp as b,
      '2024-01-02 03:04:05.123456Z'::timestamptz as c, '03:04:05.123456'::time as d`,
  "documents": (sql) => sql`select '{"a":[1,null]}'::json as a, 'null'::jsonb as b, '[1]'::jsonb as c`,
  "names, identifiers and addresses": (sql) =>
    sql`select 'a'::name as a, 'a'::char(3) as b, '550e8400-e29b-41d4-a716-446655440000'::uuid as c,
      '10.0.0.1/8'::inet as d, '10.0.0.0/8'::cidr as e, 'pg_class'::regclass as f, 5::oid as g`,
  "arrays": (sql) => sql`select '{1,2}'::int4[] as a, '{a,NULL}'::text[] as b, '{2024-01-02}'::date[] as c`,
  "parameters of JavaScript's types": (sql) =>
    sql`select ${5n}::int8 as a, ${1.5}::float8 as b, ${true} as c, ${new Date(0)} as d, ${new Uint8Array([1])} as e,
      ${undefined} as f, ${[1, 2]}::int4[] as g, ${[undefined, 2]}::int4[] as h`,
  "duplicate columns": (sql) => sql`select 1 as a, 2 as a`,
  "text and parameters": (sql) => sql.unsafe("select $1::int as a, $2::text as b", [1, "x"]),
  "text without parameters": (sql) => sql.unsafe("select '$1' as a"),
  "statements in statements": (sql) => {
    const inner = sql`select ${1}::int as a`
    const condition = sql.and([sql`a = ${1}`, sql`${sql("a")} in ${sql.in([1, 2])}`])
    return sql`select ${"x"}::text as b, ${sql("s")}.* from (${inner}) s where ${condition} and a < ${3}`
  },
  "a statement that runs twice": (sql) => Effect.replicateEffect(sql`select ${1}::int as a`, 2),
  "a compiled statement": (sql) => Effect.succeed(sql`select ${1} where ${sql("a")} = ${sql.in([2])}`.compile()),
  "a printed statement": (sql) => Effect.succeed(JSON.stringify(sql`select ${1}, ${"x"}`)),
  "a transformer of statements": (sql) =>
    Effect.provideService(
      sql`select 1 as a`,
      Statement.CurrentTransformer,
      (statement, sql) => Effect.succeed(sql`select a + ${1}::int as b from (${statement}) s`)
    ),
  "values": (sql) => sql`select 1 as a, 2 as a`.values,
  "raw results": (sql) =>
    Effect.forEach(
      [sql`select 1 as a`, sql`select * from generate_series(1, 2) where false`],
      (statement) =>
        Effect.map(
          statement.raw as Effect.Effect<Readonly<Record<"command" | "rowCount" | "rows", unknown>>, SqlError>,
          ({ command, rowCount, rows }) => [command, rowCount, rows]
        )
    ),
  "unprepared statements": (sql) => sql`select ${1}::int as a`.unprepared,
  "inserts and returning": (sql) =>
    Effect.andThen(
      sql`create table side_by_side.t (id int, name text)`,
      sql`insert into side_by_side.t ${sql.insert([{ id: 1, name: "a" }, { id: 2, name: "b" }]).returning("*")}`
    ),
  "streams": (sql) => Stream.runCollect(sql`select n from generate_series(1, 100) g(n)`.stream),
  "a syntax error": (sql) => sql`selec`,
  "a missing table": (sql) => sql`select * from missing`,
  "a division by zero": (sql) => sql`select 1 / 0`,
  "a unique violation": (sql) =>
    sql`create table side_by_side.t (id int unique)`.pipe(
      Effect.andThen(sql`insert into side_by_side.t values (1), (1)`)
    ),
  "a check violation": (sql) =>
    sql`create table side_by_side.t (id int check (id > 0))`.pipe(
      Effect.andThen(sql`insert into side_by_side.t values (0)`)
    ),
  "several commands in one statement": (sql) => sql`select 1; select 2`,
  "the reasons of SQLSTATEs": (sql) => Effect.forEach(sqlStates, (sqlState) => Effect.flip(raise(sql, sqlState))),
  "a value of the wrong type": (sql) => sql`select ${"x"}::int`,
  "a transaction that commits": (sql) =>
    sql.withTransaction(sql`create table side_by_side.t (id int)`).pipe(
      Effect.andThen(sql`select * from side_by_side.t`)
    ),
  "a transaction that fails": (sql) =>
    Effect.ignore(sql.withTransaction(Effect.andThen(sql`create table side_by_side.t (id int)`, undone))).pipe(
      Effect.andThen(sql`select to_regclass('side_by_side.t')::text as found`)
    ),
  "a savepoint that is rolled back": (sql) =>
    Effect.andThen(
      sql`create table side_by_side.t (id int)`,
      sql.withTransaction(
        Effect.andThen(
          Effect.ignore(sql.withTransaction(Effect.andThen(sql`insert into side_by_side.t values (1)`, undone))),
          sql`select count(*)::int as n from side_by_side.t`
        )
      )
    ),
  "a transaction with a failed statement": (sql) => sql.withTransaction(Effect.ignore(sql`select 1 / 0`)),
  "a provided BEGIN": (sql) =>
    sql.withTransaction(sql`select current_setting('transaction_isolation') as level`).pipe(
      Effect.provideService(SqlClient.BeginTransaction, "BEGIN ISOLATION LEVEL SERIALIZABLE")
    )
}

/** Values that the other driver reads as bytes in a string or as an invalid date, prints otherwise, or cannot read. */
const exceptions: ReadonlyArray<readonly [expression: string, value: unknown]> = [
  ["'infinity'::timestamptz", Infinity],
  ["'-infinity'::timestamp", -Infinity],
  ["'03:04:05+02'::timetz", "03:04:05+02"],
  ["'{{1,2},{3,4}}'::int4[]", [[1, 2], [3, 4]]],
  ["'[1,5)'::int4range::text", "[1,5)"],
  ["lower('[1,5)'::int4range)", 1],
  ["'a b'::tsvector", "'a' 'b'"],
  ["'0/16B3748'::pg_lsn", "0/16B3748"],
  ["'5'::xid", 5],
  ["'5'::xid8", "5"],
  ["'$1.50'::money", "$1.50"],
  ["'101'::bit(3)", "101"],
  ["'08:00:2b:01:02:03'::macaddr", "08:00:2b:01:02:03"],
  ["'(0,1)'::tid", "(0,1)"]
]

layer(layerServer, { excludeTestServices: true, timeout: "60 seconds" })("HyperSql beside @effect/sql-pg", (it) => {
  it.effect.each(Object.entries(programs))(
    "has the same result, error and spans: %s",
    ([, program]) =>
      Effect.gen(function*() {
        const theirs = yield* observe(program, layerPgClient({ maxConnections: 2 }))
        assert.deepStrictEqual(yield* observe(program, layerHyperSql({ max: 2 })), theirs)
        // Statements without a span take another way.
        const untraced = yield* observe(program, layerHyperSql({ max: 2 }), false)
        assert.deepStrictEqual(untraced, { outcome: theirs.outcome, spans: [] })
      })
  )

  it.effect.each(exceptions)(
    "reads correctly what the other driver does not: %s",
    ([expression, value]) =>
      Effect.gen(function*() {
        const read: Program = (sql) => sql.unsafe(`select ${expression}`).values
        const ours = yield* observe(read, layerHyperSql({ max: 1 }))
        assert.deepStrictEqual(ours.outcome, { value: [[value]] })
      })
  )

  it.effect("has reasons for SQLSTATEs that the other driver does not know", () =>
    Effect.gen(function*() {
      const reasons = { "25P03": "ConnectionError", "25P04": "StatementTimeoutError", "53300": "ConnectionError" }
      const program: Program = (sql) =>
        Effect.forEach(Object.keys(reasons), (sqlState) =>
          Effect.map(Effect.flip(raise(sql, sqlState)), ({ reason }) => reason._tag))
      const { outcome } = yield* observe(program, layerHyperSql({ max: 1 }))
      assert.deepStrictEqual(outcome, { value: Object.values(reasons) })
    }))

  it.effect("reads an interval with the same parts", () =>
    Effect.gen(function*() {
      const read: Program = (sql) =>
        Effect.map(
          sql`select '1 year 2 days 3.5 seconds'::interval as i`,
          ([row]) => {
            const { days, microseconds, months } = row!["i"] as Record<string, unknown>
            return { months, days, microseconds }
          }
        )
      const theirs = yield* observe(read, layerPgClient({ maxConnections: 1 }))
      assert.deepStrictEqual((yield* observe(read, layerHyperSql({ max: 1 }))).outcome, theirs.outcome)
    }))
})
