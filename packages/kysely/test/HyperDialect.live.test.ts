/** Cancellation, failures and closing of the dialect. */
import { assert, describe, it, layer } from "@effect/vitest"
import * as Pool from "@hyperfect/client/Pool"
import * as HyperDialect from "@hyperfect/kysely/HyperDialect"
import * as NodePlatform from "@hyperfect/node/NodePlatform"
import * as PostgresServer from "@hyperfect/testing/PostgresServer"
import * as Preset from "@hyperfect/values/Preset"
import { Context, Effect, Fiber, Layer } from "effect"
import { Kysely, sql } from "kysely"
import { createTables, layerPool, layerServer, makeKysely } from "./servers.ts"

/** Kysely on a pool whose statistics the test reads. */
const setup = Effect.gen(function*() {
  const server = yield* PostgresServer.PostgresServer
  const pool = Context.get(yield* Layer.build(layerPool(server, { max: 2 })), Pool.Pool)
  return { pool, db: yield* makeKysely(HyperDialect.fromPool(pool)) }
})

const running = (pool: Pool.Pool) =>
  Effect.map(
    pool.one(
      "select count(*)::int4 as n from pg_stat_activity where query like 'select pg_sleep%' and state = 'active'"
    ),
    ({ n }) => n as number
  )

/** Waits until as many sleeping statements are running. */
const untilRunning = (pool: Pool.Pool, wanted: number) =>
  Effect.repeat(
    Effect.andThen(Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 20))), running(pool)),
    {
      until: (n) => n === wanted
    }
  )

const messageOf = (promise: Promise<unknown>) =>
  Effect.promise(() => promise.then(() => "", (error: Error) => error.message))

