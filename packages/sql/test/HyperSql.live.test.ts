/** Effect's `SqlClient` on a pool of PostgreSQL. */
import { assert, layer } from "@effect/vitest"
import * as Statement from "@hyperfect/client/Statement"
import * as HyperSql from "@hyperfect/sql/HyperSql"
import { Effect, Fiber, Stream, Tracer } from "effect"
import * as Reactivity from "effect/reactivity/Reactivity"
import * as SqlClient from "effect/sql/SqlClient"
import { config, layerHyperSql, layerServer } from "./servers.ts"

const options = { excludeTestServices: true, timeout: "60 seconds" } as const

/** Runs an effect with a client of its own on the shared server. */
const withSql = <A, E, R>(
  effect: (sql: HyperSql.HyperSql) => Effect.Effect<A, E, R>,
  options?: Parameters<typeof layerHyperSql>[0]
) => Effect.provide(Effect.flatMap(HyperSql.HyperSql, effect), layerHyperSql({ max: 4, ...options }))

layer(layerServer, options)("HyperSql", (it) => {
  it.effect("runs statements, and reads their rows as objects", () =>
    withSql((sql) =>
      Effect.gen(function*() {
        const rows = yield* sql`select ${1} + 1 as a, ${"x"} as b, ${undefined} as c, ${new Int8Array([1, -1])} as d`
        assert.deepStrictEqual(rows.map((row) => ({ ...row })), [{
          a: 2,
          b: "x",
          c: null,
          d: new Uint8Array([1, 255])
        }])
      })
    ))

  it.effect("reads duplicate columns as Effect's driver does: the last one wins, and the statement runs once", () =>
    withSql((sql) =>
      Effect.gen(function*() {
        yield* sql`create table counted (n int)`
        const rows = yield* sql`insert into counted values (1) returning n as a, n + 1 as a`
        assert.deepStrictEqual(rows.map((row) => ({ ...row })), [{ a: 2 }])
        assert.deepStrictEqual(yield* sql`select count(*)::int as n from counted`.values, [[1]])
      })
    ))

  it.effect("builds inserts, updates and lists", () =>
    withSql((sql) =>
      Effect.gen(function*() {
        yield* sql`create table people (id int, name text, doc jsonb)`
        const [ada, bob]: ReadonlyArray<Record<string, unknown>> = [
          { id: 1, name: "ada", doc: sql.json({ a: 1 }) },
          { id: 2, name: "bob", doc: null }
        ]
        const inserted = yield* sql`insert into people ${sql.insert([ada!, bob!]).returning("id")}`
        assert.deepStrictEqual(inserted.map(({ id }) => id), [1, 2])
        yield* sql`update people set name = data.name
          from ${sql.updateValues([{ id: 2, name: "eve" }], "data")} where people.id = data.id`
        const rows = yield* sql`select name, doc from people where id in ${sql.in([1, 2])} order by id`
        assert.deepStrictEqual(rows.map((row) => ({ ...row })), [{ name: "ada", doc: { a: 1 } }, {
          name: "eve",
          doc: null
        }])
      })
    ))

  it.effect("transforms names in statements and rows", () =>
    withSql(
      (sql) =>
        Effect.gen(function*() {
          yield* sql`create table ${sql("camelCase")} (${sql("firstName")} text, doc jsonb)`
          yield* sql`insert into ${sql("camelCase")} ${sql.insert({ firstName: "ada", doc: sql.json({ someKey: 1 }) })}`
          const [row] = yield* sql`select * from ${sql("camelCase")}`
          assert.deepStrictEqual({ ...row }, { firstName: "ada", doc: { someKey: 1 } })
          const [plain] = yield* sql.withoutTransforms()`select * from camel_case`
          assert.deepStrictEqual({ ...plain }, { first_name: "ada", doc: { some_key: 1 } })
        }),
      {
        transformQueryNames: (name) => name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
        transformResultNames: (name) => name.replaceAll(/_[a-z]/g, (letters) => letters[1]!.toUpperCase())
      }
    ))

  it.effect("streams rows, and runs statements as values, raw and unprepared", () =>
    withSql((sql) =>
      Effect.gen(function*() {
        const rows = yield* Stream.runCollect(sql<{ n: number }>`select n from generate_series(1, 1000) g(n)`.stream)
        assert.strictEqual(rows.length, 1000)
        assert.strictEqual(rows[999]!.n, 1000)
        assert.deepStrictEqual(yield* sql`select 1, 'a'`.values, [[1, "a"]])
        assert.deepStrictEqual(yield* sql`select 1::int8, 'a'`.valuesUnprepared, [[1n, "a"]])
        assert.deepStrictEqual((yield* sql`select ${1}::int as a`.unprepared).map((row) => ({ ...row })), [{ a: 1 }])
        assert.strictEqual(
          (yield* sql`select 1`.raw as Effect.Effect<{ readonly commandTag: string }>).commandTag,
          "SELECT 1"
        )
      })
    ))

  it.effect("keeps no unprepared statement on the server", () =>
    withSql(
      (sql) =>
        Effect.gen(function*() {
          yield* sql`select 'kept' as a`
          yield* sql`select 'dropped' as a`.unprepared
          const names = yield* sql<{ statement: string }>`select statement from pg_prepared_statements`
          assert.deepStrictEqual(
            names.filter(({ statement }) => statement.includes(" as a")).map((row) => row.statement),
            [
              "select 'kept' as a"
            ]
          )
        }),
      { max: 1 }
    ))

  it.effect("fails with the reasons of effect/sql", () =>
    withSql((sql) =>
      Effect.gen(function*() {
        yield* sql`create table checked (id int primary key check (id > 0), parent int references checked)`
        yield* sql`insert into checked values (1)`
        const reasons = yield* Effect.forEach([
          sql`selec`,
          sql`select * from missing`,
          sql`insert into checked values (1)`,
          sql`insert into checked values (-1)`,
          sql`insert into checked values (2, 9)`,
          sql`select 1 / 0`,
          sql`select pg_sleep(10)`.pipe((sleep) =>
            sql.withTransaction(Effect.andThen(sql`set local statement_timeout = 100`, sleep))
          ),
          sql`select ${Symbol("x")}`
        ], (statement) => Effect.map(Effect.flip(statement), ({ reason }) => reason))
        assert.deepStrictEqual(reasons.map(({ _tag }) => _tag), [
          "SqlSyntaxError",
          "SqlSyntaxError",
          "UniqueViolation",
          "ConstraintError",
          "ConstraintError",
          "UnknownError",
          "StatementTimeoutError",
          "UnknownError"
        ])
        assert.strictEqual((reasons[2] as { readonly constraint?: string }).constraint, "checked_pkey")
        assert.match(reasons[5]!.message!, /division by zero/)
      })
    ))

  it.effect("says of a lost connection that a statement which may have been run is not retryable", () =>
    withSql((sql) =>
      Effect.gen(function*() {
        const lost = yield* Effect.flip(sql`select pg_terminate_backend(pg_backend_pid()), pg_sleep(5)`)
        assert.deepStrictEqual([lost.reason._tag, lost.isRetryable], ["ConnectionError", false])
      })
    ))

  it.effect("says of a transaction with a statement that another session made stale that it is retryable", () =>
    withSql((sql) =>
      Effect.gen(function*() {
        yield* sql`create table altered (a int)`
        const rows = sql`select * from altered`
        yield* Effect.andThen(rows, rows)
        const other = yield* HyperSql.make(yield* config)
        yield* other`alter table altered add column b int`
        const stale = yield* Effect.flip(sql.withTransaction(rows))
        assert.deepStrictEqual([stale.reason._tag, stale.isRetryable], ["UnknownError", true])
        assert.deepStrictEqual(yield* sql.withTransaction(rows), [])
      }).pipe(Effect.provide(Reactivity.layer)), { max: 1 }))

  it.effect("makes one span for each statement", () =>
    withSql((sql) =>
      Effect.gen(function*() {
        const spans: Array<Tracer.Span> = []
        const tracer = Tracer.make({
          span: (span) => {
            const made = new Tracer.NativeSpan(span)
            spans.push(made)
            return made
          }
        })
        yield* sql`select 1`.pipe(Effect.withTracer(tracer))
        yield* sql.withTransaction(sql`select 2`).pipe(Effect.withTracer(tracer))
        assert.deepStrictEqual(spans.map(({ name }) => name), ["postgres", "sql.transaction", "postgres"])
        const attributes = spans[0]!.attributes
        assert.strictEqual(attributes.get("db.query.text"), "select 1")
        assert.strictEqual(attributes.get("db.system.name"), "postgresql")
        assert.strictEqual(attributes.get("db.namespace"), "postgres")
        assert.isDefined(attributes.get("server.port"))
      })
    ))

  it.effect("says which driver it is", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* withSql((sql) => Effect.succeed(sql.driver)), "hyperfect")
      assert.strictEqual(yield* withSql((sql) => Effect.succeed(sql.driver), { driver: "pglite" }), "pglite")
    }))

  it.effect("fails with a SqlError if the server refuses the connection", () =>
    Effect.gen(function*() {
      const settings = yield* config
      const error = yield* Effect.flip(Effect.scoped(Effect.provide(
        SqlClient.SqlClient,
        HyperSql.layer({ ...settings, database: "missing" })
      )))
      assert.strictEqual(error._tag, "SqlError")
    }))

  it.effect("reserves a session, on which statements run until the scope closes", () =>
    withSql((sql) =>
      Effect.scoped(Effect.gen(function*() {
        const connection = yield* sql.reserve
        const pid = () => connection.executeValues("select pg_backend_pid()", [])
        const first = yield* pid()
        yield* Effect.all(Array.from({ length: 10 }, () => sql`select pg_sleep(0.01)`), { concurrency: "unbounded" })
        assert.deepStrictEqual(yield* pid(), first)
      }))
    ))

  it.effect("leases a session of the client, on which a SqlClient can run, too", () =>
    withSql((sql) =>
      Effect.scoped(Effect.gen(function*() {
        const session = yield* Effect.provideService(HyperSql.session, HyperSql.HyperSql, sql)
        const own = yield* HyperSql.fromClient(session)
        yield* session.query("create temporary table leased as select 7 as n")
        assert.deepStrictEqual(yield* own`select n from leased`, [{ n: 7 }])
        assert.deepStrictEqual((yield* (yield* own.session).values("select n from leased")).rows, [[7]])
        const error = yield* Effect.flip(sql`select n from leased`)
        assert.strictEqual(error._tag, "SqlError")
      })).pipe(Effect.provide(Reactivity.layer))
    ))

  it.effect("joins COPY and the client's own statements in its transactions, and the other way round", () =>
    withSql((sql) =>
      Effect.gen(function*() {
        yield* sql`create table joined (n int)`
        const counted = Effect.map(sql<{ n: number }>`select count(*)::int as n from joined`, ([row]) => row!.n)
        const undone = Effect.fail("undone" as const)
        yield* sql.withTransaction(Effect.gen(function*() {
          yield* sql`insert into joined values (1)`
          yield* sql.client.execute(Statement.sql`insert into joined values (${2})`)
          yield* sql.client.copyIn("copy joined from stdin", Stream.make(new TextEncoder().encode("3\n")))
          assert.strictEqual(yield* counted, 3)
          assert.deepStrictEqual((yield* sql.client.values("select count(*)::int from joined")).rows, [[3]])
          yield* undone
        })).pipe(Effect.ignore)
        assert.strictEqual(yield* counted, 0)
        yield* sql.client.transaction(Effect.gen(function*() {
          yield* sql`insert into joined values (1)`
          yield* Effect.ignore(sql.withTransaction(Effect.andThen(sql`insert into joined values (2)`, undone)))
          yield* sql.withTransaction(sql`insert into joined values (3)`)
        }))
        assert.strictEqual(yield* counted, 2)
      })
    ))

  it.effect("runs statements of child fibers in the transaction", () =>
    withSql((sql) =>
      Effect.gen(function*() {
        const pid = Effect.map(sql<{ pid: number }>`select pg_backend_pid() as pid`, ([row]) => row!.pid)
        const pids = yield* sql.withTransaction(Effect.flatMap(
          Effect.forEach([1, 2, 3], () => Effect.forkChild(pid)),
          (fibers) => Effect.forEach(fibers, Fiber.join)
        ))
        assert.strictEqual(new Set(pids).size, 1)
      })
    ))
})
