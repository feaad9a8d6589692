/** Advisory locks held for as long as an effect runs. */
import { assert } from "@effect/vitest"
import * as Lock from "@hyperfect/client/Lock"
import * as Pool from "@hyperfect/client/Pool"
import { sql } from "@hyperfect/client/Statement"
import { Deferred, Effect, Fiber } from "effect"
import { describeServers } from "./liveServers.ts"
import { openPool } from "./pools.ts"

const keys = ["a name's", 2n ** 62n, [1, -2]] as const

const held = sql`select count(*)::int from pg_locks where locktype = 'advisory'`

describeServers({
  postgres: (it) => {
    it.effect("exclude each other, and are released when the effect ends, fails or is interrupted", () =>
      Effect.gen(function*() {
        const { pool } = yield* openPool({ max: 4 })
        const count = Effect.map(pool.values(held), ({ rows }) => rows[0]?.[0])
        for (const key of keys) {
          let inside = 0
          const alone = Effect.gen(function*() {
            assert.strictEqual(++inside, 1)
            yield* Effect.sleep("5 millis")
            inside--
            return "done"
          })
          const all = yield* Effect.all(Array.from({ length: 6 }, () => Lock.withLock(alone, key)), {
            concurrency: "unbounded"
          }).pipe(Effect.provideService(Pool.Pool, pool))
          assert.deepStrictEqual(all, Array.from({ length: 6 }, () => "done"))
          assert.strictEqual(yield* count, 0)

          const failed = Effect.fail("failed" as const).pipe(Lock.withLock(key), Effect.flip)
          assert.strictEqual(yield* Effect.provideService(failed, Pool.Pool, pool), "failed")
          const started = yield* Deferred.make<void>()
          const fiber = yield* Effect.andThen(Deferred.succeed(started, undefined), Effect.never).pipe(
            Lock.withLock(key),
            Effect.provideService(Pool.Pool, pool),
            Effect.forkChild
          )
          yield* Deferred.await(started)
          assert.strictEqual(yield* count, 1)
          const taken = Effect.void.pipe(Lock.withLock(key, { wait: false }), Effect.flip)
          assert.strictEqual((yield* Effect.provideService(taken, Pool.Pool, pool))._tag, "LockTaken")
          yield* Fiber.interrupt(fiber)
          assert.strictEqual(yield* count, 0)
        }
      }))

    it.effect("are given up by a waiter that is interrupted", () =>
      Effect.gen(function*() {
        const { pool } = yield* openPool({ max: 4 })
        const waiting = Effect.void.pipe(Lock.withLock("contested"), Effect.timeoutOption("100 millis"))
        const seen = yield* waiting.pipe(Lock.withLock("contested"), Effect.provideService(Pool.Pool, pool))
        assert.strictEqual(seen._tag, "None")
        assert.deepStrictEqual((yield* pool.values(held)).rows, [[0]])
      }))

    it.effect("are not kept by a waiter that is interrupted when it gets the lock", () =>
      Effect.gen(function*() {
        const { pool } = yield* openPool({ max: 4 })
        const hold = Effect.forkChild(
          Effect.never.pipe(Lock.withLock("contested"), Effect.provideService(Pool.Pool, pool))
        )
        const waiting = sql`select count(*)::int from pg_locks where locktype = 'advisory' and not granted`
        const isWaiting = Effect.flatMap(
          pool.values(waiting),
          ({ rows }) => rows[0]?.[0] === 1 ? Effect.void : Effect.fail("not yet" as const)
        )
        for (let turns = 0; turns < 60; turns++) {
          const holder = yield* hold
          const waiter = yield* hold
          yield* Effect.eventually(isWaiting)
          const released = yield* Effect.forkChild(Fiber.interrupt(holder))
          for (let turn = 0; turn < turns; turn++) yield* Effect.promise(() => new Promise(setImmediate))
          yield* Fiber.interrupt(waiter)
          yield* Fiber.join(released)
          assert.deepStrictEqual((yield* pool.values(held)).rows, [[0]])
        }
      }))

    it.effect("are released by the server when it answers again, without a caller who waits for it", () =>
      Effect.gen(function*() {
        const { pool } = yield* openPool({ max: 4 })
        const started = yield* Deferred.make<void>()
        const holder = yield* Effect.andThen(Deferred.succeed(started, undefined), Effect.never).pipe(
          Lock.withLock("frozen"),
          Effect.provideService(Pool.Pool, pool),
          Effect.forkChild
        )
        yield* Deferred.await(started)
        const { rows } = yield* pool.values(sql`select pid from pg_locks where locktype = 'advisory'`)
        const pid = Number(rows[0]?.[0])
        yield* Effect.sync(() => process.kill(pid, "SIGSTOP"))
        yield* Effect.ensuring(Fiber.interrupt(holder), Effect.sync(() => process.kill(pid, "SIGCONT")))
        yield* Effect.succeed("again").pipe(Lock.withLock("frozen"), Effect.provideService(Pool.Pool, pool))
        assert.deepStrictEqual((yield* pool.values(held)).rows, [[0]])
      }))

    it.effect("are lost with their session, which interrupts the effect", () =>
      Effect.gen(function*() {
        const { pool } = yield* openPool({ max: 4 })
        let interrupted = false
        const work = pool.query(sql`select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory'`).pipe(
          Effect.andThen(Effect.never),
          Effect.onInterrupt(() =>
            Effect.sync(() => {
              interrupted = true
            })
          )
        )
        const error = yield* Effect.flip(work.pipe(Lock.withLock("lost"), Effect.provideService(Pool.Pool, pool)))
        assert.strictEqual(error._tag, "LockLost")
        assert.strictEqual(error.message, "the lock \"lost\" was lost with its session")
        assert.isTrue(interrupted)
        const again = yield* Effect.succeed("again").pipe(Lock.withLock("lost"), Effect.provideService(Pool.Pool, pool))
        assert.strictEqual(again, "again")
      }))
  }
})
