import { assert, describe, it } from "@effect/vitest"
import * as Authenticate from "@hyperfect/auth/Authenticate"
import * as ScriptedServer from "@hyperfect/testing/ScriptedServer"
import * as TlsNegotiation from "@hyperfect/transport/TlsNegotiation"
import * as BuiltIn from "@hyperfect/values/BuiltIn"
import { Effect, Fiber, Redacted } from "effect"
import {
  bind,
  cells,
  connect,
  describePortal,
  describeStatement,
  exchange,
  execute,
  login,
  ok,
  oneRow,
  parse,
  password,
  query,
  ready,
  sync,
  tags,
  users
} from "./scriptedClient.ts"

const { accept, complete, disconnect, error, expect, layer, layerEach, on, repeat, rows, send, sendBytes, stall } =
  ScriptedServer

describe("ScriptedServer", () => {
  it.effect("accepts a client that knows the password, by SCRAM-SHA-256", () =>
    Effect.gen(function*() {
      const channel = yield* connect
      const session = yield* Authenticate.client(channel, {
        user: "app",
        password,
        parameters: { application_name: "x" }
      })
      assert.strictEqual(session.method, "scram-sha-256")
      assert.strictEqual(session.parameters.get("server_version"), "18.0")
      assert.strictEqual(session.parameters.get("application_name"), "x")
      const server = yield* ScriptedServer.ScriptedServer
      const [played] = yield* server.sessions
      assert.strictEqual(played!.startup?.user, "app")
      assert.deepStrictEqual(played!.received, [], "the login's messages are not kept")
    }).pipe(Effect.provide(Authenticate.layerCrypto), Effect.provide(layer(accept({ user: "app", password })))))

  for (const method of ["password", "md5"] as const) {
    it.effect(`requests authentication by ${method} if configured`, () =>
      Effect.gen(function*() {
        const policy = { allowCleartextWithoutTls: true, allowMd5WithoutTls: true }
        const session = yield* Authenticate.client(yield* connect, { user: "app", password }, policy)
        assert.strictEqual(session.method, method)
      }).pipe(Effect.provide(Authenticate.layerCrypto), Effect.provide(layer(accept({ password, method })))))
  }

  it.effect("accepts every client if there is no password", () =>
    Effect.gen(function*() {
      const session = yield* Authenticate.client(yield* connect, { user: "anybody" })
      assert.strictEqual(session.method, "trust")
    }).pipe(Effect.provide(Authenticate.layerCrypto), Effect.provide(layer(accept()))))

  it.effect("simulates Hyper if configured", () =>
    Effect.gen(function*() {
      const session = yield* Authenticate.client(yield* connect, { user: "app", password })
      assert.isTrue(session.parameters.has("hyper_version"))
      assert.strictEqual(session.parameters.get("TimeZone"), "Europe/Berlin")
    }).pipe(
      Effect.provide(Authenticate.layerCrypto),
      Effect.provide(layer(accept({ dialect: "hyper", parameters: { TimeZone: "Europe/Berlin" } })))
    ))

  for (
    const [what, attempt, sqlState] of [
      ["a wrong password", { user: "app", password: Redacted.make("wrong") }, "28P01"],
      ["another user", { user: "root", password }, "28P01"]
    ] as const
  ) {
    it.effect(`rejects ${what}, and completes a script that ends there`, () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(Authenticate.client(yield* connect, attempt))
        assert(error._tag === "AuthError" && error.reason._tag === "Rejected")
        assert.strictEqual(error.reason.sqlState, sqlState)
      }).pipe(Effect.provide(Authenticate.layerCrypto), Effect.provide(layer(accept({ user: "app", password })))))
  }

  it.effect("answers a simple query with rows in text format", () =>
    Effect.gen(function*() {
      const heard = yield* query(yield* login, "select * from users")
      assert.strictEqual(tags(heard), "RowDescription DataRow DataRow CommandComplete ReadyForQuery")
      assert.deepStrictEqual(cells(heard), [["1", "a@b.c"], ["2", null]])
      assert(heard[0]?._tag === "RowDescription" && heard[3]?._tag === "CommandComplete")
      assert.deepStrictEqual(
        heard[0].fields.map(({ format, name, typeOid }) => [name, typeOid, format]),
        [["id", 20, 0], ["email", 25, 0]]
      )
      assert.strictEqual(heard[3].commandTag, "SELECT 2")
    }).pipe(Effect.provide(layer(accept(), on(/from users/, users)))))

  it.effect("answers the extended protocol in the requested formats", () =>
    Effect.gen(function*() {
      const channel = yield* login
      const heard = yield* exchange(
        channel,
        parse("select * from users where id > $1", "", [20]),
        describeStatement(),
        bind("", [1, 0]),
        describePortal,
        execute,
        sync
      )
      assert.strictEqual(
        tags(heard),
        "ParseComplete ParameterDescription RowDescription BindComplete RowDescription DataRow DataRow CommandComplete ReadyForQuery"
      )
      assert.deepStrictEqual(heard[1], { _tag: "ParameterDescription", parameterTypes: [20] })
      assert(heard[4]?._tag === "RowDescription" && heard[5]?._tag === "DataRow")
      assert.deepStrictEqual(heard[4].fields.map(({ format }) => format), [1, 0])
      assert.deepStrictEqual(heard[5].columns[0], Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 1))
    }).pipe(Effect.provide(layer(accept(), on(/from users/, users)))))

  it.effect("reports format 0 for every column if it simulates Hyper", () =>
    Effect.gen(function*() {
      const heard = yield* exchange(yield* login, parse("select 1"), bind("", [2]), describePortal, execute, sync)
      assert(heard[2]?._tag === "RowDescription" && heard[3]?._tag === "DataRow")
      assert.strictEqual(heard[2].fields[0]?.format, 0)
      assert.deepStrictEqual(heard[3].columns[0], Uint8Array.of(1, 0, 0, 0))
    }).pipe(Effect.provide(layer(
      accept({ dialect: "hyper" }),
      on("select 1", rows({ one: BuiltIn.int4 }, [{ one: 1 }]))
    ))))

  it.effect("finds a statement by its name, in message groups of any size", () =>
    Effect.gen(function*() {
      const channel = yield* login
      assert.strictEqual(
        tags(yield* exchange(channel, parse("select * from users", "s"), describeStatement("s"), sync)),
        "ParseComplete ParameterDescription RowDescription ReadyForQuery"
      )
      for (const more of [[], [{ _tag: "Close", kind: "P", name: "" }]] as const) {
        const heard = yield* exchange(channel, bind("s"), execute, ...more, sync)
        assert.deepStrictEqual(cells(heard), [["1", "a@b.c"], ["2", null]])
      }
      const twice = yield* exchange(channel, bind("s"), execute, bind("s"), execute, sync)
      assert.strictEqual(cells(twice).length, 4)
    }).pipe(
      Effect.provide(layer(accept(), on(/users/, users), on(/users/, users), on(/users/, users), on(/users/, users)))
    ))

  it.effect("sends rows in the portions that Execute requests", () =>
    Effect.gen(function*() {
      const channel = yield* login
      const one = { _tag: "Execute", portal: "", maxRows: 1 } as const
      const heard = yield* exchange(channel, parse("select * from users"), bind(), one, one, sync)
      assert.strictEqual(
        tags(heard),
        "ParseComplete BindComplete DataRow PortalSuspended DataRow CommandComplete ReadyForQuery"
      )
    }).pipe(Effect.provide(layer(accept(), on(/from users/, users)))))

  it.effect("answers with an error, and skips the messages up to Sync", () =>
    Effect.gen(function*() {
      const channel = yield* login
      const heard = yield* exchange(channel, parse("insert"), bind(), execute, bind(), execute, sync)
      assert.strictEqual(tags(heard), "ParseComplete BindComplete ErrorResponse ReadyForQuery")
      assert.deepStrictEqual(heard[2], {
        _tag: "ErrorResponse",
        fields: [
          { code: "S", value: "ERROR" },
          { code: "V", value: "ERROR" },
          { code: "C", value: "23505" },
          { code: "M", value: "UniqueViolation" },
          { code: "n", value: "users_email_key" }
        ]
      })
      assert.strictEqual(tags(yield* query(channel, "select")), "ErrorResponse ReadyForQuery")
    }).pipe(Effect.provide(layer(
      accept(),
      on("insert", error({ code: "23505", constraint: "users_email_key" })),
      on("select", error({ code: "42601", message: "no" }))
    ))))

  it.effect("rejects a statement with a syntax error at Parse", () =>
    Effect.gen(function*() {
      const heard = yield* exchange(yield* login, parse("selct"), describeStatement(), bind(), execute, sync)
      assert.strictEqual(tags(heard), "ErrorResponse ReadyForQuery")
    }).pipe(Effect.provide(layer(accept(), on("selct", error({ code: "42601" }))))))

  it.effect("can fail after some rows", () =>
    Effect.gen(function*() {
      const heard = yield* query(yield* login, "select")
      assert.strictEqual(tags(heard), "RowDescription DataRow ErrorResponse ReadyForQuery")
    }).pipe(Effect.provide(layer(
      accept(),
      on("select", rows({ n: BuiltIn.int4 }, [{ n: 1 }], error({ code: "22012" })))
    ))))

  it.effect("reports the transaction status", () =>
    Effect.gen(function*() {
      const channel = yield* login
      const statuses: Array<string> = []
      for (const text of ["begin", "select 1", "selct", "rollback", "begin", "commit"]) {
        const last = (yield* query(channel, text)).at(-1)
        statuses.push(last?._tag === "ReadyForQuery" ? last.status : "")
      }
      assert.strictEqual(statuses.join(""), "TTEITI")
    }).pipe(Effect.provide(layer(
      accept(),
      repeat(
        on("begin", complete("BEGIN")),
        on("select 1", rows({ one: BuiltIn.int4 }, [{ one: 1 }])),
        on("selct", error({ code: "42601" })),
        on("rollback", complete("ROLLBACK")),
        on("commit", complete("COMMIT"))
      )
    ))))

  it.effect("repeats by the first matching rule, and continues with the next step if none matches", () =>
    Effect.gen(function*() {
      const channel = yield* login
      for (const wanted of ["1", "2", "1", "3"]) {
        assert.deepStrictEqual(cells(yield* query(channel, `select ${wanted}`)), [[wanted]])
      }
      const server = yield* ScriptedServer.ScriptedServer
      yield* server.verify
    }).pipe(Effect.provide(layer(
      accept(),
      repeat(on(/1/g, oneRow("1")), on(/2/, oneRow("2")), on(/[12]/, oneRow("never"))),
      on("select 3", oneRow("3"))
    ))))

  it.effect("disconnects as a step and as a reply", () =>
    Effect.gen(function*() {
      for (let i = 0; i < 2; i++) {
        const channel = yield* login
        const closed = yield* Effect.flip(query(channel, "select 1"))
        assert(closed._tag === "TransportError" && closed.reason._tag === "Closed")
      }
    }).pipe(Effect.provide(layerEach([
      [accept(), expect({ _tag: "Query" }), disconnect],
      [accept(), on("select 1", disconnect)]
    ]))))

  it.effect("disconnects after a fatal error", () =>
    Effect.gen(function*() {
      const channel = yield* login
      yield* channel.send({ _tag: "Query", query: "select 1" })
      assert.strictEqual((yield* channel.receive)._tag, "ErrorResponse")
      assert.strictEqual((yield* Effect.flip(channel.receive))._tag, "TransportError")
    }).pipe(Effect.provide(layer(accept(), on("select 1", error({ code: "57P01", severity: "FATAL" }))))))

  for (
    const [what, script] of [["as a step", [expect({ _tag: "Query" }), stall]], ["as a reply", [
      on("x", stall)
    ]]] as const
  ) {
    it.effect(`stalls ${what}`, () =>
      Effect.gen(function*() {
        const channel = yield* login
        const waiting = yield* Effect.forkChild(query(channel, "x"), { startImmediately: true })
        const server = yield* ScriptedServer.ScriptedServer
        yield* server.verify
        assert.isUndefined(waiting.pollUnsafe())
        yield* Fiber.interrupt(waiting)
      }).pipe(Effect.provide(layer(accept(), ...script))))
  }

  it.effect("sends and expects single messages, and sends bytes that are not messages", () =>
    Effect.gen(function*() {
      const channel = yield* connect
      yield* channel.send({
        _tag: "StartupMessage",
        protocolVersion: 196608,
        parameters: [{ name: "user", value: "app" }]
      })
      assert.deepStrictEqual(yield* channel.receive, ok)
      assert.deepStrictEqual(yield* channel.receive, ready)
      yield* channel.send({ _tag: "Flush" })
      assert.strictEqual((yield* Effect.flip(channel.receive))._tag, "ProtocolError")
    }).pipe(Effect.provide(layer(
      expect({
        _tag: "StartupMessage",
        parameters: (parameters) => parameters.some(({ name, value }) => name === "user" && value === "app")
      }),
      send(ok, ready),
      expect({ _tag: "Flush" }),
      sendBytes(Uint8Array.of(0, 0, 0, 0, 0))
    ))))

  it.effect("decodes the client's next message according to the last authentication request", () =>
    Effect.gen(function*() {
      const failed = yield* Effect.flip(Authenticate.client(yield* connect, { user: "app", password }))
      assert(failed._tag === "AuthError")
      assert.strictEqual(failed.reason._tag, "ServerNotAuthentic")
    }).pipe(
      Effect.provide(Authenticate.layerCrypto),
      Effect.provide(layer(
        expect({ _tag: "StartupMessage" }),
        send({ _tag: "AuthenticationSASL", mechanisms: ["SCRAM-SHA-256"] }),
        expect({ _tag: "SASLInitialResponse", mechanism: /^SCRAM/ }),
        send(ok)
      ))
    ))

  it.effect("cancels only the query of the session with the given key", () =>
    Effect.gen(function*() {
      const key = { processId: 7, secretKey: Uint8Array.of(1, 2, 3, 4) }
      yield* Effect.gen(function*() {
        const channel = yield* login
        const running = yield* Effect.forkChild(query(channel, "slow"), { startImmediately: true })
        const server = yield* ScriptedServer.ScriptedServer
        const cancel = (secretKey: Uint8Array) =>
          Effect.gen(function*() {
            const other = yield* connect
            yield* other.send({ _tag: "CancelRequest", processId: 7, secretKey })
            assert.strictEqual((yield* Effect.flip(other.receive))._tag, "TransportError")
          })
        yield* cancel(Uint8Array.of(4, 3, 2, 1))
        yield* Effect.flip(server.verify)
        assert.isUndefined(running.pollUnsafe())
        yield* cancel(key.secretKey)
        const heard = yield* Fiber.join(running)
        assert.strictEqual(tags(heard), "ErrorResponse ReadyForQuery")
        yield* server.verify
        assert.strictEqual((yield* server.sessions).length, 1)
      }).pipe(Effect.provide(layer(accept({ key }), on("slow", ScriptedServer.untilCancelled))))
    }))

  it.effect("does not count a connection that only cancels", () =>
    Effect.gen(function*() {
      for (let i = 0; i < 2; i++) {
        const channel = yield* connect
        yield* channel.send({ _tag: "CancelRequest", processId: 1, secretKey: new Uint8Array(4) })
        assert.strictEqual((yield* Effect.flip(channel.receive))._tag, "TransportError")
      }
      yield* login
      const server = yield* ScriptedServer.ScriptedServer
      yield* server.verify
      assert.strictEqual((yield* server.sessions).length, 1)
    }).pipe(Effect.provide(layerEach([[accept()]]))))

  it.effect("can expect CancelRequest and Terminate", () =>
    Effect.gen(function*() {
      const canceller = yield* connect
      yield* canceller.send({ _tag: "CancelRequest", processId: 1, secretKey: Uint8Array.of(1, 2, 3, 4) })
      const channel = yield* login
      yield* channel.send({ _tag: "Terminate" })
      yield* (yield* ScriptedServer.ScriptedServer).verify
    }).pipe(Effect.provide(layerEach([
      [expect({ _tag: "CancelRequest", processId: 1, secretKey: Uint8Array.of(1, 2, 3, 4) })],
      [accept(), expect({ _tag: "Terminate" })]
    ]))))

  it.effect("refuses TLS, and accepts it if it has a certificate", () =>
    Effect.gen(function*() {
      const options = { verification: "none", serverName: "db" } as const
      const plain = yield* connect
      const refused = yield* Effect.flip(TlsNegotiation.start(plain.connection, options))
      assert.strictEqual(refused.reason._tag, "TlsRefused")
      yield* Authenticate.client(plain, { user: "app" })
      const secured = yield* connect
      yield* TlsNegotiation.start(secured.connection, options)
      yield* Authenticate.client(secured, { user: "app" })
    }).pipe(
      Effect.provide(Authenticate.layerCrypto),
      Effect.provide(layerEach([
        [accept()],
        [accept({
          tls: {
            certificate: "-----BEGIN CERTIFICATE-----\nYSBjZXJ0aWZpY2F0ZQ==\n-----END CERTIFICATE-----\n",
            key: Redacted.make("a key")
          }
        })]
      ]))
    ))

  it.effect("logs the received messages", () =>
    Effect.gen(function*() {
      const channel = yield* login
      yield* query(channel, "select 1")
      const server = yield* ScriptedServer.ScriptedServer
      assert.deepStrictEqual((yield* server.sessions)[0]?.received, [{ _tag: "Query", query: "select 1" }])
    }).pipe(Effect.provide(layer(accept(), on("select 1", complete("SELECT 0"))))))
})
