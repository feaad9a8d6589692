import { assert, describe, it } from "@effect/vitest"
import { InMemory, TlsNegotiation } from "@hyperfect/transport"
import { Effect, Fiber, Redacted } from "effect"

const options = { verification: "none", serverName: "db.example" } as const
const certificate = "-----BEGIN CERTIFICATE-----\nAQID\n-----END CERTIFICATE-----\n"

/** Starts a negotiation, sends the server's answer, and returns the outcome. */
const negotiate = (answer: Uint8Array) =>
  Effect.gen(function*() {
    const { client, server } = yield* InMemory.pair()
    const negotiation = yield* Effect.forkChild(Effect.flip(TlsNegotiation.start(client, options)), {
      startImmediately: true
    })
    const [request] = yield* server.pull
    assert.deepStrictEqual([...request], [0, 0, 0, 8, 4, 210, 22, 47])
    yield* server.write(answer)
    return yield* Fiber.join(negotiation)
  })

describe("TlsNegotiation", () => {
  it.effect("upgrades the connection if the server accepts", () =>
    Effect.gen(function*() {
      const { client, server } = yield* InMemory.pair()
      const negotiation = yield* Effect.forkChild(TlsNegotiation.start(client, options), { startImmediately: true })
      yield* server.pull
      yield* server.write(Uint8Array.of(0x53))
      yield* server.acceptTls({ certificate, key: Redacted.make("") })
      const info = yield* Fiber.join(negotiation)
      assert.strictEqual(info.protocol, InMemory.tlsProtocol)
      assert.deepStrictEqual(client.tls(), info)
    }))

  for (
    const [what, answer, said, isRetryable] of [
      ["declines", [0x4e], "that it has none", false],
      ["answers with an error", [0x45, 0, 0, 0, 5, 0], "with an error", true],
      ["answers with another byte", [0x58], "with an unknown byte", false],
      // CVE-2021-23222: clear text after the S would be mistaken for data under TLS.
      ["sends more bytes after its S", [0x53, 0x52, 0, 0], "with 4 bytes where one was due", false]
    ] as const
  ) {
    it.effect(`rejects a server that ${what}`, () =>
      Effect.gen(function*() {
        const error = yield* negotiate(Uint8Array.from(answer))
        assert.strictEqual(error.reason._tag, "TlsRefused")
        assert.include(error.message, said)
        assert.strictEqual(error.isRetryable, isRetryable)
      }))
  }

  it.effect("fails with Closed if the server disconnects instead", () =>
    Effect.gen(function*() {
      const { client, server } = yield* InMemory.pair()
      const negotiation = yield* Effect.forkChild(Effect.flip(TlsNegotiation.start(client, options)), {
        startImmediately: true
      })
      yield* server.pull
      yield* server.close
      assert.strictEqual((yield* Fiber.join(negotiation)).reason._tag, "Closed")
    }))

  it.effect("leaves the connection usable without TLS if the server declines", () =>
    Effect.gen(function*() {
      const { client, server } = yield* InMemory.pair()
      const answer = yield* Effect.forkChild(TlsNegotiation.sslRequest(client), { startImmediately: true })
      yield* server.pull
      yield* server.write(Uint8Array.of(0x4e))
      assert.isFalse(yield* Fiber.join(answer))
      yield* client.write(Uint8Array.of(1))
      assert.deepStrictEqual(yield* server.pull, [Uint8Array.of(1)])
    }))

  it.effect("startDirect starts the handshake immediately, and requires the ALPN protocol postgresql", () =>
    Effect.gen(function*() {
      const { client, server } = yield* InMemory.pair()
      const negotiation = yield* Effect.forkChild(Effect.flip(TlsNegotiation.startDirect(client, options)), {
        startImmediately: true
      })
      // In-memory connections do not support ALPN, so this one is upgraded and then rejected.
      yield* server.acceptTls({ certificate, key: Redacted.make("") })
      const error = yield* Fiber.join(negotiation)
      assert.strictEqual(error.reason._tag, "TlsRefused")
      assert.include(error.message, "without agreeing on the protocol postgresql")
    }))
})
