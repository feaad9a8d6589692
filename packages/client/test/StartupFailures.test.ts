/** Servers that disconnect, fall silent or violate the protocol while a session is being opened. */
import { assert, describe, it } from "@effect/vitest"
import * as Account from "@hyperfect/auth/Account"
import * as Authenticate from "@hyperfect/auth/Authenticate"
import * as ScramVerifier from "@hyperfect/auth/ScramVerifier"
import type { ConnectionConfig } from "@hyperfect/client/ConnectionConfig"
import * as Session from "@hyperfect/client/Session"
import type * as Backend from "@hyperfect/protocol/Backend"
import * as ScriptedServer from "@hyperfect/testing/ScriptedServer"
import type { Connection } from "@hyperfect/transport/Connection"
import * as Endpoint from "@hyperfect/transport/Endpoint"
import * as InMemory from "@hyperfect/transport/InMemory"
import * as MessageChannel from "@hyperfect/transport/MessageChannel"
import * as Transport from "@hyperfect/transport/Transport"
import * as TransportError from "@hyperfect/transport/TransportError"
import { Effect, Fiber, Layer, Redacted } from "effect"
import { TestClock } from "effect/testing"

const { disconnect, expect, send, sendBytes } = ScriptedServer

const password = Redacted.make("s3cret")
const config: ConnectionConfig = {
  endpoint: Endpoint.tcp("db", 5432),
  user: "app",
  password,
  sslMode: "disable",
  connectTimeout: 3000
}

const layerScript = (...script: ReadonlyArray<ScriptedServer.Step>) =>
  Layer.merge(ScriptedServer.layer(...script), Authenticate.layerCrypto)

/** A server that authenticates by SCRAM-SHA-256, and answers nothing after the login. */
const layerServer = Layer.unwrap(Effect.gen(function*() {
  const account = Account.scramSha256(yield* ScramVerifier.make(password))
  return InMemory.layer((line) =>
    Authenticate.server(MessageChannel.server(line), {
      account: () => Effect.succeed(account),
      parameters: { server_version: "18.0", TimeZone: "UTC" }
    }).pipe(Effect.ignore, Effect.andThen(Effect.never))
  )
})).pipe(Layer.provideMerge(Authenticate.layerCrypto))

/** A transport whose connections deliver a number of bytes, and then end as `end` does. */
const limitedTransport = (limit: number, end: Connection["pull"], onPull: (bytes: number) => void = () => {}) =>
  Effect.map(Transport.Transport, (transport): Transport.Transport["Service"] => ({
    connect: (endpoint, options) =>
      Effect.map(transport.connect(endpoint, options), (connection) => {
        let left = limit
        return {
          ...connection,
          pull: Effect.suspend(() =>
            left <= 0 ? end : Effect.map(connection.pull, (chunks) => {
              const size = chunks.reduce((sum, chunk) => sum + chunk.length, 0)
              const taken = Buffer.concat(chunks).subarray(0, left)
              left -= size
              onPull(size)
              return [taken] as const
            })
          )
        }
      })
  }))

const closedByPeer = Effect.fail(TransportError.fromReason(new TransportError.Closed({ by: "peer" })))

const openSessionOver = (transport: Effect.Effect<Transport.Transport["Service"], never, Transport.Transport>) =>
  Effect.flatMap(transport, (transport) => Effect.provideService(Session.make(config), Transport.Transport, transport))

/** The number of bytes that the server sends until a session is open. */
const startupBytes = Effect.gen(function*() {
  let total = 0
  yield* openSessionOver(limitedTransport(Infinity, closedByPeer, (bytes) => {
    total += bytes
  })).pipe(Effect.scoped)
  return total
})

const cutPositions = Effect.map(startupBytes, (total) => Array.from({ length: Math.ceil(total / 5) }, (_, i) => i * 5))

