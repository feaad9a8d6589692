/** Retries of transactions. */
import { assert, describe, it } from "@effect/vitest"
import type * as Session from "@hyperfect/client/Session"
import * as Statement from "@hyperfect/client/Statement"
import { Deferred, Effect, Fiber, Schedule } from "effect"
import { TestClock } from "effect/testing"
import { forkImmediately } from "./fibers.ts"
import { describeServers, openSession, uniqueName } from "./liveServers.ts"
import { complete, connect, error, manualServer, ready, type Server } from "./manualServer.ts"
import { openPool } from "./pools.ts"

const { identifier, sql } = Statement

describeServers({
  both(it) {
    it.effect("a transaction without a conflict runs once, on a session and on a pool", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const { pool } = yield* openPool({ max: 2 })
        for (const client of [session, pool]) {
          let runs = 0
          const value = yield* client.retryTransaction(
            Effect.map(client.query("select 1 as a"), ({ rows }) => [++runs, rows])
          )
          assert.deepStrictEqual(value, [1, [{ a: 1 }]])
          const failure = yield* Effect.flip(client.retryTransaction(
            Effect.sync(() => ++runs).pipe(
              Effect.andThen(client.query("select no_such_column"))
            )
          ))
          assert.strictEqual(failure._tag, "ServerError")
          assert.strictEqual(runs, 2)
        }
      }))
  },

  postgres(it) {
    it.effect("two serializable transactions in conflict both commit, one after the other", () =>
      Effect.gen(function*() {
        const { pool } = yield* openPool({ max: 4 })
        const table = identifier(uniqueName("accounts"))
        yield* pool.execute(sql`create table ${table} (a int)`)
        let runs = 0
        const committed = yield* Deferred.make<void>()
        const both = yield* Deferred.make<void>()
        let seen = 0
        // Each inserts the number of rows that it has counted, and at first both count the same.
        const add = Effect.gen(function*() {
          // It can fail while the other one still commits, and would then fail again.
          if (++runs > 2) yield* Deferred.await(committed)
          const { n } = yield* pool.one(sql`select count(*)::int as n from ${table}`)
          if (++seen === 2) yield* Deferred.succeed(both, undefined)
          yield* Deferred.await(both)
          yield* pool.execute(sql`insert into ${table} values (${n})`)
        })
        const options = { isolation: "serializable" } as const
        const commit = Effect.andThen(pool.retryTransaction(add, options), Deferred.succeed(committed, undefined))
        yield* Effect.all([commit, commit], { concurrency: "unbounded" })
        const { rows } = yield* pool.values(sql`select a from ${table} order by a`)
        assert.deepStrictEqual(rows, [[0], [1]])
        assert.strictEqual(runs, 3)
      }))

    it.effect("a savepoint is not retried, but the whole transaction is", () =>
      Effect.gen(function*() {
        const { pool } = yield* openPool({ max: 2 })
        const session = yield* openSession()
        for (const client of [session, pool]) {
          let [outer, inner] = [0, 0]
          const conflict = client.query("do $$ begin raise 'no' using errcode = '40001'; end $$")
          yield* client.retryTransaction(Effect.suspend(() => {
            const isLast = ++outer === 3
            return client.retryTransaction(Effect.suspend(() => {
              inner++
              return isLast ? Effect.void : Effect.asVoid(conflict)
            }))
          }))
          assert.deepStrictEqual([outer, inner], [3, 3])
        }
      }))
  }
})

/** Plays a transaction of one statement with the given end. */
const serveTransaction = Effect.fnUntraced(function*(server: Server, code: string | undefined) {
  yield* server.expect("Query")
  yield* server.send(complete("BEGIN"), ready("T"))
  yield* server.expect("Query")
  if (code === undefined) {
    yield* server.send(complete("INSERT 0 1"), ready("T"))
    yield* server.expect("Query")
    return yield* server.send(complete("COMMIT"), ready())
  }
  yield* server.send(error(code), ready("E"))
  yield* server.expect("Query")
  yield* server.send(complete("ROLLBACK"), ready())
})

describe("retryTransaction", () => {
  const insert = (session: Session.Session) => session.simple("insert into t values (1)")

  it.effect("retries after serialization failures and deadlocks, by the schedule", () =>
    Effect.gen(function*() {
      const { server, session } = yield* connect
      const schedule = Schedule.spaced("1 minute")
      const done = yield* forkImmediately(session.retryTransaction(insert(session), { schedule }))
      for (const code of ["40001", "40P01", "40001"]) {
        yield* serveTransaction(server, code)
        for (let i = 0; i < 20; i++) yield* Effect.yieldNow
        assert.isUndefined(done.pollUnsafe())
        yield* TestClock.adjust("1 minute")
      }
      yield* serveTransaction(server, undefined)
      assert.strictEqual((yield* Fiber.join(done))[0]?.commandTag, "INSERT 0 1")
    }).pipe(Effect.scoped, Effect.provide(manualServer())))

  it.effect("waits for the test clock, or runs with the live one", () =>
    Effect.gen(function*() {
      const { server, session } = yield* connect
      const waiting = yield* forkImmediately(session.retryTransaction(insert(session)))
      yield* serveTransaction(server, "40001")
      for (let i = 0; i < 20; i++) yield* Effect.yieldNow
      assert.isUndefined(waiting.pollUnsafe())
      yield* TestClock.adjust("2 seconds")
      yield* serveTransaction(server, undefined)
      yield* Fiber.join(waiting)
      const live = yield* forkImmediately(TestClock.withLive(session.retryTransaction(insert(session))))
      yield* serveTransaction(server, "40001")
      yield* serveTransaction(server, undefined)
      assert.strictEqual((yield* Fiber.join(live))[0]?.commandTag, "INSERT 0 1")
    }).pipe(Effect.scoped, Effect.provide(manualServer())))

  it.effect("fails with the last error when the schedule ends", () =>
    Effect.gen(function*() {
      const { server, session } = yield* connect
      const done = yield* forkImmediately(
        Effect.flip(session.retryTransaction(insert(session), { schedule: Schedule.recurs(1) }))
      )
      yield* serveTransaction(server, "40001")
      yield* serveTransaction(server, "40P01")
      const failure = yield* Fiber.join(done)
      assert.isTrue(failure._tag === "ServerError" && failure.reason._tag === "DeadlockDetected")
    }).pipe(Effect.scoped, Effect.provide(manualServer())))

  it.effect("does not retry other errors", () =>
    Effect.gen(function*() {
      const { server, session } = yield* connect
      for (const code of ["23505", "57014", "55P03"]) {
        const done = yield* forkImmediately(Effect.flip(session.retryTransaction(insert(session))))
        yield* serveTransaction(server, code)
        assert.strictEqual((yield* Fiber.join(done))._tag, "ServerError")
      }
    }).pipe(Effect.scoped, Effect.provide(manualServer())))

  it.effect("retries when COMMIT reports a conflict", () =>
    Effect.gen(function*() {
      const { server, session } = yield* connect
      const done = yield* forkImmediately(session.retryTransaction(insert(session), { schedule: Schedule.recurs(1) }))
      yield* server.expect("Query")
      yield* server.send(complete("BEGIN"), ready("T"))
      yield* server.expect("Query")
      yield* server.send(complete("INSERT 0 1"), ready("T"))
      yield* server.expect("Query")
      yield* server.send(error("40001"), ready())
      yield* serveTransaction(server, undefined)
      yield* Fiber.join(done)
    }).pipe(Effect.scoped, Effect.provide(manualServer())))
})
