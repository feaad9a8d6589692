/** A pool of Hyper, and one on PGlite, with the interface of node-postgres. */
import { assert, describe, it } from "@effect/vitest"
import { PGlite } from "@electric-sql/pglite"
import * as Authenticate from "@hyperfect/auth/Authenticate"
import * as Pool from "@hyperfect/client/Pool"
import * as Hyper from "@hyperfect/hyper/Hyper"
import * as NodePlatform from "@hyperfect/node/NodePlatform"
import * as Pg from "@hyperfect/pg/Pg"
import * as Pglite from "@hyperfect/pglite/Pglite"
import * as HyperdServer from "@hyperfect/testing/HyperdServer"
import { Effect, Layer } from "effect"

const database = Effect.acquireRelease(
  Effect.promise(() => PGlite.create()),
  (db) => Effect.promise(() => db.close())
)

const servers: Readonly<Record<string, Layer.Layer<Pool.Pool, unknown>>> = {
  Hyper: Hyper.layerPool({ database: "pg.hyper", create: "always" }).pipe(
    Layer.provide(HyperdServer.layer()),
    Layer.provide(NodePlatform.layer)
  ),
  PGlite: Layer.unwrap(
    Effect.map(database, (db) => Pool.layer(Pglite.config, { max: 1 }).pipe(Layer.provide(Pglite.layer(db))))
  ).pipe(
    Layer.provide(Authenticate.layerCrypto)
  )
}

for (const [name, server] of Object.entries(servers)) {
  describe(`Pg.fromPool on ${name}`, () => {
    it.effect("answers queries, transactions and errors as on PostgreSQL", () =>
      Effect.gen(function*() {
        const pool = Pg.fromPool(yield* Pool.Pool)
        yield* Effect.promise(async () => {
          await pool.query("create table item (id int not null, name text)")
          assert.strictEqual((await pool.query("insert into item values ($1, $2), (2, 'b')", [1, "a"])).rowCount, 2)
          const found = await pool.query("select id, name from item where id = $1", [1])
          assert.deepStrictEqual([found.rows, found.command, found.rowCount], [[{ id: 1, name: "a" }], "SELECT", 1])
          const rows = await pool.query({ text: "select id from item order by id", rowMode: "array" })
          assert.deepStrictEqual<unknown>(rows.rows, [[1], [2]])
          const client = await pool.connect()
          await client.query("begin")
          await client.query("delete from item")
          await client.query("rollback")
          client.release()
          assert.deepStrictEqual((await pool.query("select id from item order by id")).rows, [{ id: 1 }, { id: 2 }])
          const error = await pool.query("select * from missing").then(() => undefined, (error: unknown) => error)
          assert.instanceOf(error, Pg.DatabaseError)
          assert.strictEqual(error.code, "42P01")
          assert.strictEqual((await pool.query("select 1 as a")).rows.length, 1)
        })
      }).pipe(Effect.provide(server)))
  })
}
