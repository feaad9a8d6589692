/** Advisory locks held for as long as an effect runs. */
import { assert } from "@effect/vitest"
import * as Lock from "@hyperfect/client/Lock"
import * as Pool from "@hyperfect/client/Pool"
import { sql } from "@hyperfect/client/Statement"
import { Deferred, Effect, Fiber, Schedule } from "effect"
import { describeServers } from "./liveServers.ts"
import { openPool } from "./pools.ts"

const keys = ["a name's", 2n ** 62n, [1, -2]] as const

const held = sql`select count(*)::int from pg_locks where locktype = 'advisory'`

/** On a busy machine, a short lease can be over before the lock is taken. */
const isNotLost = (error: { readonly _tag: string }) => error._tag !== "LockLost"

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
          // Who interrupts a statement goes after a moment, ended or not.
          yield* Effect.repeat(pool.values(held), { until: ({ rows }) => rows[0]?.[0] === 0 })
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

    it.effect("are lost by a process that shows no sign of life for the time of the lease", () =>
      Effect.gen(function*() {
        const { pool } = yield* openPool({ max: 4 })
        // Long enough for the server to end the session meanwhile.
        const freeze = Effect.sync(() => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_500))
        const error = yield* Effect.andThen(freeze, Effect.never).pipe(
          Lock.withLock("leased", { lease: "500 millis" }),
          Effect.retry({ while: isNotLost }),
          Effect.provideService(Pool.Pool, pool),
          Effect.flip
        )
        assert.strictEqual(error._tag, "LockLost")
        yield* Effect.succeed("again").pipe(Lock.withLock("leased"), Effect.provideService(Pool.Pool, pool))
      }))

    it.effect("are taken for lost when the server does not answer for the time of the lease", () =>
      Effect.gen(function*() {
        const { pool } = yield* openPool({ max: 4 })
        let unfreeze = Effect.void
        const error = yield* pool.values(sql`select pid from pg_locks where locktype = 'advisory'`).pipe(
          // Its short lease can also be over already.
          Effect.filterOrFail(({ rows }) => rows.length > 0, () => ({ _tag: "NotHeld" }) as const),
          Effect.map(({ rows: [row] }) => {
            const pid = Number(row![0])
            process.kill(pid, "SIGSTOP")
            unfreeze = Effect.sync(() => void process.kill(pid, "SIGCONT"))
          }),
          Effect.andThen(Effect.never),
          Lock.withLock("cut off", { lease: "500 millis" }),
          Effect.ensuring(Effect.suspend(() => unfreeze)),
          Effect.retry({ while: isNotLost }),
          Effect.provideService(Pool.Pool, pool),
          Effect.flip
        )
        assert.strictEqual(error._tag, "LockLost")
        yield* Effect.succeed("again").pipe(Lock.withLock("cut off"), Effect.provideService(Pool.Pool, pool))
      }))

    it.effect("are kept by a process that shows signs of life, and leave no lease to the session", () =>
      Effect.gen(function*() {
        const { pool } = yield* openPool({ max: 4 })
        const lastShown = Effect.map(
          pool.values(sql`select query_start::text from pg_locks join pg_stat_activity using (pid)
            where locktype = 'advisory'`),
          ({ rows }) => rows[0]?.[0]
        )
        const shown = yield* lastShown.pipe(
          Effect.flatMap((first) =>
            Effect.flatMap(lastShown, (last) => last === first ? Effect.fail("not yet") : Effect.succeed(last)).pipe(
              Effect.retry(Schedule.spaced("50 millis"))
            )
          ),
          Lock.withLock("renewed", { lease: "9 seconds" }),
          Effect.provideService(Pool.Pool, pool)
        )
        assert.isString(shown)
        assert.deepStrictEqual((yield* pool.values("show idle_session_timeout")).rows, [["0"]])
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
