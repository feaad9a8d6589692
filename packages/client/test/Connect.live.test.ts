import { assert, describe, layer } from "@effect/vitest"
import * as Client from "@hyperfect/client/Client"
import * as ConnectionConfig from "@hyperfect/client/ConnectionConfig"
import * as Pool from "@hyperfect/client/Pool"
import * as Session from "@hyperfect/client/Session"
import * as Hyperd from "@hyperfect/hyper/Hyperd"
import * as NodePlatform from "@hyperfect/node/NodePlatform"
import * as HyperdServer from "@hyperfect/testing/HyperdServer"
import * as PostgresServer from "@hyperfect/testing/PostgresServer"
import * as Endpoint from "@hyperfect/transport/Endpoint"
import { Cause, Effect, Exit, Layer, Redacted } from "effect"
import { createServer } from "node:net"
import { inspect } from "node:util"
import { describeServers, openSession, openSocketCount, openSocketsAtMost, TestServer } from "./liveServers.ts"

/** The error of a session that cannot be opened. It comes in time, and no socket stays open. */
const connectError = Effect.fnUntraced(function*(config: ConnectionConfig.ConnectionConfig) {
  const before = yield* openSocketCount
  const error = yield* Effect.flip(Session.make(config)).pipe(Effect.timeout("20 seconds"))
  yield* openSocketsAtMost(before)
  assert.notInclude(`${error.message} ${JSON.stringify(error)}`, "wrong password")
  return error
})

const withPassword = (text: string) => ({ password: Redacted.make(text) })

describeServers({
  both(it) {
    it.effect("a session knows the server's kind and version, and the settings that it reports", () =>
      Effect.gen(function*() {
        const session = yield* openSession({ applicationName: "a test" })
        const { kind } = yield* TestServer
        assert.strictEqual(session.server.kind, kind)
        assert.match(session.server.version, kind === "hyper" ? /^main\./ : /^18\./)
        assert.strictEqual(session.authentication, "scram-sha-256")
        assert.strictEqual(session.parameters().get("server_encoding"), "UTF8")
        assert.strictEqual(session.parameters().get("application_name"), "a test")
        assert.isNumber(session.processId)
        assert.strictEqual(session.tls, undefined)
        assert.strictEqual(session.transactionStatus(), "I")
      }))

    it.effect("a session opens from a URI, and as a layer", () =>
      Effect.gen(function*() {
        const { config } = yield* TestServer
        const secret = Redacted.value(config.password as Redacted.Redacted<string>)
        const uri = `postgresql://${config.user}:${secret}@${Endpoint.format(config.endpoint)}/app?sslmode=disable`
        const session = yield* Effect.flatMap(ConnectionConfig.fromUri(uri), Session.make)
        assert.deepStrictEqual((yield* session.values("select 1")).rows, [[1]])
        const answer = Effect.flatMap(Client.Client, (client) => client.values("select 2"))
        for (const client of [Client.layerUri(uri), Client.layer(config)]) {
          assert.deepStrictEqual((yield* Effect.provide(answer, client)).rows, [[2]])
        }
      }))

    it.effect("a session takes settings from the startup options", () =>
      Effect.gen(function*() {
        const session = yield* openSession({ options: "-c DateStyle=DMY" })
        assert.match(String((yield* session.values("show DateStyle")).rows[0]?.[0]), /DMY/)
      }))

    it.effect("the password is read when the server requests it, each time again", () =>
      Effect.gen(function*() {
        const { config } = yield* TestServer
        const secret = config.password as Redacted.Redacted<string>
        let asked = 0
        const rotating = Effect.sync(() => {
          asked++
          return secret
        })
        for (const times of [1, 2]) {
          const session = yield* Session.make({ ...config, password: rotating })
          assert.deepStrictEqual((yield* session.values("select 1")).rows, [[1]])
          assert.strictEqual(asked, times)
        }
      }))

    it.effect("an error tells which of user, password or database is wrong", () =>
      Effect.gen(function*() {
        const { config, kind } = yield* TestServer
        const wrong = yield* connectError({ ...config, ...withPassword("wrong password") })
        assert.isTrue(
          wrong._tag === "AuthError" && wrong.reason._tag === "Rejected" &&
            wrong.reason.sqlState === (kind === "hyper" ? "42501" : "28P01")
        )
        const unknown = yield* connectError({ ...config, user: "nobody", ...withPassword("wrong password") })
        assert.isTrue(
          unknown._tag === "AuthError" && unknown.reason._tag === "Rejected" && unknown.reason.user === "nobody"
        )
        const none = yield* connectError({ ...config, password: undefined })
        assert.isTrue(none._tag === "AuthError" && none.reason._tag === "PasswordMissing")
        const missing = yield* connectError({ ...config, database: "no_such_database" })
        assert.isTrue(
          missing._tag === "AuthError" && missing.reason._tag === "DatabaseMissing" &&
            missing.reason.database === "no_such_database"
        )
        const option = yield* connectError({ ...config, options: "-c no_such_setting=1" })
        assert.isTrue(option._tag === "AuthError" && option.reason._tag === "Rejected")
        for (const error of [wrong, unknown, none, missing, option]) {
          assert.isFalse(error._tag === "AuthError" && error.isRetryable)
        }
      }))

    it.effect("a secret that is not Redacted is refused, and never printed", () =>
      Effect.gen(function*() {
        const { config } = yield* TestServer
        const secret = "wrong password"
        for (const key of ["password", "token", "key", "keyPassword"]) {
          const error = yield* connectError({ ...config, [key]: secret })
          assert.deepInclude(error, { _tag: "ConnectionConfigError", setting: key, kind: "invalid" })
          const pooled = Effect.flatMap(Pool.make({ ...config, [key]: secret }), (pool) => pool.query("select 1"))
          const exit = yield* Effect.exit(Effect.scoped(pooled))
          assert.isTrue(Exit.isFailure(exit) && Cause.hasFails(exit.cause))
          assert.notInclude(`${inspect(exit, { depth: 9 })} ${String(exit)}`, secret)
        }
        for (const password of [Effect.succeed(secret), () => secret]) {
          const error = yield* connectError(
            typeof password === "function"
              ? { ...config, passwordOf: password as never }
              : { ...config, password: password as never }
          )
          assert.isTrue(error._tag === "AuthError" && error.reason._tag === "PasswordInvalid")
        }
      }))

    it.effect("a name that cannot be sent is refused, and a method that the policy does not allow", () =>
      Effect.gen(function*() {
        const { config } = yield* TestServer
        const nul = yield* connectError({ ...config, user: "a\0b" })
        assert.strictEqual(nul._tag, "ProtocolError")
        const policy = yield* connectError({ ...config, policy: { methods: ["md5"] } })
        assert.isTrue(policy._tag === "AuthError" && policy.reason._tag === "MethodRefused")
      }))

    it.effect("no socket stays open if opening is interrupted at any moment", () =>
      Effect.gen(function*() {
        const before = yield* openSocketCount
        for (const milliseconds of [0, 1, 2, 3, 5, 8, 12]) {
          yield* Effect.timeoutOption(Effect.scoped(openSession()), milliseconds)
        }
        yield* openSocketsAtMost(before)
        yield* openSession()
      }))
  }
})

