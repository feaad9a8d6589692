/** Other clients of PostgreSQL on a PGlite behind a port. */
import { assert, it } from "@effect/vitest"
import * as NodePlatform from "@hyperfect/node/NodePlatform"
import * as Pglite from "@hyperfect/pglite/Pglite"
import * as Endpoint from "@hyperfect/transport/Endpoint"
import { type Duration, Effect } from "effect"
import pg from "pg"
import postgres from "postgres"
import { makeDatabase } from "./copies.ts"

const open = Effect.fnUntraced(function*(acquireTimeout: Duration.Input = "1 second") {
  const db = yield* Effect.acquireRelease(
    Effect.promise(() => makeDatabase()),
    (db) => Effect.promise(() => db.closed ? Promise.resolve() : db.close())
  )
  const endpoint = yield* Pglite.serve(Endpoint.tcp("127.0.0.1", 0), db, { acquireTimeout })
  return { db, port: endpoint._tag === "Tcp" ? endpoint.port : 0 }
})

it.live("pg queries a PGlite behind a port", () =>
  Effect.gen(function*() {
    const { db, port } = yield* open()
    const settings = { host: "127.0.0.1", port, user: "postgres", database: "postgres", application_name: "test" }
    yield* Effect.promise(async () => {
      const client = new pg.Client(settings)
      await client.connect()
      const heard = new Promise((resolve) => client.once("notification", resolve))
      await client.query("listen news")
      await client.query("notify news, 'hi'")
      assert.include(await heard as object, { channel: "news", payload: "hi" })
      assert.deepStrictEqual((await client.query("select $1::int + 1 as n", [1])).rows, [{ n: 2 }])
      assert.deepStrictEqual((await client.query("show application_name")).rows, [{ application_name: "test" }])
      const error = await client.query("select 1/0").catch((error: unknown) => error)
      assert.include(error as object, { code: "22012" })
      const refused = await new pg.Client(settings).connect().catch((error: unknown) => error)
      assert.include(refused as object, { code: "53300" })
      await client.query("begin; create table unfinished (n int)")
      await client.end()
      const next = new pg.Client(settings)
      await next.connect()
      assert.deepStrictEqual((await next.query("select to_regclass('unfinished') as r")).rows, [{ r: null }])
      await next.end()
      await db.close()
      const late = await new pg.Client(settings).connect().catch((error: unknown) => error)
      assert.match(String(late), /PGlite|terminated/)
    })
  }).pipe(Effect.scoped, Effect.provide(NodePlatform.layer)))

it.live("postgres queries a PGlite behind a port", () =>
  Effect.gen(function*() {
    const { port } = yield* open()
    yield* Effect.promise(async () => {
      const sql = postgres({ host: "127.0.0.1", port, user: "postgres", database: "postgres", max: 1 })
      await sql`create table t (n int, s text)`
      await sql`insert into t ${sql([{ n: 1, s: "a" }, { n: 2, s: "b" }])}`
      const rows = await sql.begin((sql) => sql`select n from t where n > ${1}`)
      assert.deepStrictEqual(rows.map(({ n }) => n), [2])
      const pipelined = await Promise.all(Array.from({ length: 20 }, (_, i) => sql`select ${i}::int + 1 as n`))
      assert.deepStrictEqual(pipelined.map(([row]) => row!["n"]), Array.from({ length: 20 }, (_, i) => i + 1))
      await sql.end()
    })
  }).pipe(Effect.scoped, Effect.provide(NodePlatform.layer)))

it.live("pg finds the promises of pglite-socket kept", () =>
  Effect.gen(function*() {
    const { port } = yield* open("30 seconds")
    const settings = { host: "127.0.0.1", port, user: "postgres", database: "postgres" }
    const connect = async () => {
      const client = new pg.Client(settings)
      client.on("error", () => {})
      await client.connect()
      return client
    }
    yield* Effect.promise(async () => {
      // A result of 20 MB.
      const first = await connect()
      await first.query("create table t (n int primary key, s text)")
      await first.query("insert into t select n, repeat('x', 1000) from generate_series(1, 20000) as g(n)")
      assert.strictEqual((await first.query("select n, s from t")).rows.length, 20_000)
      // A second client waits for the session, has it when the first one ends, and sees what it has committed.
      const waiting = connect()
      await first.end()
      const second = await waiting
      assert.deepStrictEqual((await second.query("select count(*)::int as n from t")).rows, [{ n: 20_000 }])
      // A client that disconnects within a transaction, without Terminate, has it rolled back.
      await second.query("begin")
      await second.query("delete from t")
      ;(second as unknown as { readonly connection: { readonly stream: { destroy(): void } } }).connection.stream
        .destroy()
      const third = await connect()
      assert.deepStrictEqual((await third.query("select count(*)::int as n from t")).rows, [{ n: 20_000 }])
      // A statement that fails in a transaction fails those behind it, until ROLLBACK.
      await third.query("begin")
      await third.query("selec").catch(() => {})
      assert.include(await third.query("select 1").catch((error: unknown) => error) as object, { code: "25P02" })
      await third.query("rollback")
      // The simple protocol runs several statements, as psql does.
      const several: unknown = await third.query("select 1 as a; select 2 as b")
      const results = several as ReadonlyArray<pg.QueryResult>
      assert.deepStrictEqual(results.map(({ rows }) => rows), [[{ a: 1 }], [{ b: 2 }]])
      await third.end()
    })
  }).pipe(Effect.scoped, Effect.provide(NodePlatform.layer)))
