/** Sessions on servers that want OAuth tokens, and where those come from. */
import { assert, describe, it } from "@effect/vitest"
import { Authenticate, OAuthFlow } from "@hyperfect/auth"
import * as ConnectionConfig from "@hyperfect/client/ConnectionConfig"
import * as Pool from "@hyperfect/client/Pool"
import * as Session from "@hyperfect/client/Session"
import * as AuthorizationServer from "@hyperfect/testing/AuthorizationServer"
import * as Endpoint from "@hyperfect/transport/Endpoint"
import * as InMemory from "@hyperfect/transport/InMemory"
import * as MessageChannel from "@hyperfect/transport/MessageChannel"
import { Data, Effect, Fiber, Layer, Redacted } from "effect"
import { TestClock } from "effect/testing"

const certificate = {
  certificate: "-----BEGIN CERTIFICATE-----\nAQID\n-----END CERTIFICATE-----\n",
  key: Redacted.make("")
}

/** A database server with TLS that trusts the authorization server, and lets nobody do anything. */
const database = Layer.unwrap(
  Effect.map(AuthorizationServer.AuthorizationServer, ({ account }) =>
    InMemory.layer((line) => {
      const channel = MessageChannel.server(line)
      return Effect.ignore(Effect.andThen(
        Authenticate.server(channel, {
          account: () => Effect.succeed(account),
          acceptTls: line.acceptTls(certificate)
        }),
        Effect.forever(channel.receive)
      ))
    }))
)

const config: ConnectionConfig.ConnectionConfig = {
  endpoint: Endpoint.tcp("server", 5432),
  user: "app",
  sslMode: "require",
  connectTimeout: 5000
}

const issuer = "https://id.example"

const world = (options: AuthorizationServer.Options = {}) =>
  Layer.mergeAll(
    OAuthFlow.layerDevice({ issuer, clientId: "reports", invite: () => Effect.void }),
    database
  ).pipe(
    Layer.provideMerge(AuthorizationServer.layer(options)),
    Layer.provideMerge(Authenticate.layerCrypto)
  )

/** Lets a user take all the time that there is. */
const withTime = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const running = yield* Effect.forkChild(effect, { startImmediately: true })
    yield* TestClock.adjust("1 minute")
    return yield* Fiber.join(running)
  })

const granted = Effect.gen(function*() {
  const server = yield* AuthorizationServer.AuthorizationServer
  return (yield* server.requests).filter(({ url }) => url === server.addresses.token).length
})

describe("a session", () => {
  it.effect("is opened with a token that a user lets us have, however long that takes", () =>
    Effect.gen(function*() {
      const asking = yield* ConnectionConfig.withTokenProvider(config)
      const server = yield* AuthorizationServer.AuthorizationServer
      const opening = yield* Effect.forkChild(Session.make(asking), { startImmediately: true })
      yield* TestClock.adjust("40 seconds")
      yield* server.approve
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* Fiber.join(opening)).authentication, "oauth")
    }).pipe(Effect.provide(world({ isApproved: false }))))

  it.effect("is opened with the same token again, and with another one when that is refused", () =>
    Effect.gen(function*() {
      const asking = yield* ConnectionConfig.withTokenProvider(config)
      for (let i = 0; i < 3; i++) yield* withTime(Session.make(asking))
      assert.strictEqual(yield* granted, 1)
      yield* Effect.flatMap(AuthorizationServer.AuthorizationServer, ({ revoke }) => revoke)
      for (let i = 0; i < 3; i++) yield* withTime(Session.make(asking))
      assert.strictEqual(yield* granted, 2)
    }).pipe(Effect.provide(world())))

  it.effect("is not opened when the user does not agree", () =>
    Effect.gen(function*() {
      const asking = yield* ConnectionConfig.withTokenProvider(config)
      const error = yield* withTime(Effect.flip(Session.make(asking)))
      assert.strictEqual(error.message, "there is no OAuth token to be had: the user has not agreed in time")
    }).pipe(Effect.provide(world({ isApproved: false, codeLifetime: 20 }))))

  it.effect("is opened with a token that a program fetches, which may fail", () =>
    Effect.gen(function*() {
      const { requests } = yield* AuthorizationServer.AuthorizationServer
      class Broken extends Data.TaggedError("Broken")<{ readonly status: number }> {}
      const broken = yield* ConnectionConfig.withToken(config, Effect.fail(new Broken({ status: 500 })))
      const error = yield* Effect.flip(Session.make(broken))
      assert(error._tag === "AuthError" && error.reason._tag === "TokenUnavailable")
      assert.deepStrictEqual(error.reason.cause, new Broken({ status: 500 }))
      const wrong = yield* ConnectionConfig.withToken(config, Effect.succeed(Redacted.make("wrong")))
      const refused = yield* Effect.flip(Session.make(wrong))
      assert.strictEqual(refused._tag === "AuthError" && refused.reason._tag, "TokenRefused")
      assert.deepStrictEqual(yield* requests, [])
    }).pipe(Effect.provide(world())))

  it.effect("sends no token in clear text", () =>
    Effect.gen(function*() {
      const asking = yield* ConnectionConfig.withTokenProvider({ ...config, sslMode: "disable" })
      const error = yield* Effect.flip(Session.make(asking))
      assert.strictEqual(error._tag === "AuthError" && error.reason._tag, "MethodRefused")
      assert.strictEqual(yield* granted, 0)
    }).pipe(Effect.provide(world())))
})

describe("a pool", () => {
  it.effect("opens all its sessions with one token, for which a user is asked once", () =>
    Effect.gen(function*() {
      const pool = yield* withTime(
        Effect.flatMap(ConnectionConfig.withTokenProvider(config), (asking) => Pool.make(asking, { max: 3 }))
      )
      yield* withTime(Effect.scoped(Effect.all([pool.session, pool.session, pool.session], { discard: true })))
      assert.strictEqual(pool.stats().size, 3)
      assert.strictEqual(yield* granted, 1)
    }).pipe(Effect.provide(world())))
})
