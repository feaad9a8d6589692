/** Sessions on servers that ask for GSSAPI, by a provider of the configuration. */
import { assert, describe, it } from "@effect/vitest"
import { Authenticate, AuthError } from "@hyperfect/auth"
import type { ConnectionConfig } from "@hyperfect/client/ConnectionConfig"
import * as Session from "@hyperfect/client/Session"
import * as Endpoint from "@hyperfect/transport/Endpoint"
import * as InMemory from "@hyperfect/transport/InMemory"
import * as MessageChannel from "@hyperfect/transport/MessageChannel"
import { Effect } from "effect"

/** A server that asks for a token, and lets in whose is its principal. */
const server = InMemory.layer((line) =>
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

const open = (gss: ConnectionConfig["gss"]) =>
  Effect.map(Session.make({ ...config, gss }), (session) => session.authentication).pipe(
    Effect.scoped,
    Effect.provide(server),
    Effect.provide(Authenticate.layerCrypto)
  )

describe("a server that asks for GSSAPI", () => {
  it.effect("lets in by a provider, which knows the server's name", () =>
    Effect.gen(function*() {
      const method = yield* open((endpoint) => () =>
        Effect.succeed(() =>
          Effect.succeed({
            token: Uint8Array.from(Buffer.from(`postgres/${endpoint._tag === "Tcp" ? endpoint.host : ""}`)),
            isComplete: true
          })
        )
      )
      assert.strictEqual(method, "gss")
    }))

  it.effect("is refused without a provider", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(open(undefined))
      assert.strictEqual(error._tag === "AuthError" && error.reason._tag, "MethodUnsupported")
    }))

  it.effect("is not reached when the provider fails, at the beginning or later", () =>
    Effect.gen(function*() {
      const failure = Effect.fail(new AuthError.GssUnavailable({ problem: "the ticket has expired" }))
      for (const gss of [() => () => failure, () => () => Effect.succeed(() => failure)]) {
        const error = yield* Effect.flip(open(gss))
        assert(error._tag === "AuthError" && error.reason._tag === "GssUnavailable")
        assert.strictEqual(error.message, "there is no security context to be had: the ticket has expired")
      }
    }))
})
