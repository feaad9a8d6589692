/** Queries that have only so much time, and servers that say nothing. */
import { assert, describe, it } from "@effect/vitest"
import * as Query from "@hyperfect/client/Query"
import type { QueryError } from "@hyperfect/client/QueryError"
import { Effect, Fiber, Redacted, Stream } from "effect"
import { TestClock } from "effect/testing"
import { start } from "./fibers.ts"
import { complete, copyIn, error, meetWith, puppet, ready } from "./puppet.ts"
import { longStatement, open, servers } from "./servers.ts"

servers({
  both(it) {
    it.effect("a query that takes too long is cancelled, and the session lives on", () =>
      Effect.gen(function*() {
        const session = yield* open()
        const long = yield* longStatement
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

    it.effect("a session has a limit of its own, unless another one is set", () =>
      Effect.gen(function*() {
        const session = yield* open({ queryTimeout: 50 })
        const long = yield* longStatement
        assert.strictEqual((yield* Effect.flip(session.query(long)))._tag, "QueryTimeout")
        const brief = session.server.kind === "postgres" ? "select pg_sleep(0.2)" : "select 1"
        yield* session.query(brief).pipe(Query.timeout("1 minute"))
        yield* session.query(brief).pipe(Query.timeout("Infinity"))
        assert.deepStrictEqual((yield* session.query("select 1 as a")).rows, [{ a: 1 }])
      }))
  }
})

describe("a query that has only so much time", () => {
  it.effect("ends soon after it also when the server says nothing at all", () =>
    Effect.gen(function*() {
      const { server, session } = yield* meetWith({ queryTimeout: 2_000 })
      const query = yield* start(Effect.flip(session.query("select 1")))
      yield* server.hear("Parse", "Describe", "Sync")
      yield* TestClock.adjust("2 seconds")
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(query))._tag, "QueryTimeout")
    }).pipe(Effect.scoped, Effect.provide(puppet({ onCancel: Effect.never }))))

  it.effect("waits within it for the session as well", () =>
    Effect.gen(function*() {
      const { server, session } = yield* meetWith({ queryTimeout: 2_000 })
      const stream = yield* start(Stream.runDrain(session.copyOut("copy t to stdout")))
      yield* server.hear("Query")
      const query = yield* start(Effect.flip(session.query("select 1")))
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual((yield* Fiber.join(query))._tag, "QueryTimeout")
      assert.isUndefined(stream.pollUnsafe())
    }).pipe(Effect.scoped, Effect.provide(puppet({ onCancel: Effect.never }))))
})

describe("a server that says nothing", () => {
  const silent = meetWith({ silenceTimeout: 10_000 })

  it.effect("is given up in time while it owes an answer", () =>
    Effect.gen(function*() {
      const { server, session } = yield* silent
      const query = yield* start(Effect.flip(session.simple("select 1")))
      yield* server.hear("Query")
      yield* TestClock.adjust("15 seconds")
      const failure = yield* Fiber.join(query)
      assert.isTrue(failure._tag === "TransportError" && failure.reason._tag === "Unresponsive")
      assert.strictEqual(failure.sent, "unknown")
    }).pipe(Effect.scoped, Effect.provide(puppet())))

  it.effect("is not given up while it gives signs of life, nor while it has nothing to say", () =>
    Effect.gen(function*() {
      const { server, session } = yield* silent
      yield* TestClock.adjust("1 hour")
      const query = yield* start(session.simple("select 1"))
      yield* server.hear("Query")
      for (let i = 0; i < 20; i++) {
        yield* TestClock.adjust("6 seconds")
        yield* server.say({ _tag: "ParameterStatus", name: "alive", value: "?" })
        for (let j = 0; j < 10; j++) yield* Effect.yieldNow
      }
      yield* server.say(complete("SELECT 1"), ready())
      yield* Fiber.join(query)
      yield* TestClock.adjust("1 hour")
      const copying = yield* start(session.copyIn("copy t from stdin", Stream.never))
      yield* server.hear("Query")
      yield* server.say(copyIn)
      yield* TestClock.adjust("1 hour")
      assert.isUndefined(copying.pollUnsafe())
      const interrupting = yield* start(Fiber.interrupt(copying))
      yield* server.hear("CopyFail")
      yield* server.say(error("57014"), ready())
      yield* Fiber.join(interrupting)
    }).pipe(Effect.scoped, Effect.provide(puppet())))
})
