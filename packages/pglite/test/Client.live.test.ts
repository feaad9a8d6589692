/** A client of this library on a PGlite in the same process. */
import { assert, it, layer } from "@effect/vitest"
import type { PGlite } from "@electric-sql/pglite"
import * as Authenticate from "@hyperfect/auth/Authenticate"
import * as Client from "@hyperfect/client/Client"
import * as Copy from "@hyperfect/client/Copy"
import * as Pool from "@hyperfect/client/Pool"
import * as Session from "@hyperfect/client/Session"
import { sql } from "@hyperfect/client/Statement"
import * as Pglite from "@hyperfect/pglite/Pglite"
import * as Frontend from "@hyperfect/protocol/Frontend"
import * as HyperSql from "@hyperfect/sql/HyperSql"
import { Transport } from "@hyperfect/transport/Transport"
import { Context, Effect, Fiber, Layer, Option, Stream } from "effect"
import { makeDatabase } from "./copies.ts"

class Database extends Context.Service<Database, PGlite>()("test/Database") {}

const layerDatabase = Layer.effect(
  Database,
  Effect.acquireRelease(Effect.promise(() => makeDatabase()), (db) => Effect.promise(() => db.close()))
)

const Live = Layer.provideMerge(
  Layer.unwrap(
    Effect.map(Database, (db) => Pglite.layer(db, { maxCopyBytes: 1_000_000, acquireTimeout: "1 second" }))
  ),
  Layer.merge(layerDatabase, Authenticate.layerCrypto)
)

const bytes = (text: string) => new TextEncoder().encode(text)

