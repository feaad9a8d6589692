/** The messages on one connection. */
import { assert, describe, it } from "@effect/vitest"
import type * as Backend from "@hyperfect/protocol/Backend"
import { Effect, Exit, Fiber, Latch, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import { forkImmediately } from "./fibers.ts"
import { complete, connect, copyIn, error, manualServer, ready } from "./manualServer.ts"

const empty: Backend.Message = { _tag: "EmptyQueryResponse" }
const bytes = (text: string) => new TextEncoder().encode(text)
const notice: Backend.Message = { _tag: "NoticeResponse", fields: [{ code: "M", value: "by the way" }] }

describe("session", () => {
  it.effect("sends Terminate when it is closed", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const { server } = yield* Scope.provide(connect, scope)
      const closing = yield* forkImmediately(Scope.close(scope, Exit.void))
      yield* server.expect("Terminate")
      yield* server.disconnect
      yield* Fiber.join(closing)
    }).pipe(Effect.provide(manualServer())))

  it.effect("fails a COPY in flight before it sends Terminate", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const { server, session } = yield* Scope.provide(connect, scope)
      const copying = yield* forkImmediately(
        session.copyIn("copy t from stdin", Stream.concat(Stream.make(bytes("x\n")), Stream.never))
      )
      yield* server.expect("Query")
      yield* server.send(copyIn)
      yield* server.expect("CopyData")
      const closing = yield* forkImmediately(Scope.close(scope, Exit.void))
      yield* server.expect("CopyFail", "Terminate")
      yield* server.disconnect
      yield* Fiber.join(closing)
      yield* Effect.flip(Fiber.join(copying))
    }).pipe(Effect.provide(manualServer())))

  it.effect("completes the current message when it is closed", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const { server, session } = yield* Scope.provide(connect, scope)
      const big = new Uint8Array(200_000)
      const copying = yield* forkImmediately(session.copyIn("copy t from stdin", Stream.make(big, big, big)))
      yield* server.expect("Query")
      yield* server.send(copyIn)
      yield* Effect.yieldNow
      const closing = yield* forkImmediately(Scope.close(scope, Exit.void))
      const data = yield* server.expect("CopyData")
      assert.isTrue(data._tag === "CopyData" && data.data.length === big.length)
      yield* server.expect("CopyFail", "Terminate")
      yield* server.disconnect
      yield* Fiber.join(closing)
      yield* Effect.flip(Fiber.join(copying))
    }).pipe(Effect.provide(manualServer({ capacity: 64 }))))

  it.effect("closes in time if the server does not read any more", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const { session } = yield* Scope.provide(connect, scope)
      const query = yield* forkImmediately(session.simple("x".repeat(1000)))
      yield* Effect.yieldNow
      const closing = yield* forkImmediately(Scope.close(scope, Exit.void))
      yield* TestClock.adjust("3 seconds")
      assert.isDefined(closing.pollUnsafe())
      yield* Effect.flip(Fiber.join(query))
    }).pipe(Effect.provide(manualServer({ capacity: 16 }))))

  it.effect("sends the queries of one tick in one write, and routes each response to its query", () =>
    Effect.gen(function*() {
      const { server, session } = yield* connect
      const fibers = yield* Effect.forEach(["a", "b", "c"], (text) => forkImmediately(session.simple(text)))
      const [chunk, ...more] = yield* server.channel.connection.pull
      assert.strictEqual(Buffer.from(chunk).toString("latin1").replaceAll(/[^abcQ]/g, ""), "QaQbQc")
      assert.deepStrictEqual(more, [])
      yield* server.send(complete("ONE"), ready(), error("42601"), ready(), complete("THREE"), ready())
      assert.strictEqual((yield* Fiber.join(fibers[0]!))[0]?.commandTag, "ONE")
      assert.strictEqual((yield* Effect.flip(Fiber.join(fibers[1]!)))._tag, "ServerError")
      assert.strictEqual((yield* Fiber.join(fibers[2]!))[0]?.commandTag, "THREE")
    }).pipe(Effect.scoped, Effect.provide(manualServer())))

  it.effect("accepts notices, settings and notifications at any time", () =>
    Effect.gen(function*() {
      const { server, session } = yield* connect
      const notices = yield* forkImmediately(Stream.runCollect(Stream.take(session.notices, 3)))
      yield* server.send(notice)
      const query = yield* forkImmediately(session.query("select 1"))
      yield* server.expect("Parse", "Describe", "Sync")
      yield* server.send(
        { _tag: "ParameterStatus", name: "TimeZone", value: "Mars" },
        { _tag: "ParseComplete" },
        notice,
        { _tag: "ParameterDescription", parameterTypes: [] },
        { _tag: "NotificationResponse", processId: 1, channel: "c", payload: "p" },
        { _tag: "NoData" },
        ready()
      )
      yield* server.expect("Bind", "Execute", "Sync")
      yield* server.send({ _tag: "BindComplete" }, notice, complete("DONE"), notice, ready())
      assert.strictEqual((yield* Fiber.join(query)).commandTag, "DONE")
      assert.strictEqual(session.parameters().get("TimeZone"), "Mars")
      assert.lengthOf(yield* Fiber.join(notices), 3)
    }).pipe(Effect.scoped, Effect.provide(manualServer())))

  it.effect.each<readonly [name: string, size: number, count: number]>([
    ["names", 1, 1000],
    ["bytes", 20_000, 52]
  ])("keeps up to the limit of %s of settings, and is closed beyond it", ([, size, count]) =>
    Effect.gen(function*() {
      const { server, session } = yield* connect
      const initial = session.parameters().size
      const status = (i: number): Backend.Message => ({
        _tag: "ParameterStatus",
        name: `s${i}`,
        value: "v".repeat(size)
      })
      const most = Array.from({ length: count - initial }, (_, i) => status(i))
      // A setting that is reported again replaces the previous value.
      yield* server.send(...most, ...most)
      const query = yield* forkImmediately(session.execute("select 1"))
      yield* server.expect("Parse")
      assert.strictEqual(session.parameters().size, count)
      yield* server.send(...Array.from({ length: 2 }, (_, i) => status(count + i)))
      const error = yield* Effect.flip(Fiber.join(query))
      assert.isTrue(error._tag === "ProtocolError" && error.reason._tag === "LengthExceeded")
      assert.isAtMost(session.parameters().size, count + 1)
    }).pipe(Effect.provide(manualServer())))

  it.effect("buffers at most one mebibyte of notices for a slow subscriber", () =>
    Effect.gen(function*() {
      const { server, session } = yield* connect
      const gate = yield* Latch.make()
      const sizes: Array<number> = []
      const subscriber = yield* forkImmediately(Stream.runForEach(session.notices, ({ fields }) => {
        sizes.push(fields[0]!.value.length)
        return gate.await
      }))
      for (let i = 0; i < 100; i++) {
        yield* server.send({ _tag: "NoticeResponse", fields: [{ code: "M", value: "n".repeat(100_000 + i) }] })
      }
      yield* server.send({ _tag: "NoticeResponse", fields: [{ code: "M", value: "n".repeat(2_000_000) }] })
      yield* gate.open
      yield* server.disconnect
      yield* Fiber.join(subscriber)
      assert.deepStrictEqual(sizes, [100_000, 2_000_000])
    }).pipe(Effect.provide(manualServer())))

  it.effect("does not report Hyper's keep-alive as a setting", () =>
    Effect.gen(function*() {
      const { server, session } = yield* connect
      const query = yield* forkImmediately(session.query("select 1"))
      const alive: Backend.Message = { _tag: "ParameterStatus", name: "alive", value: "?" }
      yield* server.expect("Parse", "Bind", "Describe", "Execute", "Sync")
      yield* server.send({ _tag: "ParseComplete" }, alive, { _tag: "BindComplete" }, alive, { _tag: "NoData" }, alive)
      yield* server.send(complete("DONE"), ready())
      assert.strictEqual((yield* Fiber.join(query)).commandTag, "DONE")
      assert.isFalse(session.parameters().has("alive"))
    }).pipe(Effect.scoped, Effect.provide(manualServer({ dialect: "hyper" }))))

  it.effect("is closed by an unsolicited error, with which later queries fail", () =>
    Effect.gen(function*() {
      const { server, session } = yield* connect
      yield* server.send(error("57P01", "FATAL"))
      yield* server.disconnect
      for (const _ of [1, 2]) {
        const failure = yield* Effect.flip(session.query("select 1"))
        assert.isTrue(failure._tag === "ServerError" && failure.reason._tag === "AdminShutdown")
        assert.isFalse(failure.isRetryable)
      }
    }).pipe(Effect.scoped, Effect.provide(manualServer())))

  it.effect.each<readonly [name: string, message: Backend.Message]>([
    ["a row", { _tag: "DataRow", columns: [] }],
    ["COPY data", { _tag: "CopyData", data: bytes("x") }],
    ["a BindComplete", { _tag: "BindComplete" }],
    ["an AuthenticationOk", { _tag: "AuthenticationOk" }]
  ])("is closed by %s out of order, which fails all pending queries", ([, message]) =>
    Effect.gen(function*() {
      const { server, session } = yield* connect
      const first = yield* forkImmediately(session.query("select 1"))
      const second = yield* forkImmediately(Stream.runDrain(session.copyOut("copy t to stdout")))
      yield* server.expect("Parse", "Describe", "Sync")
      yield* server.send(message)
      for (const fiber of [first, second]) {
        const failure = yield* Effect.flip(Fiber.join<unknown, { readonly _tag: string }>(fiber))
        assert.strictEqual(failure._tag, "ProtocolError")
      }
      const later = yield* Effect.flip(session.simple("select 1"))
      assert.isTrue(later._tag === "ProtocolError" && later.reason._tag === "MessageUnexpected")
    }).pipe(Effect.scoped, Effect.provide(manualServer())))

  it.effect("ends a COPY into a table that began after its caller was interrupted", () =>
    Effect.gen(function*() {
      const { server, session } = yield* connect
      const copying = yield* forkImmediately(session.copyIn("copy t from stdin", Stream.make(bytes("x\n"))))
      yield* server.expect("Query")
      const interrupting = yield* forkImmediately(Fiber.interrupt(copying))
      yield* server.send(copyIn)
      yield* server.expect("CopyFail")
      yield* server.send(error("57014"), ready())
      yield* Fiber.join(interrupting)
      const query = yield* forkImmediately(session.simple(""))
      yield* server.expect("Query")
      yield* server.send(empty, ready())
      yield* Fiber.join(query)
    }).pipe(Effect.scoped, Effect.provide(manualServer())))
})

