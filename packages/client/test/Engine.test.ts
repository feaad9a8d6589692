/** What happens on one line, down to the message. */
import { assert, describe, it } from "@effect/vitest"
import type * as Backend from "@hyperfect/protocol/Backend"
import { Effect, Exit, Fiber, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import { start } from "./fibers.ts"
import { complete, copyIn, error, meet, puppet, ready } from "./puppet.ts"

const empty: Backend.Message = { _tag: "EmptyQueryResponse" }
const bytes = (text: string) => new TextEncoder().encode(text)
const notice: Backend.Message = { _tag: "NoticeResponse", fields: [{ code: "M", value: "by the way" }] }

describe("a session", () => {
  it.effect("says good-bye when it is closed", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const { server } = yield* Scope.provide(meet, scope)
      const closing = yield* start(Scope.close(scope, Exit.void))
      yield* server.hear("Terminate")
      yield* server.hangUp
      yield* Fiber.join(closing)
    }).pipe(Effect.provide(puppet())))

  it.effect("fails the COPY that is under way before it says good-bye", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const { server, session } = yield* Scope.provide(meet, scope)
      const copying = yield* start(
        session.copyIn("copy t from stdin", Stream.concat(Stream.make(bytes("x\n")), Stream.never))
      )
      yield* server.hear("Query")
      yield* server.say(copyIn)
      yield* server.hear("CopyData")
      const closing = yield* start(Scope.close(scope, Exit.void))
      yield* server.hear("CopyFail", "Terminate")
      yield* server.hangUp
      yield* Fiber.join(closing)
      yield* Effect.flip(Fiber.join(copying))
    }).pipe(Effect.provide(puppet())))

  it.effect("does not tear a message when it is closed in the middle of one", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const { server, session } = yield* Scope.provide(meet, scope)
      const big = new Uint8Array(200_000)
      const copying = yield* start(session.copyIn("copy t from stdin", Stream.make(big, big, big)))
      yield* server.hear("Query")
      yield* server.say(copyIn)
      yield* Effect.yieldNow
      const closing = yield* start(Scope.close(scope, Exit.void))
      const data = yield* server.hear("CopyData")
      assert.isTrue(data._tag === "CopyData" && data.data.length === big.length)
      yield* server.hear("CopyFail", "Terminate")
      yield* server.hangUp
      yield* Fiber.join(closing)
      yield* Effect.flip(Fiber.join(copying))
    }).pipe(Effect.provide(puppet({ capacity: 64 }))))

  it.effect("is closed in time by a server that does not read any more", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const { session } = yield* Scope.provide(meet, scope)
      const query = yield* start(session.simple("x".repeat(1000)))
      yield* Effect.yieldNow
      const closing = yield* start(Scope.close(scope, Exit.void))
      yield* TestClock.adjust("3 seconds")
      assert.isDefined(closing.pollUnsafe())
      yield* Effect.flip(Fiber.join(query))
    }).pipe(Effect.provide(puppet({ capacity: 16 }))))

  it.effect("sends what is asked in one tick in one piece, and gives each its own answer", () =>
    Effect.gen(function*() {
      const { server, session } = yield* meet
      const fibers = yield* Effect.forEach(["a", "b", "c"], (text) => start(session.simple(text)))
      const [chunk, ...more] = yield* server.channel.connection.pull
      assert.strictEqual(Buffer.from(chunk).toString("latin1").replaceAll(/[^abcQ]/g, ""), "QaQbQc")
      assert.deepStrictEqual(more, [])
      yield* server.say(complete("ONE"), ready(), error("42601"), ready(), complete("THREE"), ready())
      assert.strictEqual((yield* Fiber.join(fibers[0]!))[0]?.commandTag, "ONE")
      assert.strictEqual((yield* Effect.flip(Fiber.join(fibers[1]!)))._tag, "ServerError")
      assert.strictEqual((yield* Fiber.join(fibers[2]!))[0]?.commandTag, "THREE")
    }).pipe(Effect.scoped, Effect.provide(puppet())))

  it.effect("takes notices, settings and notifications wherever they come", () =>
    Effect.gen(function*() {
      const { server, session } = yield* meet
      const notices = yield* start(Stream.runCollect(Stream.take(session.notices, 3)))
      yield* server.say(notice)
      const query = yield* start(session.query("select 1"))
      yield* server.hear("Parse", "Describe", "Sync")
      yield* server.say(
        { _tag: "ParameterStatus", name: "TimeZone", value: "Mars" },
        { _tag: "ParseComplete" },
        notice,
        { _tag: "ParameterDescription", parameterTypes: [] },
        { _tag: "NotificationResponse", processId: 1, channel: "c", payload: "p" },
        { _tag: "NoData" },
        ready()
      )
      yield* server.hear("Bind", "Execute", "Sync")
      yield* server.say({ _tag: "BindComplete" }, notice, complete("DONE"), notice, ready())
      assert.strictEqual((yield* Fiber.join(query)).commandTag, "DONE")
      assert.strictEqual(session.parameters().get("TimeZone"), "Mars")
      assert.lengthOf(yield* Fiber.join(notices), 3)
    }).pipe(Effect.scoped, Effect.provide(puppet())))

  it.effect("does not take Hyper's sign of life for a setting", () =>
    Effect.gen(function*() {
      const { server, session } = yield* meet
      const query = yield* start(session.query("select 1"))
      const alive: Backend.Message = { _tag: "ParameterStatus", name: "alive", value: "?" }
      yield* server.hear("Parse", "Bind", "Describe", "Execute", "Sync")
      yield* server.say({ _tag: "ParseComplete" }, alive, { _tag: "BindComplete" }, alive, { _tag: "NoData" }, alive)
      yield* server.say(complete("DONE"), ready())
      assert.strictEqual((yield* Fiber.join(query)).commandTag, "DONE")
      assert.isFalse(session.parameters().has("alive"))
    }).pipe(Effect.scoped, Effect.provide(puppet({ dialect: "hyper" }))))

  it.effect("dies of an error that nobody asked for, and says so ever after", () =>
    Effect.gen(function*() {
      const { server, session } = yield* meet
      yield* server.say(error("57P01", "FATAL"))
      yield* server.hangUp
      for (const _ of [1, 2]) {
        const failure = yield* Effect.flip(session.query("select 1"))
        assert.isTrue(failure._tag === "ServerError" && failure.reason._tag === "AdminShutdown" && failure.isRetryable)
      }
    }).pipe(Effect.scoped, Effect.provide(puppet())))

  it.effect.each<readonly [name: string, message: Backend.Message]>([
    ["a row", { _tag: "DataRow", columns: [] }],
    ["data", { _tag: "CopyData", data: bytes("x") }],
    ["the end of a bind", { _tag: "BindComplete" }],
    ["an authentication", { _tag: "AuthenticationOk" }]
  ])("dies of %s where it makes no sense, and everybody is told", ([, message]) =>
    Effect.gen(function*() {
      const { server, session } = yield* meet
      const first = yield* start(session.query("select 1"))
      const second = yield* start(Stream.runDrain(session.copyOut("copy t to stdout")))
      yield* server.hear("Parse", "Describe", "Sync")
      yield* server.say(message)
      for (const fiber of [first, second]) {
        const failure = yield* Effect.flip(Fiber.join<unknown, { readonly _tag: string }>(fiber))
        assert.strictEqual(failure._tag, "ProtocolError")
      }
      const later = yield* Effect.flip(session.simple("select 1"))
      assert.isTrue(later._tag === "ProtocolError" && later.reason._tag === "MessageUnexpected")
    }).pipe(Effect.scoped, Effect.provide(puppet())))

  it.effect("ends a COPY into a table that began after nobody waited for it any more", () =>
    Effect.gen(function*() {
      const { server, session } = yield* meet
      const copying = yield* start(session.copyIn("copy t from stdin", Stream.make(bytes("x\n"))))
      yield* server.hear("Query")
      const interrupting = yield* start(Fiber.interrupt(copying))
      yield* server.say(copyIn)
      yield* server.hear("CopyFail")
      yield* server.say(error("57014"), ready())
      yield* Fiber.join(interrupting)
      const query = yield* start(session.simple(""))
      yield* server.hear("Query")
      yield* server.say(empty, ready())
      yield* Fiber.join(query)
    }).pipe(Effect.scoped, Effect.provide(puppet())))
})