describe("Session > startup", () => {
  it.live("fails when the server disconnects, at any byte", () =>
    Effect.gen(function*() {
      for (const limit of yield* cutPositions) {
        const error = yield* Effect.flip(openSessionOver(limitedTransport(limit, closedByPeer))).pipe(
          Effect.timeout("20 seconds"),
          Effect.scoped
        )
        assert.oneOf(error._tag, ["AuthError", "TransportError", "ProtocolError"], `behind ${limit} bytes`)
        if (error._tag === "AuthError") assert.strictEqual(error.reason._tag, "ServerClosed")
        if (error._tag === "ProtocolError") assert.strictEqual(error.reason._tag, "StreamEnded")
        assert.notInclude(`${error.message} ${JSON.stringify(error)}`, "s3cret")
      }
    }).pipe(Effect.provide(layerServer)))

  it.effect("times out when the server falls silent, at any byte", () =>
    Effect.gen(function*() {
      for (const limit of yield* cutPositions) {
        yield* Effect.gen(function*() {
          const opening = yield* Effect.forkChild(Effect.flip(openSessionOver(limitedTransport(limit, Effect.never))), {
            startImmediately: true
          })
          // Everything received has been processed by then, including the hashing of the password.
          yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 5)))
          yield* TestClock.adjust("3 seconds")
          const error = yield* Fiber.join(opening)
          assert.isTrue(
            error._tag === "TransportError" && error.reason._tag === "OpenTimeout" &&
              error.reason.milliseconds === 3000,
            `behind ${limit} bytes`
          )
        }).pipe(Effect.scoped)
      }
    }).pipe(Effect.provide(layerServer)))

  const startup = expect({ _tag: "StartupMessage" })
  const ok: Backend.Message = { _tag: "AuthenticationOk" }
  const row: Backend.Message = { _tag: "DataRow", columns: [] }
  const ready: Backend.Message = { _tag: "ReadyForQuery", status: "I" }
  const parameter: Backend.Message = { _tag: "ParameterStatus", name: "server_version", value: "18.0" }
  const refusal: Backend.Message = {
    _tag: "ErrorResponse",
    fields: [{ code: "S", value: "FATAL" }, { code: "C", value: "53300" }, { code: "M", value: "too many" }]
  }

  it.effect.each<readonly [what: string, steps: ReadonlyArray<ScriptedServer.Step>, error: string]>([
    ["a row in place of an authentication request", [send(row)], "MessageUnexpected"],
    ["ReadyForQuery before authentication", [send(ready)], "MessageUnexpected"],
    ["a row after the authentication", [send(ok, parameter, row)], "MessageUnexpected"],
    ["AuthenticationOk twice", [send(ok, ok)], "MessageUnexpected"],
    ["an unknown message tag", [sendBytes(Uint8Array.of(0x21, 0, 0, 0, 4))], "TagUnknown"],
    ["a message that is too long", [sendBytes(Uint8Array.of(0x52, 0x7f, 0xff, 0xff, 0xff))], "LengthExceeded"],
    ["a message with an invalid length", [sendBytes(Uint8Array.of(0x52, 0, 0, 0, 3))], "LengthInvalid"],
    ["an incomplete message", [sendBytes(Uint8Array.of(0x52, 0, 0, 0, 8, 0)), disconnect], "StreamEnded"],
    ["too_many_connections", [send(refusal), disconnect], "Rejected"],
    ["too_many_connections after authentication", [send(ok, parameter, refusal), disconnect], "Rejected"]
  ])("fails when the server sends %s", ([, steps, wanted]) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Session.make(config))
      assert.isTrue("reason" in error)
      if (!("reason" in error)) return
      assert.strictEqual(error.reason._tag, wanted)
      if (error._tag === "AuthError") assert.isTrue(error.isRetryable)
    }).pipe(Effect.scoped, Effect.provide(layerScript(startup, ...steps))))

  it.effect("handles messages received together with the end of the startup", () =>
    Effect.gen(function*() {
      const session = yield* Session.make({ ...config, password: undefined })
      assert.strictEqual(session.server.version, "18.0")
      assert.strictEqual(session.parameters().get("late"), "yes")
      assert.strictEqual(session.processId, undefined)
      assert.deepStrictEqual((yield* session.simple("")).map(({ commandTag }) => commandTag), [""])
    }).pipe(
      Effect.scoped,
      Effect.provide(layerScript(
        startup,
        send(ok, parameter, ready, { _tag: "ParameterStatus", name: "late", value: "yes" }),
        expect({ _tag: "Query" }),
        send({ _tag: "EmptyQueryResponse" }, ready)
      ))
    ))
})