describe("COPY into a table", () => {
  it.effect("does not take later messages for data if it is interrupted behind other queries", () =>
    Effect.gen(function*() {
      const { server, session } = yield* connect
      const before = yield* forkImmediately(session.simple("before"))
      const copying = yield* forkImmediately(session.copyIn("copy t from stdin", Stream.never))
      yield* server.expect("Query", "Query")
      yield* Fiber.interrupt(copying)
      const behind = yield* forkImmediately(session.simple("behind"))
      yield* server.expect("CopyFail", "Query")
      yield* server.send(complete("BEFORE"), ready(), copyIn, error("57014"), ready(), complete("BEHIND"), ready())
      assert.strictEqual((yield* Fiber.join(before))[0]?.commandTag, "BEFORE")
      assert.strictEqual((yield* Fiber.join(behind))[0]?.commandTag, "BEHIND")
    }).pipe(Effect.scoped, Effect.provide(manualServer())))

  it.effect("does not read its source while the server does not read", () =>
    Effect.gen(function*() {
      const { server, session } = yield* connect
      let taken = 0
      const source = Stream.range(1, 1000).pipe(
        Stream.rechunk(1),
        Stream.map(() => {
          taken++
          return new Uint8Array(50_000)
        })
      )
      const copying = yield* forkImmediately(session.copyIn("copy t from stdin", source))
      yield* server.expect("Query")
      yield* server.send(copyIn)
      for (let i = 0; i < 1000; i++) yield* Effect.yieldNow
      assert.isAtMost(taken, 2)
      for (let i = 0; i < 1000; i++) yield* server.expect("CopyData")
      yield* server.expect("CopyDone")
      yield* server.send(complete("COPY 7"), ready())
      assert.strictEqual((yield* Fiber.join(copying)).rowCount, 7)
      assert.strictEqual(taken, 1000)
    }).pipe(Effect.scoped, Effect.provide(manualServer({ capacity: 1024 }))))

  it.effect("fails with the server's last error if the server disconnects during the data", () =>
    Effect.gen(function*() {
      const { server, session } = yield* connect
      const chunks = Stream.forever(Stream.make(new Uint8Array(50_000)))
      const copying = yield* forkImmediately(session.copyIn("copy t from stdin", chunks))
      yield* server.expect("Query")
      yield* server.send(copyIn)
      yield* server.expect("CopyData")
      yield* server.send(error("57P01", "FATAL"))
      yield* server.disconnect
      yield* TestClock.adjust("1 second")
      for (const failure of [yield* Effect.flip(Fiber.join(copying)), yield* Effect.flip(session.simple(""))]) {
        assert.isTrue(failure._tag === "ServerError" && failure.reason._tag === "AdminShutdown")
      }
    }).pipe(Effect.scoped, Effect.provide(manualServer({ capacity: 1024 }))))

  it.effect("tells the server why the data ends, without any of the data", () =>
    Effect.gen(function*() {
      const { server, session } = yield* connect
      const failures = [{ _tag: "Broken", secret: "s3cret" }, new Error("s3cret"), "s3cret"]
      for (const failure of failures) {
        const copying = yield* forkImmediately(session.copyIn("copy t from stdin", Stream.fail(failure)))
        yield* server.expect("Query")
        yield* server.send(copyIn)
        const message = yield* server.expect("CopyFail")
        assert.notInclude(JSON.stringify(message), "s3cret")
        yield* server.send(error("57014"), ready())
        assert.strictEqual(yield* Effect.flip(Fiber.join(copying)), failure)
      }
    }).pipe(Effect.scoped, Effect.provide(manualServer())))
})

