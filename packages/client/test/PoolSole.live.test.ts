import { assert } from "@effect/vitest"
import { Effect, Exit, Fiber, Scope } from "effect"
import { describeServers } from "./liveServers.ts"
import { openPool, waitUntil } from "./pools.ts"

describeServers({
  both(it) {
    it.effect("closes the other sessions of a pool, and opens none while one is the only session", () =>
      Effect.gen(function*() {
        const { connections, pool } = yield* openPool({ max: 4, min: 4, warmUp: true })
        const busy = yield* Effect.forkChild(
          Effect.scoped(Effect.andThen(pool.session, Effect.promise(() => new Promise((r) => setTimeout(r, 100))))),
          { startImmediately: true }
        )
        const scope = yield* Scope.make()
        const session = yield* Scope.provide(pool.soleSession, scope)
        assert.isTrue(busy.pollUnsafe() !== undefined)
        yield* waitUntil(() => connections.open === 1)
        const waiting = yield* Effect.forkChild(pool.query("select 2 as n"), { startImmediately: true })
        const second = yield* Effect.forkChild(Effect.scoped(pool.soleSession), { startImmediately: true })
        assert.deepStrictEqual((yield* session.query("select 1 as n")).rows, [{ n: 1 }])
        yield* Effect.promise(() => new Promise((r) => setTimeout(r, 100)))
        assert.strictEqual(connections.open, 1)
        assert.strictEqual(waiting.pollUnsafe(), undefined)
        yield* Scope.close(scope, Exit.void)
        assert.deepStrictEqual((yield* Fiber.join(waiting)).rows, [{ n: 2 }])
        yield* Fiber.join(second)
        yield* waitUntil(() => pool.stats().size === 4)
        const answers = Array.from({ length: 50 }, () => pool.query("select 3 as n"))
        yield* Effect.all(answers, { concurrency: "unbounded" })
      }))

    it.effect("gives each of several callers the only session, one after the other", () =>
      Effect.gen(function*() {
        const { pool } = yield* openPool({ max: 3, min: 3, warmUp: true })
        let inside = 0
        const one = Effect.scoped(Effect.gen(function*() {
          const session = yield* pool.soleSession
          assert.strictEqual(++inside, 1)
          yield* session.query("select 1")
          assert.strictEqual(pool.stats().size, 1)
          inside--
        }))
        yield* Effect.all(Array.from({ length: 10 }, () => one), { concurrency: "unbounded" })
      }))

    it.effect("fails if a session of the pool does not end, or in a transaction, and the pool remains usable", () =>
      Effect.gen(function*() {
        const { pool } = yield* openPool({ max: 2, acquireTimeout: "1 second" })
        const scope = yield* Scope.make()
        yield* Scope.provide(pool.session, scope)
        const error = yield* Effect.flip(Effect.scoped(pool.soleSession))
        assert.isTrue(error._tag === "PoolError" && error.reason._tag === "AcquireTimeout" && error.isRetryable)
        yield* Scope.close(scope, Exit.void)
        const inside = yield* Effect.flip(pool.transaction(Effect.scoped(pool.soleSession)))
        assert.strictEqual(inside._tag, "UnsupportedError")
        yield* pool.query("select 1")
        yield* Effect.scoped(pool.soleSession)
      }))
  }
})
