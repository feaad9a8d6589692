/** Transactions that are done again. */
import { assert, describe, it } from "@effect/vitest"
import type * as Session from "@hyperfect/client/Session"
import * as Statement from "@hyperfect/client/Statement"
import { Deferred, Effect, Fiber, Schedule } from "effect"
import { TestClock } from "effect/testing"
import { start } from "./fibers.ts"
import { openPool } from "./pools.ts"
import { complete, error, meet, puppet, ready, type Server } from "./puppet.ts"
import { fresh, open, servers } from "./servers.ts"

const { identifier, sql } = Statement

servers({
  both(it) {
    it.effect("a transaction without a conflict is done once, on a session and on a pool", () =>
      Effect.gen(function*() {
        const session = yield* open()
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
    it.effect("two transactions that each miss what the other writes are both done, one after the other", () =>
      Effect.gen(function*() {
        const { pool } = yield* openPool({ max: 4 })
        const table = identifier(fresh("accounts"))
        yield* pool.execute(sql`create table ${table} (a int)`)
        let runs = 0
        const both = yield* Deferred.make<void>()
        let seen = 0
        // Each inserts as many as it has seen, and the first time they see the same.
        const add = Effect.gen(function*() {
          runs++
          const { n } = yield* pool.one(sql`select count(*)::int as n from ${table}`)
          if (++seen === 2) yield* Deferred.succeed(both, undefined)
          yield* Deferred.await(both)
          yield* pool.execute(sql`insert into ${table} values (${n})`)
        })
        const options = { isolation: "serializable" } as const
        yield* Effect.all([pool.retryTransaction(add, options), pool.retryTransaction(add, options)], {
          concurrency: "unbounded"
        })
        const { rows } = yield* pool.values(sql`select a from ${table} order by a`)
        assert.deepStrictEqual(rows, [[0], [1]])
        assert.strictEqual(runs, 3)
      }))

    it.effect("a savepoint is not tried again, but the whole transaction is", () =>
      Effect.gen(function*() {
        const { pool } = yield* openPool({ max: 2 })
        const session = yield* open()
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

/** Plays a transaction of one statement that ends like this. */
const play = Effect.fnUntraced(function*(server: Server, code: string | undefined) {
  yield* server.hear("Query")
  yield* server.say(complete("BEGIN"), ready("T"))
  yield* server.hear("Query")
  if (code === undefined) {
    yield* server.say(complete("INSERT 0 1"), ready("T"))
    yield* server.hear("Query")
    return yield* server.say(complete("COMMIT"), ready())
  }
  yield* server.say(error(code), ready("E"))
  yield* server.hear("Query")
  yield* server.say(complete("ROLLBACK"), ready())
})

describe("a transaction that is done again", () => {
  const insert = (session: Session.Session) => session.simple("insert into t values (1)")

  it.effect("is so after serialization failures and deadlocks, by the schedule", () =>
    Effect.gen(function*() {
      const { server, session } = yield* meet
      const schedule = Schedule.spaced("1 minute")
      const done = yield* start(session.retryTransaction(insert(session), { schedule }))
      for (const code of ["40001", "40P01", "40001"]) {
        yield* play(server, code)
        for (let i = 0; i < 20; i++) yield* Effect.yieldNow
        assert.isUndefined(done.pollUnsafe())
        yield* TestClock.adjust("1 minute")
      }
      yield* play(server, undefined)
      assert.strictEqual((yield* Fiber.join(done))[0]?.commandTag, "INSERT 0 1")
    }).pipe(Effect.scoped, Effect.provide(puppet())))

  it.effect("is given up when the schedule ends, with the last error", () =>
    Effect.gen(function*() {
      const { server, session } = yield* meet
      const done = yield* start(
        Effect.flip(session.retryTransaction(insert(session), { schedule: Schedule.recurs(1) }))
      )
      yield* play(server, "40001")
      yield* play(server, "40P01")
      const failure = yield* Fiber.join(done)
      assert.isTrue(failure._tag === "ServerError" && failure.reason._tag === "DeadlockDetected")
    }).pipe(Effect.scoped, Effect.provide(puppet())))

  it.effect("is not so for anything else", () =>
    Effect.gen(function*() {
      const { server, session } = yield* meet
      for (const code of ["23505", "57014", "55P03"]) {
        const done = yield* start(Effect.flip(session.retryTransaction(insert(session))))
        yield* play(server, code)
        assert.strictEqual((yield* Fiber.join(done))._tag, "ServerError")
      }
    }).pipe(Effect.scoped, Effect.provide(puppet())))

  it.effect("is so when the COMMIT is in conflict", () =>
    Effect.gen(function*() {
      const { server, session } = yield* meet
      const done = yield* start(session.retryTransaction(insert(session), { schedule: Schedule.recurs(1) }))
      yield* server.hear("Query")
      yield* server.say(complete("BEGIN"), ready("T"))
      yield* server.hear("Query")
      yield* server.say(complete("INSERT 0 1"), ready("T"))
      yield* server.hear("Query")
      yield* server.say(error("40001"), ready())
      yield* play(server, undefined)
      yield* Fiber.join(done)
    }).pipe(Effect.scoped, Effect.provide(puppet())))
})