describe("an unreadable response", () => {
  const frame = (tag: string, ...body: ReadonlyArray<number>) =>
    Uint8Array.of(tag.charCodeAt(0), 0, 0, 0, body.length + 4, ...body)
  const unreadable = {
    "an error that is not UTF-8": [frame("E", 0x53, 0x45, 0, 0x4d, 0xe9, 0, 0)],
    "an error without its terminator": [frame("E", 0x53)],
    "a description that is not UTF-8": [
      frame("T", 0, 1, 0xe9, 0, ...new Array<number>(18).fill(0)),
      frame("D", 0, 1, 0, 0, 0, 1, 0x31),
      frame("C", 0x58, 0)
    ]
  }
  for (const [what, frames] of Object.entries(unreadable)) {
    it.effect(`fails its query and no other: ${what}`, () =>
      Effect.gen(function*() {
        for (const isWhole of [true, false]) {
          const { server, session } = yield* connect
          const first = yield* forkImmediately(Effect.flip(session.simple("first")))
          const second = yield* forkImmediately(session.simple("second"))
          yield* server.expect("Query", "Query")
          const bytes = Buffer.concat(frames)
          const size = isWhole ? bytes.length : 1
          for (let at = 0; at < bytes.length; at += size) {
            yield* server.channel.connection.write(new Uint8Array(bytes.subarray(at, at + size)))
          }
          yield* server.send(ready(), complete("X"), ready())
          const error = yield* Fiber.join(first)
          assert(error._tag === "ProtocolError")
          assert.isFalse(error.isFramingLost)
          yield* Fiber.join(second)
        }
      }).pipe(Effect.scoped, Effect.provide(manualServer())))
  }
})

