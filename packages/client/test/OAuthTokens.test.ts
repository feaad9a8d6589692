/** Sessions on servers that require OAuth tokens, and the sources of tokens. */
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

/** A database server with TLS that trusts the authorization server, and gives no access to data. */
const layerDatabase = Layer.unwrap(
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

const layerOAuth = (options: AuthorizationServer.Options = {}) =>
  Layer.mergeAll(
    OAuthFlow.layerDevice({ issuer, clientId: "reports", prompt: () => Effect.void }),
    layerDatabase
  ).pipe(
    Layer.provideMerge(AuthorizationServer.layer(options)),
    Layer.provideMerge(Authenticate.layerCrypto)
  )

/** Advances the clock while an effect runs, so that a user can take any time. */
const advanceClock = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const running = yield* Effect.forkChild(effect, { startImmediately: true })
    yield* TestClock.adjust("1 minute")
    return yield* Fiber.join(running)
  })

const tokenRequestCount = Effect.gen(function*() {
  const server = yield* AuthorizationServer.AuthorizationServer
  return (yield* server.requests).filter(({ url }) => url === server.endpoints.token).length
})

describe("OAuth tokens > session", () => {
  it.effect("is opened with a token that a user approves, however long that takes", () =>
    Effect.gen(function*() {
      const asking = yield* ConnectionConfig.withTokenProvider(config)
      const server = yield* AuthorizationServer.AuthorizationServer
      const opening = yield* Effect.forkChild(Session.make(asking), { startImmediately: true })
      yield* TestClock.adjust("40 seconds")
      yield* server.approve
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* Fiber.join(opening)).authentication, "oauth")
    }).pipe(Effect.provide(layerOAuth({ autoApprove: false }))))

  it.effect("reuses a token, and gets another one when it is refused", () =>
    Effect.gen(function*() {
      const asking = yield* ConnectionConfig.withTokenProvider(config)
      for (let i = 0; i < 3; i++) yield* advanceClock(Session.make(asking))
      assert.strictEqual(yield* tokenRequestCount, 1)
      yield* Effect.flatMap(AuthorizationServer.AuthorizationServer, ({ revoke }) => revoke)
      for (let i = 0; i < 3; i++) yield* advanceClock(Session.make(asking))
      assert.strictEqual(yield* tokenRequestCount, 2)
    }).pipe(Effect.provide(layerOAuth())))

  it.effect("is not opened when the user does not approve in time", () =>
    Effect.gen(function*() {
      const asking = yield* ConnectionConfig.withTokenProvider(config)
      const error = yield* advanceClock(Effect.flip(Session.make(asking)))
      assert.strictEqual(error.message, "could not obtain an OAuth token: the user has not agreed in time")
    }).pipe(Effect.provide(layerOAuth({ autoApprove: false, codeLifetime: 20 }))))

  it.effect("is opened with a token from an effect, which may fail", () =>
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
    }).pipe(Effect.provide(layerOAuth())))

  it.effect("sends no token without TLS", () =>
    Effect.gen(function*() {
      const asking = yield* ConnectionConfig.withTokenProvider({ ...config, sslMode: "disable" })
      const error = yield* Effect.flip(Session.make(asking))
      assert.strictEqual(error._tag === "AuthError" && error.reason._tag, "MethodRefused")
      assert.strictEqual(yield* tokenRequestCount, 0)
    }).pipe(Effect.provide(layerOAuth())))
})

describe("OAuth tokens > connection string", () => {
  const text = `host=server user=app sslmode=require oauth_issuer=${issuer} oauth_client_id=reports ` +
    "oauth_client_secret=s3cret oauth_scope=openid"

  it.effect("gets a token that the user authorizes, once for all sessions", () =>
    Effect.gen(function*() {
      const prompts: Array<string> = []
      const config = yield* Effect.flatMap(
        ConnectionConfig.fromString(text),
        (config) =>
          ConnectionConfig.withDeviceFlow(config, ({ verificationUri }) =>
            Effect.sync(() => prompts.push(verificationUri)))
      )
      const pool = yield* advanceClock(Pool.make(config, { max: 3 }))
      yield* advanceClock(Effect.scoped(Effect.all([pool.session, pool.session], { discard: true })))
      assert.strictEqual(pool.authentication, "oauth")
      assert.lengthOf(prompts, 1)
      const { requests } = yield* AuthorizationServer.AuthorizationServer
      // After the discovery document.
      assert.include((yield* requests)[1]!.form, { scope: "openid" })
      assert.notInclude(JSON.stringify(config), "s3cret")
    }).pipe(Effect.provide(layerOAuth())))

  it.effect("is refused without the flow, and unchanged by it without settings", () =>
    Effect.gen(function*() {
      const configured = yield* ConnectionConfig.fromString(text)
      const error = yield* Effect.flip(Session.make(configured))
      assert.deepInclude(error, { _tag: "ConnectionConfigError", setting: "oauth_issuer" })
      assert.strictEqual(yield* ConnectionConfig.withDeviceFlow(config), config)
    }).pipe(Effect.provide(layerOAuth())))
})

describe("OAuth tokens > pool", () => {
  it.effect("opens all its sessions with one token, for which the user is asked once", () =>
    Effect.gen(function*() {
      const pool = yield* advanceClock(
        Effect.flatMap(ConnectionConfig.withTokenProvider(config), (asking) => Pool.make(asking, { max: 3 }))
      )
      yield* advanceClock(Effect.scoped(Effect.all([pool.session, pool.session, pool.session], { discard: true })))
      assert.strictEqual(pool.stats().size, 3)
      assert.strictEqual(yield* tokenRequestCount, 1)
    }).pipe(Effect.provide(layerOAuth())))
})
