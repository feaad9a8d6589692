/** The messages by which a statement is cancelled. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { forkImmediately } from "./fibers.ts"
import { complete, connect, error, manualServer, ready } from "./manualServer.ts"

const empty = { _tag: "EmptyQueryResponse" } as const

describe("an interrupted query", () => {
  it.effect("may end on Hyper without an error and without a command tag", () =>
    Effect.gen(function*() {
      const { server, session } = yield* connect
      const query = yield* forkImmediately(session.query("select 1"))
      yield* server.expect("Parse", "Bind", "Describe", "Execute", "Sync")
      const interrupting = yield* forkImmediately(Fiber.interrupt(query))
      yield* server.send({ _tag: "ParseComplete" }, { _tag: "BindComplete" }, { _tag: "NoData" }, ready())
      yield* Fiber.join(interrupting)
      const next = yield* forkImmediately(session.simple(""))
      yield* server.expect("Query")
      yield* server.send(empty, ready())
      yield* Fiber.join(next)
    }).pipe(Effect.scoped, Effect.provide(manualServer({ dialect: "hyper" }))))

  it.effect("blocks other queries until the server has confirmed the cancel request", () =>
    Effect.gen(function*() {
      const asked = yield* Deferred.make<void>()
      const answer = yield* Deferred.make<void>()
      const onCancel = Effect.andThen(Deferred.succeed(asked, undefined), Deferred.await(answer))
      yield* Effect.gen(function*() {
        const { server, session } = yield* connect
        const query = yield* forkImmediately(session.simple("long"))
        yield* server.expect("Query")
        const interrupting = yield* forkImmediately(Fiber.interrupt(query))
        yield* Deferred.await(asked)
        const next = yield* forkImmediately(session.simple("next"))
        // The query has ended, but the request may still be in flight.
        yield* server.send(error("57014"), ready())
        const heard = yield* forkImmediately(server.expect("Query"))
        for (let i = 0; i < 10; i++) yield* Effect.yieldNow
        assert.isUndefined(heard.pollUnsafe())
        yield* Deferred.succeed(answer, undefined)
        assert.include(yield* Fiber.join(heard), { query: "next" })
        yield* server.send(complete("NEXT"), ready())
        assert.strictEqual((yield* Fiber.join(next))[0]?.commandTag, "NEXT")
        yield* Fiber.join(interrupting)
      }).pipe(Effect.scoped, Effect.provide(manualServer({ onCancel })))
    }))

  it.effect("is cancelled again if the first request came too early", () =>
    Effect.gen(function*() {
      let requests = 0
      const onCancel = Effect.sync(() => void requests++)
      yield* Effect.gen(function*() {
        const { server, session } = yield* connect
        const query = yield* forkImmediately(session.simple("long"))
        yield* server.expect("Query")
        const interrupting = yield* forkImmediately(Fiber.interrupt(query))
        yield* TestClock.adjust("1 second")
        assert.isAbove(requests, 1)
        yield* server.send(error("57014"), ready())
        yield* Fiber.join(interrupting)
      }).pipe(Effect.scoped, Effect.provide(manualServer({ onCancel })))
    }))

  it.effect("closes its session if the server never ends it", () =>
    Effect.gen(function*() {
      const { server, session } = yield* connect
      const query = yield* forkImmediately(session.simple("long"))
      yield* server.expect("Query")
      const interrupting = yield* forkImmediately(Fiber.interrupt(query))
      const waiting = yield* forkImmediately(session.simple("next"))
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.join(interrupting)
      for (const effect of [Fiber.join(waiting), session.simple("later")]) {
        const failure = yield* Effect.flip(effect)
        assert.isTrue(failure._tag === "TransportError" && failure.reason._tag === "Unresponsive")
      }
    }).pipe(Effect.scoped, Effect.provide(manualServer())))
})