describe("a connection closed by the server", () => {
  for (const count of [1, 3]) {
    it.effect(`fails ${count} in flight${count === 1 ? "" : ", with a hint at poolers that refuse pipelining"}`, () =>
      Effect.gen(function*() {
        const { server, session } = yield* connect
        const waiting = yield* Effect.forEach(
          Array.from({ length: count }),
          (_, i) => forkImmediately(Effect.flip(session.simple(`select ${i}`)))
        )
        yield* server.expect(...waiting.map(() => "Query" as const))
        yield* server.disconnect
        for (const fiber of waiting) {
          const error = yield* Fiber.join(fiber)
          assert(error._tag === "TransportError" && error.reason._tag === "Closed")
          assert.strictEqual(error.reason.inFlight, count === 1 ? undefined : count)
          assert.strictEqual(error.message.includes("`depth: 1`"), count > 1)
        }
      }).pipe(Effect.scoped, Effect.provide(manualServer())))
  }
})

describe("queries of one tick", () => {
  it.effect("all fail if one of them closes the session after a value that cannot be sent", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const { session } = yield* Scope.provide(connect, scope)
      const closing = yield* forkImmediately(
        Effect.andThen(Effect.flip(session.simple("a\0b")), forkImmediately(Scope.close(scope, Exit.void)))
      )
      const others = yield* Effect.forEach([1, 2], (i) => forkImmediately(session.simple(`select ${i}`)))
      for (const fiber of others) {
        const failure = yield* Effect.flip(Fiber.join(fiber))
        assert.isTrue(failure._tag === "TransportError" && failure.reason._tag === "Closed")
      }
      yield* TestClock.adjust("3 seconds")
      yield* Fiber.join(closing)
    }).pipe(Effect.provide(manualServer())))
})
