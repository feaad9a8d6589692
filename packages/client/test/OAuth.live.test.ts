/** OAuth with PostgreSQL 18, whose validator module is built with a C compiler. */
import { assert, describe, layer } from "@effect/vitest"
import { OAuthFlow } from "@hyperfect/auth"
import * as ConnectionConfig from "@hyperfect/client/ConnectionConfig"
import * as Session from "@hyperfect/client/Session"
import * as NodePlatform from "@hyperfect/node/NodePlatform"
import * as AuthorizationServer from "@hyperfect/testing/AuthorizationServer"
import * as Certificates from "@hyperfect/testing/Certificates"
import * as PostgresServer from "@hyperfect/testing/PostgresServer"
import { Effect, FileSystem, Layer, Redacted } from "effect"
import { execFileSync, spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"

const issuer = "https://id.example"

const hasCompiler = spawnSync("cc", ["--version"]).status === 0

const makeServer = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const directory = yield* fs.makeTempDirectoryScoped()
  const library = `${directory}/validator.so`
  const source = fileURLToPath(new URL("fixtures/validator.c", import.meta.url))
  execFileSync("cc", ["-shared", "-fPIC", "-o", library, source])
  // PostgreSQL may run as another user.
  yield* fs.chmod(directory, 0o755)
  return yield* PostgresServer.make({
    tls: yield* Certificates.selfSigned({ name: "server", hosts: ["127.0.0.1"] }),
    settings: { oauth_validator_libraries: library },
    hba: [`hostssl all app 127.0.0.1/32 oauth issuer="${issuer}" scope="openid db"`],
    setup: ["create role app login"]
  })
})

const layerServer = Layer.effect(PostgresServer.PostgresServer, makeServer).pipe(Layer.provideMerge(NodePlatform.layer))

const config = Effect.map(PostgresServer.PostgresServer, ({ endpoint }): ConnectionConfig.ConnectionConfig => ({
  endpoint,
  user: "app",
  database: "postgres",
  sslMode: "require",
  policy: { methods: ["oauth"] }
}))

const tokenError = (changes: Partial<ConnectionConfig.ConnectionConfig>) =>
  Effect.gen(function*() {
    const error = yield* Effect.flip(Session.make({ ...yield* config, ...changes }))
    assert(error._tag === "AuthError" && error.reason._tag === "TokenRefused", String(error))
    return error.reason
  })

describe.runIf(hasCompiler)("OAuth > PostgreSQL with a validator", () => {
  layer(layerServer, { excludeTestServices: true, timeout: "60 seconds" })("login", (it) => {
    it.effect("accepts a valid token", () =>
      Effect.gen(function*() {
        const session = yield* Session.make({ ...yield* config, token: Redacted.make("token-1") })
        assert.strictEqual(session.authentication, "oauth")
        assert.deepStrictEqual((yield* session.values("select current_user")).rows, [["app"]])
      }))

    it.effect("tells where to get a token when it refuses one", () =>
      Effect.gen(function*() {
        const told = { discoveryUrl: `${issuer}/.well-known/openid-configuration`, scope: "openid db" }
        assert.include(yield* tokenError({ token: Redacted.make("wrong") }), { sent: true, ...told })
        assert.include(yield* tokenError({}), { sent: false, ...told })
      }))

    it.effect("accepts a token from the authorization server that it names", () =>
      Effect.gen(function*() {
        const asking = yield* ConnectionConfig.withTokenProvider(yield* config)
        for (let i = 0; i < 2; i++) yield* Effect.scoped(Session.make(asking))
        const { endpoints, requests } = yield* AuthorizationServer.AuthorizationServer
        const [document, token, ...others] = yield* requests
        assert.deepStrictEqual([document?.url, token?.url, others], [endpoints.document, endpoints.token, []])
        assert.include(token?.form, { client_id: "reports", scope: "openid db" })
      }).pipe(Effect.provide(
        OAuthFlow.layerClientCredentials({ issuer, clientId: "reports", clientSecret: Redacted.make("s3cret") }).pipe(
          Layer.provideMerge(AuthorizationServer.layer({ issuer }))
        )
      )))
  })
})
