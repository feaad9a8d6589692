/**
 * The client behind PgBouncer. In session mode everything works as without it. In transaction and statement mode the
 * server connection changes, and nothing may be prepared under a name: `statementCacheSize: 0`.
 */
import { assert, describe, it as plain } from "@effect/vitest"
import type * as ConnectionConfig from "@hyperfect/client/ConnectionConfig"
import * as Notifications from "@hyperfect/client/Notifications"
import * as Pool from "@hyperfect/client/Pool"
import * as Session from "@hyperfect/client/Session"
import { identifier, sql } from "@hyperfect/client/Statement"
import { Effect, Fiber, Stream } from "effect"
import { describeServers, openSession, TestServer, uniqueName } from "./liveServers.ts"
import { pgBouncerVersion, startPgBouncer } from "./pgbouncer.ts"

const text = new TextEncoder()

/**
 * Runs many clients at once over two connections, with different statements, and the same text with different types.
 */
const checkQueries = (config: ConnectionConfig.ConnectionConfig, count: number) =>
  Effect.scoped(Effect.gen(function*() {
    const pools = yield* Effect.all(Array.from({ length: 3 }, () => Pool.make(config, { max: 4 })))
    yield* Effect.forEach(
      Array.from({ length: count }, (_, i) => i),
      (i) =>
        Effect.gen(function*() {
          const pool = pools[i % pools.length]!
          const { rows } = i % 2 === 0
            ? yield* pool.values(sql`select ${i}::int`)
            : yield* pool.values(sql`select ${i}::int, ${`text ${i % 7}`}::text`)
          assert.deepStrictEqual(rows, [i % 2 === 0 ? [i] : [i, `text ${i % 7}`]])
        }),
      { concurrency: 24, discard: true }
    )
  }))

const checkTransactions = (config: ConnectionConfig.ConnectionConfig) =>
  Effect.scoped(Effect.gen(function*() {
    const table = identifier(uniqueName("bounced"))
    const pool = yield* Pool.make(config, { max: 6 })
    yield* pool.query(sql`create table ${table} (a int)`)
    yield* Effect.forEach(
      Array.from({ length: 40 }, (_, i) => i),
      (i) =>
        Effect.exit(pool.transaction(Effect.gen(function*() {
          yield* pool.query(sql`insert into ${table} values (${i})`)
          assert.strictEqual((yield* pool.values(sql`select a from ${table} where a = ${i}`)).rows.length, 1)
          if (i % 4 === 0) return yield* Effect.fail("no")
        }))),
      { concurrency: 8, discard: true }
    )
    const { rows } = yield* pool.values(sql`select count(*)::int from ${table}`)
    assert.deepStrictEqual(rows, [[30]])
  }))

const checkStreamsAndCopies = (config: ConnectionConfig.ConnectionConfig) =>
  Effect.scoped(Effect.gen(function*() {
    const table = uniqueName("bounced")
    const pool = yield* Pool.make(config, { max: 4 })
    yield* pool.query(`create table ${table} (a int)`)
    yield* Effect.all(
      Array.from({ length: 6 }, () =>
        Effect.gen(function*() {
          const copied = yield* pool.copyIn(`copy ${table} from stdin`, Stream.make(text.encode("1\n2\n")))
          assert.strictEqual(copied.rowCount, 2)
          const rows = yield* Stream.runCount(pool.stream("select generate_series(1, 3000) as n"))
          assert.strictEqual(rows, 3000)
          const [first] = yield* Stream.runCollect(
            Stream.take(pool.streamValues("select generate_series(1, 100000) as n"), 1)
          )
          assert.deepStrictEqual(first, [1])
          const out = yield* Stream.mkString(Stream.decodeText(pool.copyOut("copy (select 7) to stdout")))
          assert.strictEqual(out, "7\n")
        })),
      { concurrency: "unbounded" }
    )
    assert.deepStrictEqual((yield* pool.values(`select count(*)::int from ${table}`)).rows, [[12]])
  }))