layer(Live, { excludeTestServices: true, timeout: "60 seconds" })("PGlite", (it) => {
  it.effect("runs queries, streams and columns", () =>
    Effect.gen(function*() {
      const session = yield* Session.make({ ...Pglite.config, options: "-c work_mem=1MB" })
      assert.strictEqual(session.server.dialect.cancel, Pglite.dialect.cancel)
      assert.deepStrictEqual((yield* session.values("show work_mem")).rows, [["1MB"]])
      assert.deepStrictEqual((yield* session.values(sql`select ${7}::int, ${"ä"}, null`)).rows, [[7, "ä", null]])
      const rows = yield* Stream.runCollect(session.streamValues("select n from generate_series(1, 50000) as g(n)"))
      assert.deepStrictEqual([rows.length, rows.at(-1)], [50_000, [50_000]])
      const few = session.streamValues("select n from generate_series(1, 1000) as g(n)", { fetchSize: 10 })
      assert.strictEqual((yield* Stream.runCollect(Stream.take(few, 25))).length, 25)
      const { columns } = yield* session.columns("select n, n::text as t from generate_series(1, 3) as g(n)")
      assert.strictEqual(columns.length, 2)
      const error = yield* Effect.flip(session.query("select 1/0"))
      assert(error._tag === "ServerError" && error.reason._tag === "DivisionByZero")
    }))

  it.effect("copies in both directions, also after a COPY that failed", () =>
    Effect.gen(function*() {
      const session = yield* Session.make(Pglite.config)
      yield* session.query("create temporary table t (n int, s text)")
      const copied = yield* session.copyIn("copy t from stdin", Stream.make(bytes("1\ta\n2\t"), bytes("b\n")))
      assert.strictEqual(copied.rowCount, 2)
      yield* Copy.into([{ n: 3, s: "c" }], "t").pipe(Effect.provideService(Client.Client, session))
      const out = yield* Stream.runCollect(session.copyOut("copy (select * from t order by n) to stdout"))
      assert.strictEqual(out.map((chunk) => new TextDecoder().decode(chunk)).join(""), "1\ta\n2\tb\n3\tc\n")
      const refusals = [
        ["copy t from stdin", Stream.make(bytes("x\ta\n")), /invalid input syntax/],
        ["copy nowhere from stdin", Stream.make(bytes("x\ta\n")), /does not exist/],
        ["copy t from stdin", Stream.make(new Uint8Array(600_000), new Uint8Array(600_000)), /raise maxCopyBytes/]
      ] as const
      for (const [text, data, message] of refusals) {
        const error = yield* Effect.flip(session.copyIn(text, data))
        assert.match(error.message, message)
      }
      const error = yield* Effect.flip(session.copyIn("copy t from stdin", Stream.fail("no more" as const)))
      assert.strictEqual(error, "no more")
      const mixed = yield* Effect.flip(session.simple("select 1; copy t from stdin"))
      assert.match(mixed.message, /COPY/)
      assert.deepStrictEqual((yield* session.values("select count(*)::int from t")).rows, [[3]])
    }))

  it.effect("rolls back and forgets what a connection leaves, and lets PGlite's own queries wait", () =>
    Effect.gen(function*() {
      const db = yield* Database
      yield* Effect.promise(() => db.exec("create table kept (n int)"))
      yield* Effect.scoped(Effect.gen(function*() {
        const session = yield* Session.make(Pglite.config)
        yield* session.query("set search_path = pg_catalog")
        yield* session.simple("begin; insert into public.kept values (1)")
      }))
      const { rows } = yield* Effect.promise(() => db.query("select count(*)::int as n from kept"))
      assert.deepStrictEqual(rows, [{ n: 0 }])
      yield* Effect.scoped(Effect.flatMap(Session.make(Pglite.config), (session) =>
        Effect.gen(function*() {
          assert.deepStrictEqual((yield* session.values("show search_path")).rows, [["public"]])
          const counted = yield* session.transaction(Effect.gen(function*() {
            yield* session.query("insert into kept values (1)")
            return db.query("select count(*)::int as n from kept")
          }))
          assert.deepStrictEqual((yield* Effect.promise(() => counted)).rows, [{ n: 1 }])
        })))
    }))

  it.effect("refuses a second connection, and works in a pool of one", () =>
    Effect.gen(function*() {
      yield* Effect.scoped(Effect.gen(function*() {
        yield* Session.make(Pglite.config)
        const error = yield* Effect.flip(Session.make(Pglite.config))
        assert(error._tag === "AuthError" && error.reason._tag === "Rejected")
        assert.strictEqual(error.reason.sqlState, "53300")
      }))
      const pool = yield* Pool.make(Pglite.config, { max: 1 })
      const rows = yield* Effect.forEach([1, 2, 3], (n) => pool.values(sql`select ${n}::int`), {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(rows.map(({ rows }) => rows), [[[1]], [[2]], [[3]]])
    }))

  it.effect("notifies the session that listens, and refuses a pool the second session that its listeners need", () =>
    Effect.gen(function*() {
      yield* Effect.scoped(Effect.gen(function*() {
        const session = yield* Session.make(Pglite.config)
        const heard = yield* Effect.forkChild(Stream.runHead(session.notifications), { startImmediately: true })
        yield* session.query("listen news")
        yield* session.query("notify news, 'hi'")
        assert.include(Option.getOrThrow(yield* Fiber.join(heard)), { channel: "news", payload: "hi" })
      }))
      const pool = yield* Pool.make(Pglite.config, { max: 1 })
      const error = yield* Effect.flip(Effect.scoped(pool.subscribe("news")))
      assert(error._tag === "AuthError" && error.reason._tag === "Rejected")
      assert.strictEqual(error.reason.sqlState, "53300")
    }))

  it.effect("runs Effect's SqlClient", () =>
    Effect.gen(function*() {
      const sql = yield* HyperSql.HyperSql
      yield* sql`create table sql_t (n int)`
      yield* sql.withTransaction(sql`insert into sql_t ${sql.insert([{ n: 1 }, { n: 2 }])}`)
      assert.deepStrictEqual(yield* sql`select n from sql_t order by n`.values, [[1], [2]])
    }).pipe(Effect.provide(HyperSql.layer(Pglite.config, { max: 1, driver: "pglite" }))))

  it.effect("closing fails a suspended pull with Closed", () =>
    Effect.gen(function*() {
      const { connect } = yield* Transport
      const { pull } = yield* Effect.scoped(connect(Pglite.config.endpoint))
      const error = yield* Effect.flip(pull)
      assert.deepStrictEqual(error.reason._tag, "Closed")
    }))
})

/** Returns a PGlite as a `PGliteWorker` hands it over: what its calls are given and return is cloned, so that no function passes. */
const cloning = (db: PGlite): Pglite.Pglite => ({
  isLeader: true,
  closed: db.closed,
  waitReady: db.waitReady,
  execProtocolRaw: async (bytes) => structuredClone(await db.execProtocolRaw(structuredClone(bytes))),
  execProtocolRawStream: async (bytes, options) =>
    db.execProtocolRawStream(structuredClone(bytes), structuredClone(options!)),
  runExclusive: (use) => db.runExclusive(use),
  _runExclusiveTransaction: (use) => db._runExclusiveTransaction(use)
})

it.live("a PGlite in a Worker is used without functions, which it cannot be sent", () =>
  Effect.gen(function*() {
    const db = yield* Database
    yield* Effect.gen(function*() {
      const session = yield* Session.make(Pglite.config)
      yield* session.query("create table t (n int)")
      yield* Copy.into([{ n: 1 }, { n: 2 }], "t").pipe(Effect.provideService(Client.Client, session))
      const error = yield* Effect.flip(session.query("select 1/0"))
      assert(error._tag === "ServerError" && error.reason._tag === "DivisionByZero")
      yield* session.transaction(session.execute(sql`insert into t values (${3})`))
    }).pipe(Effect.scoped, Effect.provide(Pglite.layer(cloning(db))))
    const { rows } = yield* Effect.promise(() => db.query("select n from t order by n", [], { rowMode: "array" }))
    assert.deepStrictEqual(rows, [[1], [2], [3]])
  }).pipe(Effect.provide(Layer.merge(layerDatabase, Authenticate.layerCrypto))))

/** Breaks a PGlite, and returns the errors of a running session and of a new one. */
const afterwards = (
  destroy: (db: PGlite) => Promise<unknown>,
  text = "select 1",
  use: (db: PGlite) => Pglite.Pglite = (db) => db
) =>
  Effect.gen(function*() {
    const db = yield* Effect.promise(() => makeDatabase())
    return yield* Effect.gen(function*() {
      const session = yield* Session.make(Pglite.config)
      yield* Effect.promise(() => destroy(db).catch(() => {}))
      const first = yield* Effect.flip(Effect.timeout(session.query(text), "20 seconds"))
      const second = yield* Effect.flip(Effect.timeout(Session.make(Pglite.config), "20 seconds"))
      return [first, second].map((error) => error._tag === "TransportError" ? error.reason._tag : error._tag)
    }).pipe(Effect.scoped, Effect.provide(Layer.provideMerge(Pglite.layer(use(db)), Authenticate.layerCrypto)))
  })

const ended = ["ServerExited", "ServerExited"]

it.live("a PGlite that was closed is refused", () =>
  Effect.gen(function*() {
    assert.deepStrictEqual(yield* afterwards((db) => db.close()), ended)
  }))

const destroy = (db: PGlite) =>
  db.exec("create table t (n int)").then(() =>
    db.execProtocolRaw(Frontend.encodeUnsafe({ _tag: "Query", query: "copy t from stdin" }))
  )

it.live("a PGlite that has ended is refused, instead of waiting for it forever", () =>
  Effect.gen(function*() {
    assert.deepStrictEqual(yield* afterwards(destroy), ended)
    assert.deepStrictEqual(yield* afterwards(destroy, "select 1", (db) => cloning(Pglite.guard(db))), ended)
  }))

it.live("a PGlite that runs out of stack is refused", () =>
  Effect.gen(function*() {
    const recurse = "create function f(i int) returns int language plpgsql as 'begin return f(i + 1); end'"
    assert.deepStrictEqual(yield* afterwards((db) => db.exec(recurse), "select f(1)"), ended)
  }))
