import { assert, describe, it } from "@effect/vitest"
import * as Pool from "@hyperfect/client/Pool"
import { sql } from "@hyperfect/client/Statement"
import * as NodePlatform from "@hyperfect/node/NodePlatform"
import * as PostgresServer from "@hyperfect/testing/PostgresServer"
import { Transport } from "@hyperfect/transport/Transport"
import { Deferred, Effect, Exit, Fiber, Metric, Redacted, Scope, Stream } from "effect"
import { describeServers, openSession, TestServer } from "./liveServers.ts"
import { openPool, trackConnections, waitUntil } from "./pools.ts"

const terminateBackends = (pids: ReadonlyArray<number>) =>
  Effect.scoped(Effect.flatMap(
    openSession(),
    (session) => Effect.forEach(pids, (pid) => session.query(sql`select pg_terminate_backend(${pid}::int)`))
  ))

/** Borrows a number of sessions, and returns their backend process IDs. */
const backendPids = (pool: Pool.Pool, count: number) =>
  Effect.scoped(Effect.map(
    Effect.all(Array.from({ length: count }, () => pool.session)),
    (sessions) => sessions.map(({ processId }) => processId!)
  ))

/** Rejections that would have ended the process outside the test runner. */
const unhandledRejections: Array<unknown> = []
process.on("unhandledRejection", (reason) => unhandledRejections.push(reason))

describeServers({
  postgres(it) {
    it.effect("replaces idle sessions whose server processes were killed", () =>
      Effect.gen(function*() {
        const { connections, pool } = yield* openPool({ max: 3 })
        const pids = yield* backendPids(pool, 3)
        yield* terminateBackends(pids)
        yield* waitUntil(() => pool.stats().closed === 3)
        assert.strictEqual(connections.open, 0)
        const answers = yield* Effect.all(Array.from({ length: 100 }, () => pool.values("select 1")), {
          concurrency: "unbounded"
        })
        assert.strictEqual(answers.length, 100)
        assert.notInclude(pids, (yield* backendPids(pool, 1))[0])
        assert.deepStrictEqual(unhandledRejections, [])
      }))

    it.effect("fails a transaction, a stream and a query whose server process is killed, and leaks no slot", () =>
      Effect.gen(function*() {
        const { connections, pool } = yield* openPool({ max: 3 })
        const pidOf = Effect.map(pool.values("select pg_backend_pid()"), ({ rows }) => rows[0]![0] as number)

        const inTransaction = yield* Effect.flip(pool.transaction(Effect.gen(function*() {
          yield* terminateBackends([yield* pidOf])
          yield* pool.query("select 1")
        })))
        const inStream = yield* Effect.flip(
          pool.streamValues("select pg_backend_pid(), repeat('x', 1000) from generate_series(1, 100000)").pipe(
            Stream.runForEachArray((rows) => terminateBackends([rows[0][0] as number]))
          )
        )
        const began = yield* Deferred.make<number>()
        const running = yield* Effect.forkChild(Effect.flip(pool.session.pipe(
          Effect.tap(({ processId }) => Deferred.succeed(began, processId!)),
          Effect.flatMap((session) => session.query("select pg_sleep(60)")),
          Effect.scoped
        )))
        yield* terminateBackends([yield* Deferred.await(began)])
        for (const error of [inTransaction, inStream, yield* Fiber.join(running)]) {
          assert.include(["ServerError", "TransportError"], error._tag)
        }
        yield* waitUntil(() => pool.stats().taken === 0 && pool.stats().closing === 0)
        yield* backendPids(pool, 3)
        assert.deepInclude(pool.stats(), { size: 3, closed: 3, taken: 0, queries: 0 })
        assert.isAtMost(connections.mostOpen, 3)
        assert.deepStrictEqual(unhandledRejections, [])
      }))

    it.effect(
      "returns each query's own result or an error while server processes are killed",
      () =>
        Effect.gen(function*() {
          const { connections, pool } = yield* openPool({ max: 4, depth: 8 })
          let [answered, failed] = [0, 0]
          const killed = new Set<unknown>()
          const killer = yield* Effect.forkChild(Effect.scoped(Effect.gen(function*() {
            const session = yield* openSession()
            // By the progress of the queries, so that it is as many on a machine of any speed.
            for (let after = 50; after < 2900; after += 50) {
              yield* waitUntil(() => answered + failed >= after)
              const { rows } = yield* session.values(
                "select pid, pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() " +
                  "and query like '%as token%' order by random() limit 1"
              )
              for (const [pid] of rows) killed.add(pid)
            }
          })))
          yield* Effect.forEach(
            Array.from({ length: 3000 }, (_, i) => i),
            (i) =>
              pool.values(sql`select ${i}::int as token, pg_sleep(0.001)`).pipe(
                Effect.matchEffect({
                  onFailure: (error) =>
                    Effect.sync(() => {
                      failed++
                      assert.include(["ServerError", "TransportError"], error._tag)
                    }),
                  onSuccess: ({ rows }) =>
                    Effect.sync(() => {
                      answered++
                      assert.strictEqual(rows[0]![0], i)
                    })
                })
              ),
            { concurrency: 100 }
          )
          yield* Fiber.join(killer)
          assert.strictEqual(answered + failed, 3000)
          assert.isAbove(answered, 1000)
          assert.isAbove(failed, 0)
          yield* waitUntil(() => pool.stats().closing === 0 && pool.stats().closed >= killed.size)
          yield* backendPids(pool, 4)
          const { closed, opened, queries, taken } = pool.stats()
          assert.deepStrictEqual([opened - closed, queries, taken], [4, 0, 0])
          assert.isAtMost(connections.mostOpen, 4)
          assert.deepStrictEqual(unhandledRejections, [])
        }),
      60_000
    )

    it.effect("fails at once with the reason when retrying cannot help", () =>
      Effect.gen(function*() {
        const { config } = yield* TestServer
        assert(Redacted.isRedacted(config.password))
        let password = config.password
        const pool = yield* Pool.make(
          { ...config, password: Effect.sync(() => password) },
          { max: 2, acquireTimeout: "20 seconds" }
        )
        password = Redacted.make("rotated")
        yield* terminateBackends(yield* backendPids(pool, 1))
        yield* waitUntil(() => pool.stats().size === 0)
        const error = yield* Effect.flip(pool.query("select 1"))
        assert(error._tag === "PoolError" && error.reason._tag === "ConnectFailed")
        assert.strictEqual(error.reason.cause._tag, "AuthError")
        assert.isFalse(error.isRetryable)
        password = config.password
        assert.strictEqual((yield* pool.query("select 1")).rowCount, 1)
      }))

    it.effect("leaks no connections, sockets or fibers", () =>
      Effect.gen(function*() {
        let fibers = 0
        const count = Metric.FiberRuntimeMetrics.of({
          recordFiberStart: () => void fibers++,
          recordFiberEnd: () => void fibers--
        })
        const sockets = () => process.getActiveResourcesInfo().filter((name) => name === "TCPSocketWrap").length
        const before = sockets()
        for (let i = 0; i < 3; i++) {
          const scope = yield* Scope.make()
          const { connections, pool } = yield* openPool({ max: 5 }).pipe(
            Scope.provide(scope),
            Effect.provideService(Metric.FiberRuntimeMetrics, count)
          )
          yield* Effect.all(Array.from({ length: 200 }, () => pool.query("select 1")), { concurrency: "unbounded" })
          yield* terminateBackends(yield* backendPids(pool, 2))
          const interrupted = yield* Effect.forkChild(pool.query("select pg_sleep(60)"), { startImmediately: true })
          yield* Fiber.interrupt(interrupted)
          yield* Scope.close(scope, Exit.void)
          assert.deepStrictEqual([connections.open, connections.opening, fibers], [0, 0, 0])
        }
        yield* waitUntil(() => sockets() <= before)
      }))
  }
})

