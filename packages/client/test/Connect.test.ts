import { assert, describe, layer } from "@effect/vitest"
import * as Client from "@hyperfect/client/Client"
import * as ConnectionConfig from "@hyperfect/client/ConnectionConfig"
import * as Session from "@hyperfect/client/Session"
import * as Hyperd from "@hyperfect/hyper/Hyperd"
import * as NodePlatform from "@hyperfect/node/NodePlatform"
import * as HyperdServer from "@hyperfect/testing/HyperdServer"
import * as PostgresServer from "@hyperfect/testing/PostgresServer"
import * as Endpoint from "@hyperfect/transport/Endpoint"
import { Effect, Layer, Redacted } from "effect"
import { createServer } from "node:net"
import { open, servers, sockets, Target } from "./servers.ts"

/** The error of a session that cannot be opened, in time and without a socket that stays open. */
const refusal = Effect.fnUntraced(function*(config: ConnectionConfig.ConnectionConfig) {
  const before = yield* sockets
  const error = yield* Effect.flip(Session.make(config)).pipe(Effect.timeout("5 seconds"))
  yield* Effect.sleep("20 millis")
  assert.isAtMost(yield* sockets, before)
  assert.notInclude(`${error.message} ${JSON.stringify(error)}`, "wrong password")
  return error
})

const password = (text: string) => ({ password: Redacted.make(text) })

servers({
  both(it) {
    it.effect("tells who the server is, and what it reports", () =>
      Effect.gen(function*() {
        const session = yield* open({ applicationName: "a test" })
        const { kind } = yield* Target
        assert.strictEqual(session.server.kind, kind)
        assert.match(session.server.version, kind === "hyper" ? /^main\./ : /^18\./)
        assert.strictEqual(session.authentication, "scram-sha-256")
        assert.strictEqual(session.parameters().get("server_encoding"), "UTF8")
        assert.strictEqual(session.parameters().get("application_name"), "a test")
        assert.isNumber(session.processId)
        assert.strictEqual(session.tls, undefined)
        assert.strictEqual(session.transactionStatus(), "I")
      }))

    it.effect("is opened by a URI, and as a layer", () =>
      Effect.gen(function*() {
        const { config } = yield* Target
        const secret = Redacted.value(config.password as Redacted.Redacted<string>)
        const uri = `postgresql://${config.user}:${secret}@${Endpoint.format(config.endpoint)}/app?sslmode=disable`
        const session = yield* Effect.flatMap(ConnectionConfig.fromUri(uri), Session.make)
        assert.deepStrictEqual((yield* session.values("select 1")).rows, [[1]])
        const answer = Effect.flatMap(Client.Client, (client) => client.values("select 2"))
        for (const client of [Client.layerUri(uri), Client.layer(config)]) {
          assert.deepStrictEqual((yield* Effect.provide(answer, client)).rows, [[2]])
        }
      }))

    it.effect("takes its settings from the options of the start-up", () =>
      Effect.gen(function*() {
        const session = yield* open({ options: "-c DateStyle=DMY" })
        assert.match(String((yield* session.values("show DateStyle")).rows[0]?.[0]), /DMY/)
      }))

    it.effect("asks for the password when the server does, each time anew", () =>
      Effect.gen(function*() {
        const { config } = yield* Target
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

    it.effect("says what is wrong with user, password or database", () =>
      Effect.gen(function*() {
        const { config, kind } = yield* Target
        const wrong = yield* refusal({ ...config, ...password("wrong password") })
        assert.isTrue(
          wrong._tag === "AuthError" && wrong.reason._tag === "Rejected" &&
            wrong.reason.sqlState === (kind === "hyper" ? "42501" : "28P01")
        )
        const unknown = yield* refusal({ ...config, user: "nobody", ...password("wrong password") })
        assert.isTrue(
          unknown._tag === "AuthError" && unknown.reason._tag === "Rejected" && unknown.reason.user === "nobody"
        )
        const none = yield* refusal({ ...config, password: undefined })
        assert.isTrue(none._tag === "AuthError" && none.reason._tag === "PasswordMissing")
        const missing = yield* refusal({ ...config, database: "no_such_database" })
        assert.isTrue(
          missing._tag === "AuthError" && missing.reason._tag === "DatabaseMissing" &&
            missing.reason.database === "no_such_database"
        )
        const option = yield* refusal({ ...config, options: "-c no_such_setting=1" })
        assert.isTrue(option._tag === "AuthError" && option.reason._tag === "Rejected")
        for (const error of [wrong, unknown, none, missing, option]) {
          assert.isFalse(error._tag === "AuthError" && error.isRetryable)
        }
      }))

    it.effect("refuses a name that cannot be sent, and a method that the policy does not allow", () =>
      Effect.gen(function*() {
        const { config } = yield* Target
        const nul = yield* refusal({ ...config, user: "a\0b" })
        assert.strictEqual(nul._tag, "ProtocolError")
        const policy = yield* refusal({ ...config, policy: { methods: ["md5"] } })
        assert.isTrue(policy._tag === "AuthError" && policy.reason._tag === "MethodRefused")
      }))

    it.effect("leaves no socket open when opening is interrupted at any moment", () =>
      Effect.gen(function*() {
        const before = yield* sockets
        for (const milliseconds of [0, 1, 2, 3, 5, 8, 12]) {
          yield* Effect.timeoutOption(Effect.scoped(open()), milliseconds)
        }
        yield* Effect.sleep("100 millis")
        assert.isAtMost(yield* sockets, before)
        yield* open()
      }))
  }
})

const trusting = Layer.mergeAll(
  PostgresServer.layer({ authentication: "trust", databases: ["app"] }),
  HyperdServer.layer({ authentication: "trust", listen: ["tcp", "unix"] })
).pipe(Layer.provideMerge(NodePlatform.layer))

describe("servers that let everybody in", () => {
  layer(trusting, { excludeTestServices: true, timeout: "60 seconds" })((it) => {
    it.effect("are reached over TCP and over a Unix socket, without a password", () =>
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

    it.effect("are not trusted by a client that wants proof", () =>
      Effect.gen(function*() {
        const { endpoint, user } = yield* Hyperd.Hyperd
        const error = yield* refusal({ endpoint, user, ...password("x"), policy: { methods: ["scram-sha-256"] } })
        assert.isTrue(error._tag === "AuthError" && error.reason._tag === "MethodRefused")
      }))

    it.effect("cannot be reached where they are not", () =>
      Effect.gen(function*() {
        const { user } = yield* PostgresServer.PostgresServer
        const nobody = yield* refusal({ endpoint: Endpoint.tcp("127.0.0.1", 1), user })
        assert.isTrue(
          nobody._tag === "TransportError" && nobody.reason._tag === "OpenFailed" &&
            nobody.reason.code === "ECONNREFUSED"
        )
        assert.include(nobody.message, "127.0.0.1:1")
        const nowhere = yield* refusal({ endpoint: Endpoint.unix("/nowhere/at/all"), user })
        assert.isTrue(nowhere._tag === "TransportError" && nowhere.reason._tag === "OpenFailed")
      }))

    it.effect("are given up when they do not answer in time", () =>
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
