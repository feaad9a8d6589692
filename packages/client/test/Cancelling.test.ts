/** When a statement is cancelled, down to the message. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { start } from "./fibers.ts"
import { complete, error, meet, puppet, ready } from "./puppet.ts"

const empty = { _tag: "EmptyQueryResponse" } as const

describe("an interrupted query", () => {
  it.effect("of Hyper may end without an error and without a command tag", () =>
    Effect.gen(function*() {
      const { server, session } = yield* meet
      const query = yield* start(session.query("select 1"))
      yield* server.hear("Parse", "Bind", "Describe", "Execute", "Sync")
      const interrupting = yield* start(Fiber.interrupt(query))
      yield* server.say({ _tag: "ParseComplete" }, { _tag: "BindComplete" }, { _tag: "NoData" }, ready())
      yield* Fiber.join(interrupting)
      const next = yield* start(session.simple(""))
      yield* server.hear("Query")
      yield* server.say(empty, ready())
      yield* Fiber.join(next)
    }).pipe(Effect.scoped, Effect.provide(puppet({ dialect: "hyper" }))))

  it.effect("keeps others from sending until the server has confirmed that it is over", () =>
    Effect.gen(function*() {
      const asked = yield* Deferred.make<void>()
      const answer = yield* Deferred.make<void>()
      const onCancel = Effect.andThen(Deferred.succeed(asked, undefined), Deferred.await(answer))
      yield* Effect.gen(function*() {
        const { server, session } = yield* meet
        const query = yield* start(session.simple("long"))
        yield* server.hear("Query")
        const interrupting = yield* start(Fiber.interrupt(query))
        yield* Deferred.await(asked)
        const next = yield* start(session.simple("next"))
        // The query has ended, but the request may still be on its way.
        yield* server.say(error("57014"), ready())
        const heard = yield* start(server.hear("Query"))
        for (let i = 0; i < 10; i++) yield* Effect.yieldNow
        assert.isUndefined(heard.pollUnsafe())
        yield* Deferred.succeed(answer, undefined)
        assert.include(yield* Fiber.join(heard), { query: "next" })
        yield* server.say(complete("NEXT"), ready())
        assert.strictEqual((yield* Fiber.join(next))[0]?.commandTag, "NEXT")
        yield* Fiber.join(interrupting)
      }).pipe(Effect.scoped, Effect.provide(puppet({ onCancel })))
    }))

  it.effect("is cancelled again when the first request came too early", () =>
    Effect.gen(function*() {
      let requests = 0
      const onCancel = Effect.sync(() => void requests++)
      yield* Effect.gen(function*() {
        const { server, session } = yield* meet
        const query = yield* start(session.simple("long"))
        yield* server.hear("Query")
        const interrupting = yield* start(Fiber.interrupt(query))
        yield* TestClock.adjust("1 second")
        assert.isAbove(requests, 1)
        yield* server.say(error("57014"), ready())
        yield* Fiber.join(interrupting)
      }).pipe(Effect.scoped, Effect.provide(puppet({ onCancel })))
    }))

  it.effect("takes its session with it when the server never ends it", () =>
    Effect.gen(function*() {
      const { server, session } = yield* meet
      const query = yield* start(session.simple("long"))
      yield* server.hear("Query")
      const interrupting = yield* start(Fiber.interrupt(query))
      const waiting = yield* start(session.simple("next"))
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.join(interrupting)
      for (const effect of [Fiber.join(waiting), session.simple("later")]) {
        const failure = yield* Effect.flip(effect)
        assert.isTrue(failure._tag === "TransportError" && failure.reason._tag === "Unresponsive")
      }
    }).pipe(Effect.scoped, Effect.provide(puppet())))
})