describe("Pool > server restart", () => {
  it.live("serves waiting callers after the restart, without a storm of connections", () =>
    Effect.gen(function*() {
      const start = (port?: number) => PostgresServer.make({ port })
      const first = yield* Scope.make()
      const server = yield* Scope.provide(start(), first)
      const { connections, transport } = trackConnections(yield* Transport)
      const pool = yield* Effect.provideService(
        Pool.make(server, { max: 5, acquireTimeout: "50 seconds" }),
        Transport,
        transport
      )
      yield* Effect.all(Array.from({ length: 50 }, () => pool.query("select pg_sleep(0.001)")), {
        concurrency: "unbounded"
      })
      const lost = yield* Effect.forkChild(Effect.flip(pool.simple("select pg_sleep(60)")), { startImmediately: true })
      yield* Scope.close(first, Exit.void)
      assert.include(["ServerError", "TransportError"], (yield* Fiber.join(lost))._tag)
      yield* waitUntil(() => pool.stats().size === 0)

      const waiting = yield* Effect.forkChild(
        Effect.all(Array.from({ length: 200 }, (_, i) => pool.values(sql`select ${i}::int`)), {
          concurrency: "unbounded"
        })
      )
      const before = connections.attempts
      yield* start(server.endpoint.port)
      const answers = yield* Fiber.join(waiting)
      assert.deepStrictEqual(answers.map(({ rows }) => rows[0]![0]), Array.from({ length: 200 }, (_, i) => i))
      assert.isAtMost(connections.attempts - before, 25)
      assert.strictEqual(connections.mostOpening, 1)
      assert.isAbove(pool.stats().connectFailures, 0)
    }).pipe(Effect.scoped, Effect.provide(NodePlatform.layer)), 60_000)
})
