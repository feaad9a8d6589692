import { assert, describe, it } from "@effect/vitest"
import { Backend, Frontend } from "@hyperfect/protocol"
import { InMemory, MessageChannel, TransportError } from "@hyperfect/transport"
import { Effect, Exit, Fiber, Scope } from "effect"

const startup = Frontend.StartupMessage.make({ protocolVersion: 196608, parameters: [{ name: "user", value: "me" }] })
const query = (text: string) => Frontend.Query.make({ query: text })
const ready = Backend.ReadyForQuery.make({ status: "I" })

/** A client's and a server's channel over one connection. */
const channels = Effect.map(InMemory.pair(), ({ client, server }) => ({
  client: MessageChannel.client(client),
  server: MessageChannel.server(server),
  clientLine: client,
  serverLine: server
}))

describe("MessageChannel", () => {
  it.effect("carries messages in both directions, in order", () =>
    Effect.gen(function*() {
      const { client, server } = yield* channels
      yield* client.send(startup, query("a"), query("b"))
      assert.deepStrictEqual(yield* server.receive, startup)
      yield* server.send(Backend.AuthenticationOk.make({}), ready)
      assert.deepStrictEqual(yield* server.receive, query("a"))
      assert.deepStrictEqual(yield* server.receive, query("b"))
      assert.deepStrictEqual(yield* client.receive, Backend.AuthenticationOk.make({}))
      assert.deepStrictEqual(yield* client.receive, ready)
    }))

  it.effect("reads packets without a tag up to the StartupMessage, and messages with a tag after it", () =>
    Effect.gen(function*() {
      const { client, server } = yield* channels
      // In one write, so that all of it has arrived before the server reads the first packet.
      yield* client.send(Frontend.SSLRequest.make({}), Frontend.GSSENCRequest.make({}), startup, query("x"))
      assert.strictEqual((yield* server.receive)._tag, "SSLRequest")
      assert.strictEqual((yield* server.receive)._tag, "GSSENCRequest")
      assert.strictEqual(server.phase, "startup")
      assert.strictEqual((yield* server.receive)._tag, "StartupMessage")
      assert.strictEqual(server.phase, "password")
      server.phase = "session"
      assert.strictEqual((yield* server.receive)._tag, "Query")
    }))

  it.effect("follows the login by the messages that the server sends", () =>
    Effect.gen(function*() {
      const { server } = yield* channels
      const data = new Uint8Array(0)
      const steps: ReadonlyArray<readonly [Backend.Message, Frontend.Phase]> = [
        [{ _tag: "NoticeResponse", fields: [] }, "startup"],
        [{ _tag: "AuthenticationCleartextPassword" }, "password"],
        [{ _tag: "AuthenticationSASL", mechanisms: ["SCRAM-SHA-256"] }, "sasl-initial"],
        [{ _tag: "AuthenticationSASLContinue", data }, "sasl"],
        [{ _tag: "AuthenticationSASLFinal", data }, "sasl"],
        [{ _tag: "AuthenticationGSS" }, "gss"],
        [{ _tag: "AuthenticationMD5Password", salt: new Uint8Array(4) }, "password"],
        [{ _tag: "AuthenticationOk" }, "session"]
      ]
      for (const [message, phase] of steps) {
        yield* server.send(message)
        assert.strictEqual(server.phase, phase)
      }
    }))

  it.effect("interprets a message with the tag p by the phase at the time of the receive", () =>
    Effect.gen(function*() {
      const { client, server } = yield* channels
      const initial = Frontend.SASLInitialResponse.make({ mechanism: "SCRAM-SHA-256", data: Uint8Array.of(1, 2) })
      const response = Frontend.SASLResponse.make({ data: Uint8Array.of(3) })
      const password = Frontend.PasswordMessage.make({ password: "pw" })
      yield* client.send(startup, initial, response, password)
      yield* server.receive
      server.phase = "sasl-initial"
      assert.deepStrictEqual(yield* server.receive, initial)
      server.phase = "sasl"
      assert.deepStrictEqual(yield* server.receive, response)
      server.phase = "password"
      assert.deepStrictEqual(yield* server.receive, password)
    }))

  it.effect("release returns the bytes read ahead, both whole frames and an incomplete one", () =>
    Effect.gen(function*() {
      const { client, serverLine } = yield* channels
      const [first, second] = [ready, Backend.ParameterStatus.make({ name: "a", value: "b" })].map(Backend.encodeUnsafe)
      yield* serverLine.write(Uint8Array.from([...first!, ...second!, ...second!.subarray(0, 7)]))
      assert.deepStrictEqual(yield* client.receive, ready)
      const rest = client.release().flatMap((bytes) => [...bytes])
      assert.deepStrictEqual(rest, [...second!, ...second!.subarray(0, 7)])
      assert.deepStrictEqual(client.release(), [])
    }))

  it.effect("fails with Closed at an end between messages, and with StreamEnded inside one", () =>
    Effect.gen(function*() {
      for (const cut of [0, 3]) {
        const scope = yield* Scope.make()
        const { client, serverLine } = yield* Effect.provideService(channels, Scope.Scope, scope)
        const receiving = yield* Effect.forkChild(Effect.flip(client.receive), { startImmediately: true })
        yield* serverLine.write(Backend.encodeUnsafe(ready).slice(0, cut))
        yield* serverLine.close
        const error = yield* Fiber.join(receiving)
        assert.strictEqual(error._tag, cut === 0 ? "TransportError" : "ProtocolError")
        assert.strictEqual(error.reason._tag, cut === 0 ? "Closed" : "StreamEnded")
        yield* Scope.close(scope, Exit.void)
      }
    }))

  it.effect("returns the valid messages before an invalid one, and fails from there on", () =>
    Effect.gen(function*() {
      const { client, serverLine } = yield* channels
      yield* serverLine.write(Uint8Array.from([...Backend.encodeUnsafe(ready), 0x21, 0, 0, 0, 4]))
      assert.deepStrictEqual(yield* client.receive, ready)
      for (let again = 0; again < 2; again++) {
        const error = yield* Effect.flip(client.receive)
        assert.strictEqual(error.reason._tag, "TagUnknown")
      }
    }))

  /** A message with an invalid field, and a valid one. */
  const malformed = Uint8Array.of(0x5a, 0, 0, 0, 5, 0x58)
  const chunksOf = (bytes: Uint8Array, size: number) =>
    Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size))

  it.effect("continues after a message that cannot be decoded, however the bytes are split", () =>
    Effect.gen(function*() {
      const good = Backend.encodeUnsafe(ready)
      const all = Uint8Array.from([...malformed, ...good, ...malformed, ...malformed, ...good])
      for (let size = 1; size <= all.length; size++) {
        const { client, serverLine } = yield* channels
        for (const chunk of chunksOf(all, size)) yield* serverLine.write(chunk)
        const heard: Array<string> = []
        for (let i = 0; i < 5; i++) {
          heard.push(
            yield* Effect.match(client.receive, {
              onSuccess: ({ _tag }) => _tag,
              onFailure: (error) => `${error.reason._tag} ${error._tag === "ProtocolError" && error.isFramingLost}`
            })
          )
        }
        assert.deepStrictEqual(heard, [
          "ValueInvalid false",
          "ReadyForQuery",
          "ValueInvalid false",
          "ValueInvalid false",
          "ReadyForQuery"
        ])
      }
    }))

  it.effect("fails permanently once framing is lost, however the bytes are split", () =>
    Effect.gen(function*() {
      const good = Backend.encodeUnsafe(ready)
      const all = Uint8Array.from([...good, 0x5a, 0, 0, 0, 3, ...good, ...good])
      for (let size = 1; size <= all.length; size++) {
        const { client, serverLine } = yield* channels
        for (const chunk of chunksOf(all, size)) yield* serverLine.write(chunk)
        assert.deepStrictEqual(yield* client.receive, ready)
        for (let again = 0; again < 3; again++) {
          const error = yield* Effect.flip(client.receive)
          assert(error._tag === "ProtocolError" && error.isFramingLost)
        }
      }
    }))

  it.effect("receives in batches what was sent in batches, and nothing twice", () =>
    Effect.gen(function*() {
      const { client, server } = yield* channels
      server.phase = "session"
      const texts = Array.from({ length: 200_000 }, (_, i) => query(String(i)))
      yield* Effect.forkChild(client.sendAll(texts))
      const received: Array<Frontend.Message> = []
      let batches = 0
      while (received.length < texts.length) {
        if (batches++ === 0) received.push(yield* server.receive)
        else for (const message of yield* server.receiveAll) received.push(message)
      }
      assert.isBelow(batches, texts.length / 10)
      assert.isTrue(received.every((message, i) => message._tag === "Query" && message.query === String(i)))
    }))

  it.effect("receives a login in batches of one message, and what was sent ahead after it", () =>
    Effect.gen(function*() {
      const { client, server } = yield* channels
      yield* client.send(startup, Frontend.PasswordMessage.make({ password: "pw" }), query("a"), query("b"))
      assert.deepStrictEqual(yield* server.receiveAll, [startup])
      assert.strictEqual((yield* server.receiveAll).length, 1)
      yield* server.send(Backend.AuthenticationOk.make({}))
      assert.deepStrictEqual(yield* server.receiveAll, [query("a"), query("b")])
    }))

  it.effect("receives in a batch what precedes a message that cannot be decoded, and continues after it", () =>
    Effect.gen(function*() {
      const good = Backend.encodeUnsafe(ready)
      const all = Uint8Array.from([...good, ...good, ...malformed, ...malformed, ...good, 0x5a, 0, 0, 0, 3])
      for (let size = 1; size <= all.length; size++) {
        const { client, serverLine } = yield* channels
        for (const chunk of chunksOf(all, size)) yield* serverLine.write(chunk)
        const heard: Array<string> = []
        while (heard.at(-1) !== "LengthInvalid") {
          const batch = Effect.match(client.receiveAll, {
            onSuccess: (messages) => messages.map(({ _tag }) => _tag as string),
            onFailure: (error) => [error.reason._tag as string]
          })
          heard.push(...yield* batch)
        }
        assert.deepStrictEqual(heard, [
          "ReadyForQuery",
          "ReadyForQuery",
          "ValueInvalid",
          "ValueInvalid",
          "ReadyForQuery",
          "LengthInvalid"
        ])
      }
    }))

  it.effect("release returns a batch that was not received", () =>
    Effect.gen(function*() {
      const { client, serverLine } = yield* channels
      const good = Backend.encodeUnsafe(ready)
      yield* serverLine.write(Uint8Array.from([...good, ...malformed, ...good]))
      assert.deepStrictEqual(yield* client.receiveAll, [ready])
      assert.deepStrictEqual(client.release().flatMap((bytes) => [...bytes]), [...malformed, ...good])
      yield* serverLine.write(good)
      assert.deepStrictEqual(yield* client.receiveAll, [ready])
    }))

  it.effect("sends nothing if one of the messages is invalid", () =>
    Effect.gen(function*() {
      const { client, server } = yield* channels
      const error = yield* Effect.flip(client.send(startup, { _tag: "Query", query: "a\0b" }))
      assert.strictEqual(error.reason._tag, "ValueInvalid")
      yield* client.send(startup)
      assert.strictEqual((yield* server.receive)._tag, "StartupMessage")
    }))

  it.effect("loses nothing if a receive is interrupted", () =>
    Effect.gen(function*() {
      const { client, server } = yield* channels
      const waiting = yield* Effect.forkChild(client.receive, { startImmediately: true })
      yield* Fiber.interrupt(waiting)
      yield* server.send(ready)
      assert.deepStrictEqual(yield* client.receive, ready)
    }))

  it.effect("rejects a message over its configured limit", () =>
    Effect.gen(function*() {
      const { client, server } = yield* InMemory.pair()
      const channel = MessageChannel.client(client, { longLimit: 100 })
      yield* server.write(Backend.encodeUnsafe({ _tag: "CopyData", data: new Uint8Array(200) }))
      const error = yield* Effect.flip(channel.receive)
      assert.isFalse(error instanceof TransportError.TransportError)
      assert.strictEqual(error.reason._tag, "LengthExceeded")
    }))
})