const checkInterruptions = (config: ConnectionConfig.ConnectionConfig) =>
  Effect.scoped(Effect.gen(function*() {
    const pool = yield* Pool.make(config, { max: 4 })
    for (let i = 0; i < 5; i++) {
      const sleeping = yield* Effect.forkChild(pool.query("select pg_sleep(600)"), { startImmediately: true })
      yield* Effect.sleep("30 millis")
      yield* Fiber.interrupt(sleeping)
      assert.deepStrictEqual((yield* pool.values(sql`select ${i}::int`)).rows, [[i]])
    }
    const admin = yield* openSession()
    const busy = Effect.map(
      admin.values("select count(*)::int from pg_stat_activity where state = 'active' and query like '%pg_sleep(600)'"),
      ({ rows }) => rows[0]![0]
    )
    yield* Effect.repeat(busy, { until: (count) => count === 0 })
  }))

/** Checks that nothing is prepared on any of PgBouncer's connections. */
const checkNothingPrepared = (config: ConnectionConfig.ConnectionConfig) =>
  Effect.scoped(Effect.gen(function*() {
    const pool = yield* Pool.make(config, { max: 4, depth: 1 })
    const counts = yield* Effect.all(
      Array.from({ length: 20 }, () =>
        pool.values("select count(*)::int, pg_sleep(0.005)::text from pg_prepared_statements")),
      { concurrency: "unbounded" }
    )
    for (const { rows } of counts) {
      assert.strictEqual(rows[0]![0], 0)
    }
  }))

if (pgBouncerVersion === undefined) {
  describe("PgBouncer", () => {
    plain.skip("is not installed on this machine: the client is not tested behind it", () => {})
  })
} else {
  describe(pgBouncerVersion, () => {
    describeServers({
      postgres(it) {
        it.effect("in session mode: everything works without settings, including LISTEN", () =>
          Effect.gen(function*() {
            const config = yield* startPgBouncer((yield* TestServer).config, "session", 30)
            yield* checkQueries(config, 200)
            yield* checkTransactions(config)
            yield* checkStreamsAndCopies(config)
            yield* checkInterruptions(config)
            const notifications = yield* Notifications.make(config)
            const events = yield* notifications.subscribe("bounced")
            yield* (yield* Session.make(config)).query("notify bounced, 'hello'")
            const [event] = yield* Stream.runCollect(Stream.take(events, 1))
            assert.deepInclude(event, { _tag: "Notification", payload: "hello" })
          }), 60_000)

        it.effect(
          "in transaction mode: transactions work with statementCacheSize 0",
          () =>
            Effect.gen(function*() {
              const config = {
                ...yield* startPgBouncer((yield* TestServer).config, "transaction", 2),
                statementCacheSize: 0
              }
              yield* checkQueries(config, 300)
              yield* checkTransactions(config)
              yield* checkStreamsAndCopies(config)
              yield* checkInterruptions(config)
              yield* checkNothingPrepared(config)
            }),
          60_000
        )

        it.effect(
          "in statement mode: only single statements work, with statementCacheSize 0",
          () =>
            Effect.gen(function*() {
              const config = {
                ...yield* startPgBouncer((yield* TestServer).config, "statement", 2),
                statementCacheSize: 0
              }
              yield* checkQueries(config, 300)
              yield* checkStreamsAndCopies(config)
              yield* checkInterruptions(config)
              const pool = yield* Pool.make(config, { max: 2 })
              const error = yield* Effect.flip(pool.transaction(pool.query("select 1")))
              assert.include(["ServerError", "TransportError"], error._tag)
              assert.deepStrictEqual((yield* pool.values("select 1")).rows, [[1]])
            }),
          60_000
        )

        it.effect(
          "fails with a typed error, not a wrong result, if statements are cached nevertheless",
          () =>
            Effect.gen(function*() {
              const config = yield* startPgBouncer((yield* TestServer).config, "transaction", 2)
              let answered = 0
              const pools = yield* Effect.all([Pool.make(config, { max: 3 }), Pool.make(config, { max: 3 })])
              yield* Effect.forEach(
                Array.from({ length: 200 }, (_, i) => i),
                (i) =>
                  Effect.matchEffect(pools[i % 2]!.values(sql`select ${i}::int, ${i % 5}::int`), {
                    onSuccess: ({ rows }) =>
                      Effect.sync(() => {
                        answered++
                        assert.deepStrictEqual(rows, [[i, i % 5]])
                      }),
                    onFailure: (error) =>
                      Effect.sync(() => assert.include(["ServerError", "TransportError"], error._tag))
                  }),
                { concurrency: 12, discard: true }
              )
            }),
          60_000
        )
      }
    })
  })
}
