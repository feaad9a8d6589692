import { assert, describe, it } from "@effect/vitest"
import { Backend, Frontend } from "@hyperfect/protocol"
import { InMemory, MessageChannel, TransportError } from "@hyperfect/transport"
import { Effect, Exit, Fiber, Scope } from "effect"

const startup = Frontend.StartupMessage.make({ protocolVersion: 196608, parameters: [{ name: "user", value: "me" }] })
const query = (text: string) => Frontend.Query.make({ query: text })
const ready = Backend.ReadyForQuery.make({ status: "I" })

/** A client's and a server's channel over one line. */
const channels = Effect.map(InMemory.pair(), ({ client, server }) => ({
  client: MessageChannel.client(client),
  server: MessageChannel.server(server),
  clientLine: client,
  serverLine: server
}))

describe("MessageChannel", () => {
  it.effect("carries messages both ways, in order", () =>
    Effect.gen(function*() {
      const { client, server } = yield* channels
      yield* client.send(startup, query("a"), query("b"))
      assert.deepStrictEqual(yield* server.receive, startup)
      assert.deepStrictEqual(yield* server.receive, query("a"))
      assert.deepStrictEqual(yield* server.receive, query("b"))
      yield* server.send(Backend.AuthenticationOk.make({}), ready)
      assert.deepStrictEqual(yield* client.receive, Backend.AuthenticationOk.make({}))
      assert.deepStrictEqual(yield* client.receive, ready)
    }))

  it.effect("reads packets without a tag until the StartupMessage, and messages with one behind it", () =>
    Effect.gen(function*() {
      const { client, server } = yield* channels
      // In one write, so that all of it is there before the server has looked at the first packet.
      yield* client.send(Frontend.SSLRequest.make({}), Frontend.GSSENCRequest.make({}), startup, query("x"))
      assert.strictEqual((yield* server.receive)._tag, "SSLRequest")
      assert.strictEqual((yield* server.receive)._tag, "GSSENCRequest")
      assert.strictEqual(server.phase, "startup")
      assert.strictEqual((yield* server.receive)._tag, "StartupMessage")
      assert.strictEqual(server.phase, "password")
      assert.strictEqual((yield* server.receive)._tag, "Query")
    }))

  it.effect("takes a message with the tag p for what the phase says when it is received", () =>
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

  it.effect("hands over what was read ahead, whole frames and a begun one", () =>
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

  it.effect("gives the good messages before a bad one, and fails from there on", () =>
    Effect.gen(function*() {
      const { client, serverLine } = yield* channels
      yield* serverLine.write(Uint8Array.from([...Backend.encodeUnsafe(ready), 0x21, 0, 0, 0, 4]))
      assert.deepStrictEqual(yield* client.receive, ready)
      for (let again = 0; again < 2; again++) {
        const error = yield* Effect.flip(client.receive)
        assert.strictEqual(error.reason._tag, "TagUnknown")
      }
    }))

  it.effect("sends nothing when one of the messages may not be on the wire", () =>
    Effect.gen(function*() {
      const { client, server } = yield* channels
      const error = yield* Effect.flip(client.send(startup, { _tag: "Query", query: "a\0b" }))
      assert.strictEqual(error.reason._tag, "ValueInvalid")
      yield* client.send(startup)
      assert.strictEqual((yield* server.receive)._tag, "StartupMessage")
    }))

  it.effect("loses nothing when a receive is interrupted", () =>
    Effect.gen(function*() {
      const { client, server } = yield* channels
      const waiting = yield* Effect.forkChild(client.receive, { startImmediately: true })
      yield* Fiber.interrupt(waiting)
      yield* server.send(ready)
      assert.deepStrictEqual(yield* client.receive, ready)
    }))

  it.effect("refuses a message over the limit that it was made with", () =>
    Effect.gen(function*() {
      const { client, server } = yield* InMemory.pair()
      const channel = MessageChannel.client(client, { longLimit: 100 })
      yield* server.write(Backend.encodeUnsafe({ _tag: "CopyData", data: new Uint8Array(200) }))
      const error = yield* Effect.flip(channel.receive)
      assert.isFalse(error instanceof TransportError.TransportError)
      assert.strictEqual(error.reason._tag, "LengthExceeded")
    }))
})
