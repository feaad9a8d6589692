/** Sessions on servers that request GSSAPI, with a provider in the configuration. */
import { assert, describe, it } from "@effect/vitest"
import { Authenticate, AuthError } from "@hyperfect/auth"
import type { ConnectionConfig } from "@hyperfect/client/ConnectionConfig"
import * as Session from "@hyperfect/client/Session"
import * as Endpoint from "@hyperfect/transport/Endpoint"
import * as InMemory from "@hyperfect/transport/InMemory"
import * as MessageChannel from "@hyperfect/transport/MessageChannel"
import { Effect } from "effect"

/** A server that requests a token, and accepts one that names its own principal. */
const layerServer = InMemory.layer((line) =>
  Effect.gen(function*() {
    const channel = MessageChannel.server(line)
    yield* channel.receive
    channel.phase = "gss"
    yield* channel.send({ _tag: "AuthenticationGSS" })
    const message = yield* channel.receive
    assert(message._tag === "GSSResponse")
    assert.strictEqual(Buffer.from(message.data).toString(), "postgres/db.example")
    yield* channel.send({ _tag: "AuthenticationOk" }, { _tag: "ReadyForQuery", status: "I" })
    yield* channel.receive
  }).pipe(Effect.ignore)
)

const config: ConnectionConfig = { endpoint: Endpoint.tcp("db.example", 5432), user: "app", sslMode: "disable" }

const authenticate = (gss: ConnectionConfig["gss"]) =>
  Effect.map(Session.make({ ...config, gss }), (session) => session.authentication).pipe(
    Effect.scoped,
    Effect.provide(layerServer),
    Effect.provide(Authenticate.layerCrypto)
  )

describe("GSSAPI", () => {
  it.effect("opens a session with the token of a provider, which knows the server's name", () =>
    Effect.gen(function*() {
      const method = yield* authenticate((endpoint) => () =>
        Effect.succeed(() =>
          Effect.succeed({
            token: Uint8Array.from(Buffer.from(`postgres/${endpoint._tag === "Tcp" ? endpoint.host : ""}`)),
            isComplete: true
          })
        )
      )
      assert.strictEqual(method, "gss")
    }))

  it.effect("fails without a provider", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(authenticate(undefined))
      assert.strictEqual(error._tag === "AuthError" && error.reason._tag, "MethodUnsupported")
    }))

  it.effect("fails if the provider fails, at the start or later", () =>
    Effect.gen(function*() {
      const failure = Effect.fail(new AuthError.GssUnavailable({ problem: "the ticket has expired" }))
      for (const gss of [() => () => failure, () => () => Effect.succeed(() => failure)]) {
        const error = yield* Effect.flip(authenticate(gss))
        assert(error._tag === "AuthError" && error.reason._tag === "GssUnavailable")
        assert.strictEqual(error.message, "could not establish a security context: the ticket has expired")
      }
    }))
})