describe("a COPY into a table", () => {
  it.effect("that is interrupted behind others takes nothing for data that is sent behind it", () =>
    Effect.gen(function*() {
      const { server, session } = yield* meet
      const before = yield* start(session.simple("before"))
      const copying = yield* start(session.copyIn("copy t from stdin", Stream.never))
      yield* server.hear("Query", "Query")
      yield* Fiber.interrupt(copying)
      const behind = yield* start(session.simple("behind"))
      yield* server.hear("CopyFail", "Query")
      yield* server.say(complete("BEFORE"), ready(), copyIn, error("57014"), ready(), complete("BEHIND"), ready())
      assert.strictEqual((yield* Fiber.join(before))[0]?.commandTag, "BEFORE")
      assert.strictEqual((yield* Fiber.join(behind))[0]?.commandTag, "BEHIND")
    }).pipe(Effect.scoped, Effect.provide(puppet())))

  it.effect("keeps its source waiting while the server does not read", () =>
    Effect.gen(function*() {
      const { server, session } = yield* meet
      let taken = 0
      const source = Stream.range(1, 1000).pipe(
        Stream.rechunk(1),
        Stream.map(() => {
          taken++
          return new Uint8Array(50_000)
        })
      )
      const copying = yield* start(session.copyIn("copy t from stdin", source))
      yield* server.hear("Query")
      yield* server.say(copyIn)
      for (let i = 0; i < 1000; i++) yield* Effect.yieldNow
      assert.isAtMost(taken, 2)
      for (let i = 0; i < 1000; i++) yield* server.hear("CopyData")
      yield* server.hear("CopyDone")
      yield* server.say(complete("COPY 7"), ready())
      assert.strictEqual((yield* Fiber.join(copying)).rowCount, 7)
      assert.strictEqual(taken, 1000)
    }).pipe(Effect.scoped, Effect.provide(puppet({ capacity: 1024 }))))

  it.effect("fails with the last words of a server that hangs up on the data", () =>
    Effect.gen(function*() {
      const { server, session } = yield* meet
      const chunks = Stream.forever(Stream.make(new Uint8Array(50_000)))
      const copying = yield* start(session.copyIn("copy t from stdin", chunks))
      yield* server.hear("Query")
      yield* server.say(copyIn)
      yield* server.hear("CopyData")
      yield* server.say(error("57P01", "FATAL"))
      yield* server.hangUp
      yield* TestClock.adjust("1 second")
      for (const failure of [yield* Effect.flip(Fiber.join(copying)), yield* Effect.flip(session.simple(""))]) {
        assert.isTrue(failure._tag === "ServerError" && failure.reason._tag === "AdminShutdown")
      }
    }).pipe(Effect.scoped, Effect.provide(puppet({ capacity: 1024 }))))

  it.effect("tells the server why the data ends, but nothing of what was in it", () =>
    Effect.gen(function*() {
      const { server, session } = yield* meet
      const failures = [{ _tag: "Broken", secret: "s3cret" }, new Error("s3cret"), "s3cret"]
      for (const failure of failures) {
        const copying = yield* start(session.copyIn("copy t from stdin", Stream.fail(failure)))
        yield* server.hear("Query")
        yield* server.say(copyIn)
        const message = yield* server.hear("CopyFail")
        assert.notInclude(JSON.stringify(message), "s3cret")
        yield* server.say(error("57014"), ready())
        assert.strictEqual(yield* Effect.flip(Fiber.join(copying)), failure)
      }
    }).pipe(Effect.scoped, Effect.provide(puppet())))
})

describe("those who ask in one tick", () => {
  it.effect("are all told when one of them closes the session for a value that cannot be sent", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const { session } = yield* Scope.provide(meet, scope)
      const closing = yield* start(
        Effect.andThen(Effect.flip(session.simple("a\0b")), start(Scope.close(scope, Exit.void)))
      )
      const others = yield* Effect.forEach([1, 2], (i) => start(session.simple(`select ${i}`)))
      for (const fiber of others) {
        const failure = yield* Effect.flip(Fiber.join(fiber))
        assert.isTrue(failure._tag === "TransportError" && failure.reason._tag === "Closed")
      }
      yield* TestClock.adjust("3 seconds")
      yield* Fiber.join(closing)
    }).pipe(Effect.provide(puppet())))
})