const layerTrust = Layer.mergeAll(
  PostgresServer.layer({ authentication: "trust", databases: ["app"] }),
  HyperdServer.layer({ authentication: "trust", listen: ["tcp", "unix"] })
).pipe(Layer.provideMerge(NodePlatform.layer))

describe("opening a session", () => {
  layer(layerTrust, { excludeTestServices: true, timeout: "60 seconds" })((it) => {
    it.effect("succeeds without a password over TCP and a Unix socket on a server with trust authentication", () =>
      Effect.gen(function*() {
        const { database, endpoint, socket, user } = yield* PostgresServer.PostgresServer
        const hyperd = yield* Hyperd.Hyperd
        const configs: ReadonlyArray<ConnectionConfig.ConnectionConfig> = [
          { endpoint, user, database },
          { endpoint: socket, user, database },
          ...hyperd.endpoints.map((endpoint) => ({ endpoint, user: hyperd.user }))
        ]
        for (const config of configs) {
          const session = yield* Session.make(config)
          assert.strictEqual(session.authentication, "trust")
          assert.deepStrictEqual((yield* session.values("select 1")).rows, [[1]])
        }
        const uri = `postgresql://${user}@/app?host=${
          encodeURIComponent(socket.path.replace(/\/[^/]*$/, ""))
        }&port=${endpoint.port}`
        const session = yield* Effect.flatMap(ConnectionConfig.fromUri(uri), Session.make)
        assert.deepStrictEqual((yield* session.values("select current_database()")).rows, [["app"]])
      }))

    it.effect("fails on a server with trust authentication if the policy requires a proof", () =>
      Effect.gen(function*() {
        const { endpoint, user } = yield* Hyperd.Hyperd
        const error = yield* connectError({
          endpoint,
          user,
          ...withPassword("x"),
          policy: { methods: ["scram-sha-256"] }
        })
        assert.isTrue(error._tag === "AuthError" && error.reason._tag === "MethodRefused")
      }))

    it.effect("fails if no server listens at the endpoint", () =>
      Effect.gen(function*() {
        const { user } = yield* PostgresServer.PostgresServer
        const nobody = yield* connectError({ endpoint: Endpoint.tcp("127.0.0.1", 1), user })
        assert.isTrue(
          nobody._tag === "TransportError" && nobody.reason._tag === "OpenFailed" &&
            nobody.reason.code === "ECONNREFUSED"
        )
        assert.include(nobody.message, "127.0.0.1:1")
        const nowhere = yield* connectError({ endpoint: Endpoint.unix("/nowhere/at/all"), user })
        assert.isTrue(nowhere._tag === "TransportError" && nowhere.reason._tag === "OpenFailed")
      }))

    it.effect("times out if the server does not answer", () =>
      Effect.gen(function*() {
        const silent = yield* Effect.acquireRelease(
          Effect.callback<{ readonly port: number; readonly close: () => void }>((resume) => {
            const server = createServer(() => {}).listen(0, "127.0.0.1", () => {
              const address = server.address()
              const port = typeof address === "object" && address !== null ? address.port : 0
              resume(Effect.succeed({ port, close: () => server.close() }))
            })
          }),
          ({ close }) => Effect.sync(close)
        )
        const error = yield* Effect.flip(
          Session.make({ endpoint: Endpoint.tcp("127.0.0.1", silent.port), user: "app", connectTimeout: 100 })
        )
        assert.isTrue(
          error._tag === "TransportError" && error.reason._tag === "OpenTimeout" && error.reason.milliseconds === 100
        )
        assert.isTrue(error._tag === "TransportError" && error.isRetryable)
      }))
  })
})
