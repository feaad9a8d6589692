/** Pools on a server that changes its role. */
import { assert, layer } from "@effect/vitest"
import { Effect, Fiber, Schedule, Stream } from "effect"
import { layerOwnPostgres, TestServer } from "./liveServers.ts"
import { openPool, openPoolWith, waitUntil } from "./pools.ts"

/** Reloads the setting, and waits until a new connection has it: the server has signalled all earlier ones by then. */
const makeReadOnly = Effect.fnUntraced(function*(isReadOnly: boolean) {
  const { pool } = yield* openPool()
  const setting = isReadOnly ? "on" : "off"
  yield* pool.simple(`alter system set default_transaction_read_only = ${setting}`)
  yield* pool.simple("select pg_reload_conf()")
  yield* Effect.flatMap(openPool(), (later) => later.pool.values("show default_transaction_read_only")).pipe(
    Effect.scoped,
    Effect.repeat({ schedule: Schedule.spaced("10 millis"), until: ({ rows }) => rows[0]![0] === setting })
  )
})

layer(layerOwnPostgres, { excludeTestServices: true, timeout: "60 seconds" })("failover > PostgreSQL", (it) => {
  it.effect("a session is left when its server turns read-only, and the write that fails is retryable", () =>
    Effect.gen(function*() {
      const { config } = yield* TestServer
      const { pool } = yield* openPoolWith({ ...config, targetSessionAttrs: "read-write" }, {
        max: 1,
        acquireTimeout: "2 seconds"
      })
      yield* pool.execute("create table if not exists turned (n int)")
      const error = yield* Effect.acquireUseRelease(
        makeReadOnly(true),
        () => Effect.flip(pool.execute("insert into turned values (1)")),
        () => makeReadOnly(false)
      )
      // The write is refused, unless the server has reported the setting before it.
      assert.isTrue(error.isRetryable)
      assert.include(["ReadOnlySqlTransaction", "AcquireTimeout"], error.reason._tag)
      yield* pool.execute("insert into turned values (2)").pipe(Effect.retry({ while: (error) => error.isRetryable }))
      assert.deepStrictEqual((yield* pool.values("select n from turned where n = 2")).rows, [[2]])
      assert.isAtLeast(pool.stats().opened, 2)
    }))

  it.effect("a refresh replaces all sessions, and does not cut what they run", () =>
    Effect.gen(function*() {
      const { pool } = yield* openPool({ max: 4 })
      const pid = Effect.map(pool.values("select pg_backend_pid()"), ({ rows }) => rows[0]![0])
      const first = yield* pid
      const running = yield* Effect.forkChild(
        Effect.all([
          pool.values("select pg_backend_pid(), pg_sleep(0.2)"),
          Effect.map(Stream.runCollect(pool.streamValues("select n from generate_series(1, 50000) as g(n)")), (rows) =>
            rows.length),
          pool.transaction(Effect.delay(pool.execute("select 1"), "100 millis"))
        ], { concurrency: "unbounded" }),
        { startImmediately: true }
      )
      yield* waitUntil(() =>
        pool.stats().size === 3
      )
      const { opened } = pool.stats()
      yield* pool.refresh
      assert.notStrictEqual(yield* pid, first)
      const [slept, rows] = yield* Fiber.join(running)
      assert.strictEqual(slept.rows.length, 1)
      assert.strictEqual(rows, 50_000)
      yield* waitUntil(() => pool.stats().closed === opened)
      assert.deepInclude(pool.stats(), { size: pool.stats().opened - opened })
    }))
})