layer(layerServer)("HyperDialect", (it) => {
  for (const inflightQueryAbortStrategy of ["cancel query", "kill session"] as const) {
    it.effect(`aborted statements end on the server: ${inflightQueryAbortStrategy}`, () =>
      Effect.gen(function*() {
        const { db, pool } = yield* setup
        const controller = new AbortController()
        const outcome = sql`select pg_sleep(60)`.execute(db, { signal: controller.signal, inflightQueryAbortStrategy })
        const message = yield* Effect.forkChild(messageOf(outcome))
        yield* untilRunning(pool, 1)
        controller.abort(new Error("enough"))
        yield* untilRunning(pool, 0)
        assert.strictEqual(yield* Fiber.join(message), "enough")
        assert.deepEqual((yield* Effect.promise(() => sql`select 1 as a`.execute(db))).rows, [{ a: 1 }])
      }))
  }

  it.effect("an ignored statement runs to its end", () =>
    Effect.gen(function*() {
      const { db, pool } = yield* setup
      yield* Effect.promise(() => createTables(db))
      const controller = new AbortController()
      // It waits for a lock, which it is given only after it was aborted.
      yield* pool.transaction(Effect.gen(function*() {
        yield* pool.query("select pg_advisory_xact_lock(7)")
        const outcome = sql`insert into person (name) select 'late' from pg_advisory_xact_lock(7)`
          .execute(db, { signal: controller.signal })
        const message = yield* Effect.forkChild(messageOf(outcome))
        yield* Effect.repeat(pool.values("select from pg_locks where locktype = 'advisory' and not granted"), {
          until: ({ rowCount }) => rowCount === 1
        })
        controller.abort(new Error("enough"))
        assert.strictEqual(yield* Fiber.join(message), "enough")
      }))
      yield* Effect.repeat(pool.optional("select 1 from person where name = 'late'"), {
        until: ({ _tag }) => _tag === "Some"
      })
    }))

  it.effect("an acquisition that is aborted takes no session", () =>
    Effect.gen(function*() {
      const { db, pool } = yield* setup
      const held = yield* Effect.promise(() =>
        Promise.all([db.startTransaction().execute(), db.startTransaction().execute()])
      )
      const controller = new AbortController()
      const outcome = sql`select 1`.execute(db, { signal: controller.signal })
      setTimeout(() => controller.abort(new Error("enough")), 50)
      assert.strictEqual(yield* messageOf(outcome), "enough")
      yield* Effect.promise(() => Promise.all(held.map((trx) => trx.rollback().execute())))
      assert.strictEqual(pool.stats().waiting, 0)
      assert.deepEqual((yield* Effect.promise(() => sql`select 1 as a`.execute(db))).rows, [{ a: 1 }])
    }))

  it.effect("a session in a failed transaction is reset when it is released", () =>
    Effect.gen(function*() {
      const { db } = yield* setup
      yield* messageOf(
        db.connection().execute(async (db) => {
          await sql`begin`.execute(db)
          await sql`selec`.execute(db)
        })
      )
      for (let i = 0; i < 4; i++) {
        assert.deepEqual((yield* Effect.promise(() => sql`select 1 as a`.execute(db))).rows, [{ a: 1 }])
      }
    }))

  it.effect("a pool of the program outlives Kysely", () =>
    Effect.gen(function*() {
      const { db, pool } = yield* setup
      yield* Effect.promise(() => sql`select 1`.execute(db))
      yield* Effect.promise(() => db.destroy())
      assert.deepEqual((yield* pool.query("select 1 as a")).rows, [{ a: 1 }])
    }))

  it.effect("the pool of a layer is closed with Kysely", () =>
    Effect.gen(function*() {
      const server = yield* PostgresServer.PostgresServer
      let isClosed = false
      const closing = Layer.effectDiscard(Effect.addFinalizer(() => Effect.sync(() => isClosed = true)))
      const db = new Kysely({ dialect: HyperDialect.fromLayer(Layer.merge(layerPool(server), closing)) })
      yield* Effect.promise(() => sql`select 1`.execute(db))
      assert.strictEqual(isClosed, false)
      yield* Effect.promise(() => db.destroy())
      assert.strictEqual(isClosed, true)
    }))

  it.effect("rows are read by the preset of the dialect", () =>
    Effect.gen(function*() {
      const pool = yield* Effect.map(setup, ({ pool }) => pool)
      const db = yield* makeKysely(HyperDialect.fromPool(pool, { preset: Preset.lossless }))
      assert.deepEqual((yield* Effect.promise(() => sql`select 5::int8 as a`.execute(db))).rows, [{ a: BigInt(5) }])
    }))

  it.effect("a semicolon in a literal leaves values as they are", () =>
    Effect.gen(function*() {
      const { db } = yield* setup
      const { rows } = yield* Effect.promise(() => sql`select row(1, 'a; b') as a`.execute(db))
      assert.deepEqual(rows, [{ a: [1, "a; b"] }])
    }))

  it.effect("a text of several statements is one transaction", () =>
    Effect.gen(function*() {
      const { db } = yield* setup
      yield* Effect.promise(() => createTables(db))
      const message = yield* messageOf(sql`insert into person (name) values ('x'); select 1 / 0`.execute(db))
      assert.match(message, /^22012: /)
      assert.deepEqual(yield* Effect.promise(() => db.selectFrom("person").selectAll().execute()), [])
    }))
})

describe("without a server", () => {
  it.effect("a statement fails with the error of the layer, and the next one opens it again", () =>
    Effect.gen(function*() {
      let opened = 0
      const counting = Layer.effectDiscard(Effect.sync(() => opened++))
      const pool = Layer.provide(Pool.layerUri("postgresql://app@127.0.0.1:1/shop"), [NodePlatform.layer, counting])
      const db = yield* makeKysely(HyperDialect.fromLayer(pool))
      assert.match(yield* messageOf(sql`select 1`.execute(db)), /127\.0\.0\.1:1/)
      assert.match(yield* messageOf(sql`select 1`.execute(db)), /127\.0\.0\.1:1/)
      assert.strictEqual(opened, 2)
    }))
})
