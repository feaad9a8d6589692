/** The assignment of sessions to callers, and the handling of failed sessions. */
import { assert } from "@effect/vitest"
import * as Statement from "@hyperfect/client/Statement"
import { Clock, Deferred, Effect, Fiber } from "effect"
import { describeServers, uniqueName } from "./liveServers.ts"
import { openPool, waitUntil } from "./pools.ts"

const { identifier, sql } = Statement

describeServers({
  both(it) {
    it.effect("releases a session at once when onAcquire fails or is interrupted", () =>
      Effect.gen(function*() {
        let isFailing = true
        const { pool } = yield* openPool({
          max: 2,
          acquireTimeout: "20 seconds",
          onAcquire: (session) => isFailing ? session.query("select 1 / 0") : Effect.void
        })
        for (let i = 0; i < 3; i++) {
          assert.strictEqual((yield* Effect.flip(pool.session))._tag, "ServerError")
          assert.strictEqual((yield* Effect.flip(pool.prepare("select 1")))._tag, "ServerError")
        }
        for (let i = 0; i < 3; i++) yield* Effect.timeoutOption(Effect.forever(Effect.ignore(pool.session)), "5 millis")
        isFailing = false
        yield* pool.session
        yield* pool.session
      }))

    it.effect("releases a session at once when a statement cannot be prepared", () =>
      Effect.gen(function*() {
        const { pool } = yield* openPool({ max: 1, acquireTimeout: "20 seconds" })
        for (let i = 0; i < 3; i++) yield* Effect.flip(pool.prepare("select no_such_column"))
        assert.strictEqual((yield* pool.query("select 1")).rowCount, 1)
      }))

    it.effect("reports to a waiting fiber that it already holds a session", () =>
      Effect.gen(function*() {
        const { pool } = yield* openPool({ max: 1, acquireTimeout: "30 millis" })
        const error = yield* Effect.flip(Effect.scoped(Effect.andThen(pool.session, pool.query("select 1"))))
        assert(error._tag === "PoolError" && error.reason._tag === "AcquireTimeout")
        assert.strictEqual(error.reason.held, 1)
        assert.include(error.message, "this fiber holds one of them itself")
        const other = yield* Effect.flip(Effect.scoped(Effect.andThen(
          pool.session,
          Effect.flatMap(Effect.forkChild(pool.query("select 1")), Fiber.join)
        )))
        assert(other._tag === "PoolError" && other.reason._tag === "AcquireTimeout")
        assert.strictEqual(other.reason.held, 0)
      }))

    it.effect("times out on time although the wall clock is set back", () =>
      Effect.gen(function*() {
        const live = yield* Clock.Clock
        let setBack = 0
        const clock = Object.assign(Object.create(live) as Clock.Clock, {
          currentTimeMillisUnsafe: () => live.currentTimeMillisUnsafe() - setBack
        })
        yield* Effect.gen(function*() {
          const { pool } = yield* openPool({ max: 1, acquireTimeout: "100 millis" })
          yield* Effect.scoped(Effect.gen(function*() {
            yield* pool.session
            const waiting = yield* Effect.forkChild(Effect.flip(pool.query("select 1")), { startImmediately: true })
            setBack = 3_600_000
            const error = yield* Effect.timeout(Fiber.join(waiting), "20 seconds")
            assert.strictEqual(error._tag, "PoolError")
          }))
        }).pipe(Effect.provideService(Clock.Clock, clock))
      }))
  },

  postgres(it) {
    it.effect("drops a temporary table that a transaction has created from a query", () =>
      Effect.gen(function*() {
        const { pool } = yield* openPool({ max: 1 })
        const name = uniqueName("temporary")
        yield* pool.transaction(pool.execute(`\n create temp table ${name} as select 1 as a`))
        const error = yield* Effect.flip(pool.query(`select a from ${name}`))
        assert.isTrue(error._tag === "ServerError" && error.reason._tag === "UndefinedTable")
      }))

    it.effect("runs a statement that changes its session on a session of its own", () =>
      Effect.gen(function*() {
        const { pool } = yield* openPool({ max: 2 })
        const role = uniqueName("limited")
        yield* pool.query(sql`create role ${identifier(role)}`)
        const changes = [
          `set role ${role}`,
          `select set_config('role', '${role}', false)`,
          `do $$ begin set role ${role}; end $$`,
          `create temporary table pg_class (oid int)`,
          `select 1 as oid into temp pg_class`
        ]
        for (const change of changes) {
          const names = yield* Effect.forEach(
            Array.from({ length: 100 }, (_, i) => i),
            (i) =>
              i % 10 === 5
                ? Effect.as(pool.execute(change), [])
                : Effect.map(
                  pool.values("select current_user::text, (select count(*) > 100 from pg_class)"),
                  ({ rows }) => rows
                ),
            { concurrency: "unbounded" }
          )
          const seen = new Set(names.flat().map((row) => row.join()))
          assert.lengthOf([...seen], 1, change)
          assert.notInclude([...seen][0], role)
          assert.include([...seen][0], "true")
        }
        yield* pool.query(sql`drop role ${identifier(role)}`)
      }))

    it.effect("releases the resources of onConnect before each reset", () =>
      Effect.gen(function*() {
        let live = 0
        const { pool } = yield* openPool({
          max: 1,
          reset: "always",
          onConnect: (session) =>
            Effect.andThen(
              session.prepare("select 1 as connected"),
              Effect.acquireRelease(Effect.sync(() => live++), () => Effect.sync(() => live--))
            )
        })
        for (let i = 0; i < 20; i++) yield* Effect.scoped(pool.session)
        yield* waitUntil(() => pool.stats().idle === 1)
        assert.strictEqual(live, 1)
        const prepared = yield* pool.values(
          "select count(*)::int from pg_prepared_statements where statement = 'select 1 as connected'"
        )
        assert.deepStrictEqual(prepared.rows, [[1]])
        assert.strictEqual(pool.stats().opened, 1)
      }))

    it.effect("uses another session when one was ended for being idle", () =>
      Effect.gen(function*() {
        const { pool } = yield* openPool({
          max: 1,
          onConnect: (session) => session.query("set idle_session_timeout = '100ms'")
        })
        for (let i = 0; i < 30; i++) {
          yield* Effect.sleep(98 + i % 5)
          assert.strictEqual((yield* pool.query("select 1")).rowCount, 1)
          assert.strictEqual(yield* pool.transaction(Effect.succeed(i)), i)
        }
      }))

    it.effect("opens another session at once while one is being reset and more are needed", () =>
      Effect.gen(function*() {
        const { pool } = yield* openPool({ max: 3 })
        const [began, end] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
        const dirty = yield* Effect.forkChild(Effect.scoped(Effect.gen(function*() {
          const session = yield* pool.session
          yield* session.query("set application_name = 'dirty'")
          yield* Deferred.succeed(began, undefined)
          yield* Deferred.await(end)
        })))
        yield* Deferred.await(began)
        yield* Deferred.succeed(end, undefined)
        yield* Fiber.join(dirty)
        yield* Effect.all([pool.session, pool.session, pool.session], { concurrency: "unbounded" })
      }))
  }
})
