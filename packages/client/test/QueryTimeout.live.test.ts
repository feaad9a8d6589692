/** Time limits of queries, and silent servers. */
import { assert, describe, it } from "@effect/vitest"
import * as Query from "@hyperfect/client/Query"
import type { QueryError } from "@hyperfect/client/QueryError"
import { Effect, Fiber, Redacted, Stream } from "effect"
import { TestClock } from "effect/testing"
import { forkImmediately } from "./fibers.ts"
import { describeServers, longRunningStatement, openSession } from "./liveServers.ts"
import { complete, connectWith, copyIn, error, manualServer, ready } from "./manualServer.ts"

describeServers({
  both(it) {
    it.effect("cancels a slow query, and the session survives", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const long = yield* longRunningStatement
        const ways: ReadonlyArray<Effect.Effect<unknown, QueryError>> = [
          session.query(long),
          session.columns(long),
          session.execute(long),
          session.simple(long),
          session.pipeline([long]),
          session.transaction(session.query(long)) as Effect.Effect<unknown, QueryError>
        ]
        for (const way of ways) {
          const failure = yield* Effect.flip(Query.timeout("50 millis")(way))
          assert(failure._tag === "QueryTimeout")
          assert.strictEqual(failure.milliseconds, 50)
          assert.strictEqual(Redacted.value(failure.statement), long)
          assert.isFalse(failure.isRetryable)
          assert.deepStrictEqual((yield* session.query("select 1 as a")).rows, [{ a: 1 }])
        }
      }))

    it.effect("uses the session's limit unless another one is set", () =>
      Effect.gen(function*() {
        const session = yield* openSession({ queryTimeout: 50 })
        const long = yield* longRunningStatement
        assert.strictEqual((yield* Effect.flip(session.query(long)))._tag, "QueryTimeout")
        const brief = session.server.kind === "postgres" ? "select pg_sleep(0.2)" : "select 1"
        yield* session.query(brief).pipe(Query.timeout("1 minute"))
        yield* session.query(brief).pipe(Query.timeout("Infinity"))
        const { rows } = yield* session.query("select 1 as a").pipe(Query.timeout("1 minute"))
        assert.deepStrictEqual(rows, [{ a: 1 }])
      }))
  }
})

describe("Query timeout", () => {
  it.effect("ends soon after the limit even if the server is silent", () =>
    Effect.gen(function*() {
      const { server, session } = yield* connectWith({ queryTimeout: 2_000 })
      const query = yield* forkImmediately(Effect.flip(session.query("select 1")))
      yield* server.expect("Parse", "Describe", "Sync")
      yield* TestClock.adjust("2 seconds")
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(query))._tag, "QueryTimeout")
    }).pipe(Effect.scoped, Effect.provide(manualServer({ onCancel: Effect.never }))))

  it.effect("includes the wait for the session", () =>
    Effect.gen(function*() {
      const { server, session } = yield* connectWith({ queryTimeout: 2_000 })
      const stream = yield* forkImmediately(Stream.runDrain(session.copyOut("copy t to stdout")))
      yield* server.expect("Query")
      const query = yield* forkImmediately(Effect.flip(session.query("select 1")))
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual((yield* Fiber.join(query))._tag, "QueryTimeout")
      assert.isUndefined(stream.pollUnsafe())
    }).pipe(Effect.scoped, Effect.provide(manualServer({ onCancel: Effect.never }))))
})

describe("Silence timeout", () => {
  const silent = connectWith({ silenceTimeout: 10_000 })

  it.effect("fails the session if no data arrives while a response is pending", () =>
    Effect.gen(function*() {
      const { server, session } = yield* silent
      const query = yield* forkImmediately(Effect.flip(session.simple("select 1")))
      yield* server.expect("Query")
      yield* TestClock.adjust("15 seconds")
      const failure = yield* Fiber.join(query)
      assert.isTrue(failure._tag === "TransportError" && failure.reason._tag === "Unresponsive")
      assert.strictEqual(failure.sent, "unknown")
    }).pipe(Effect.scoped, Effect.provide(manualServer())))

  it.effect("fails the session if the end of a COPY is not answered", () =>
    Effect.gen(function*() {
      const { server, session } = yield* silent
      const copying = yield* forkImmediately(Effect.flip(session.copyIn("copy t from stdin", Stream.empty)))
      yield* server.expect("Query")
      yield* server.send(copyIn)
      yield* server.expect("CopyDone")
      yield* TestClock.adjust("15 seconds")
      const failure = yield* Fiber.join(copying)
      assert.isTrue(failure._tag === "TransportError" && failure.reason._tag === "Unresponsive")
      assert.strictEqual(failure.sent, "unknown")
    }).pipe(Effect.scoped, Effect.provide(manualServer())))

  it.effect("does not fail a session that receives signs of life or has no response pending", () =>
    Effect.gen(function*() {
      const { server, session } = yield* silent
      yield* TestClock.adjust("1 hour")
      const query = yield* forkImmediately(session.simple("select 1"))
      yield* server.expect("Query")
      for (let i = 0; i < 20; i++) {
        yield* TestClock.adjust("6 seconds")
        yield* server.send({ _tag: "ParameterStatus", name: "alive", value: "?" })
        for (let j = 0; j < 10; j++) yield* Effect.yieldNow
      }
      yield* server.send(complete("SELECT 1"), ready())
      yield* Fiber.join(query)
      yield* TestClock.adjust("1 hour")
      const copying = yield* forkImmediately(session.copyIn("copy t from stdin", Stream.never))
      yield* server.expect("Query")
      yield* server.send(copyIn)
      yield* TestClock.adjust("1 hour")
      assert.isUndefined(copying.pollUnsafe())
      const interrupting = yield* forkImmediately(Fiber.interrupt(copying))
      yield* server.expect("CopyFail")
      yield* server.send(error("57014"), ready())
      yield* Fiber.join(interrupting)
    }).pipe(Effect.scoped, Effect.provide(manualServer())))
})
