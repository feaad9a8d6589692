import { assert, describe, it } from "@effect/vitest"
import { Account, Authenticate, Md5, ScramMessage, ScramVerifier } from "@hyperfect/auth"
import { Backend, type Frontend } from "@hyperfect/protocol"
import { InMemory, MessageChannel, TlsNegotiation, type TransportError } from "@hyperfect/transport"
import { Cause, Effect, Exit, Fiber, Redacted, Result } from "effect"
import { TestClock } from "effect/testing"

const bytes = (text: string) => Uint8Array.from(Buffer.from(text))
const int32 = (value: number) => Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value)
const password = Redacted.make("c0rrect-h0rse")

/** Runs the server's side against a client that a test plays message by message. */
const serve = <A, E>(
  options:
    | Partial<Authenticate.ServerOptions>
    | ((line: InMemory.InMemoryConnection) => Partial<Authenticate.ServerOptions>),
  client: (channel: MessageChannel.Client, line: InMemory.InMemoryConnection) => Effect.Effect<A, E>
) =>
  Effect.gen(function*() {
    const pair = yield* InMemory.pair()
    const serving = yield* Authenticate.server(MessageChannel.server(pair.server), {
      account: () => Effect.succeed(Account.trust),
      ...typeof options === "function" ? options(pair.server) : options
    }).pipe(Effect.ensuring(pair.server.close), Effect.forkChild)
    const heard = yield* client(MessageChannel.client(pair.client), pair.client)
    yield* pair.client.close
    return { heard, exit: yield* Fiber.await(serving) }
  }).pipe(Effect.scoped, Effect.provide(Authenticate.layerCrypto))

const startup = (parameters: Readonly<Record<string, string>>, protocolVersion = 196608): Frontend.StartupMessage => ({
  _tag: "StartupMessage",
  protocolVersion,
  parameters: Object.entries(parameters).map(([name, value]) => ({ name, value }))
})

const failureOf = <A, E>(exit: Exit.Exit<A, E>): E => {
  assert(Exit.isFailure(exit), "fails")
  const failure = Cause.findError(exit.cause)
  assert(Result.isSuccess(failure), "fails with a typed error")
  return failure.success
}

const errorOf = (message: Backend.Message) => {
  assert(message._tag === "ErrorResponse")
  return Object.fromEntries(message.fields.map(({ code, value }) => [code, value]))
}

describe("Authenticate.server", () => {
  it.effect("sends the settings and the given key in one write", () =>
    Effect.gen(function*() {
      const { exit, heard } = yield* serve(
        {
          parameters: { server_version: "9.1.0", hyper_version: "x" },
          key: { processId: 0, secretKey: bytes("abcd") }
        },
        (channel) =>
          Effect.gen(function*() {
            yield* channel.send(startup({ user: "app" }))
            const messages: Array<Backend.Message> = []
            while (messages.at(-1)?._tag !== "ReadyForQuery") messages.push(yield* channel.receive)
            return messages
          })
      )
      assert.deepStrictEqual(heard, [
        { _tag: "AuthenticationOk" },
        { _tag: "ParameterStatus", name: "server_version", value: "9.1.0" },
        { _tag: "ParameterStatus", name: "hyper_version", value: "x" },
        { _tag: "BackendKeyData", processId: 0, secretKey: bytes("abcd") },
        { _tag: "ReadyForQuery", status: "I" }
      ])
      assert(Exit.isSuccess(exit) && exit.value._tag === "Client")
      assert.strictEqual(exit.value.startup.database, "app")
    }))

  it.effect("supports settings computed from the client's start-up", () =>
    Effect.gen(function*() {
      const { heard } = yield* serve(
        { parameters: ({ parameters, user }) => ({ application_name: parameters.get("application_name") ?? user }) },
        (channel) =>
          Effect.gen(function*() {
            yield* channel.send(startup({ user: "app", application_name: "till" }))
            return [yield* channel.receive, yield* channel.receive]
          })
      )
      assert.deepStrictEqual(heard[1], { _tag: "ParameterStatus", name: "application_name", value: "till" })
    }))

  it.effect("generates random keys by default", () =>
    Effect.gen(function*() {
      const key = () =>
        serve({}, (channel) =>
          Effect.gen(function*() {
            yield* channel.send(startup({ user: "app" }))
            yield* channel.receive
            return yield* channel.receive
          }))
      assert.notDeepEqual((yield* key()).heard, (yield* key()).heard)
    }))

  it.effect("uses the last of two parameters of the same name", () =>
    Effect.gen(function*() {
      const twice = { ...startup({}), parameters: [{ name: "user", value: "a" }, { name: "user", value: "b" }] }
      const { exit } = yield* serve({}, (channel) => Effect.andThen(channel.send(twice), channel.receive))
      assert(Exit.isSuccess(exit) && exit.value._tag === "Client")
      assert.strictEqual(exit.value.startup.user, "b")
    }))

  it.effect("rejects unknown users like PostgreSQL", () =>
    Effect.gen(function*() {
      const { exit, heard } = yield* serve(
        { account: () => Effect.succeed(undefined) },
        (channel) => Effect.andThen(channel.send(startup({ user: "ghost" })), channel.receive)
      )
      assert.deepStrictEqual(errorOf(heard), {
        S: "FATAL",
        V: "FATAL",
        C: "28P01",
        M: "password authentication failed for user \"ghost\""
      })
      const failure = failureOf(exit)
      assert(failure._tag === "AuthError" && failure.reason._tag === "Rejected")
      assert.strictEqual(failure.reason.user, "ghost")
    }))

  it.effect("rejects unknown users like Hyper", () =>
    Effect.gen(function*() {
      const { heard } = yield* serve(
        { account: () => Effect.succeed(undefined), dialect: "hyper" },
        (channel) => Effect.andThen(channel.send(startup({ user: "ghost" })), channel.receive)
      )
      // The exact bytes recorded from hyperd.
      const recorded = Backend.encodeUnsafe(heard)
      assert.strictEqual(
        Buffer.from(recorded).toString("hex"),
        "4500000037534552524f5200433432353031004d756e61626c6520746f20636f6e6e656374206173202767686f7374270042557365720000"
      )
    }))

  it.effect("requires a user", () =>
    Effect.gen(function*() {
      const { heard } = yield* serve({}, (channel) =>
        Effect.andThen(channel.send(startup({ database: "shop" })), channel.receive))
      assert.strictEqual(errorOf(heard)["C"], "28000")
    }))

  it.effect("rejects an account with an unknown method, and requests nothing", () =>
    Effect.gen(function*() {
      for (const method of ["scram-sha-512", "ldap", "", undefined, "toString", { method: "trust" }]) {
        const account = { method, password } as unknown as Account.Account
        const { exit, heard } = yield* serve(
          { account: () => Effect.succeed(account) },
          (channel) => Effect.andThen(channel.send(startup({ user: "app" })), channel.receive)
        )
        assert.deepInclude(errorOf(heard), { S: "FATAL", C: "28000" })
        const failure = failureOf(exit)
        assert(failure._tag === "AuthError" && failure.reason._tag === "Rejected")
        assert.notInclude(JSON.stringify(failure), Redacted.value(password))
      }
    }))

  it.effect("rejects an empty password, even if the account's password is empty", () =>
    Effect.gen(function*() {
      for (const method of ["password", "md5"] as const) {
        const { exit, heard } = yield* serve(
          { account: () => Effect.succeed(Account.password(Redacted.make(""), method)) },
          (channel) =>
            Effect.gen(function*() {
              yield* channel.send(startup({ user: "app" }))
              const request = yield* channel.receive
              const answer = request._tag === "AuthenticationMD5Password"
                ? yield* Md5.hash("app", Redacted.make(""), request.salt)
                : ""
              yield* channel.send({ _tag: "PasswordMessage", password: answer })
              return yield* channel.receive
            }).pipe(Effect.provide(Authenticate.layerCrypto))
        )
        assert.strictEqual(errorOf(heard)["C"], "28P01")
        assert.strictEqual(failureOf(exit)._tag, "AuthError")
      }
    }))

  it.effect("passes on the failure of the account lookup", () =>
    Effect.gen(function*() {
      const pair = yield* InMemory.pair()
      const channel = MessageChannel.client(pair.client)
      yield* channel.send(startup({ user: "app" }))
      const error = yield* Effect.flip(
        Authenticate.server(MessageChannel.server(pair.server), { account: () => Effect.fail("no directory" as const) })
      )
      assert.strictEqual(error, "no directory")
    }).pipe(Effect.provide(Authenticate.layerCrypto)))

  it.effect("negotiates a newer minor version down to a supported one, and lists unknown options", () =>
    Effect.gen(function*() {
      const { heard } = yield* serve({ maxProtocolVersion: "3.0" }, (channel) =>
        Effect.gen(function*() {
          yield* channel.send(startup({ user: "app", "_pq_.a": "1", b: "2" }, 196610))
          return [yield* channel.receive, yield* channel.receive]
        }))
      assert.deepStrictEqual(heard, [
        { _tag: "NegotiateProtocolVersion", newestVersion: 196608, unrecognizedOptions: ["_pq_.a"] },
        { _tag: "AuthenticationOk" }
      ])
    }))

  it.effect("rejects another major version", () =>
    Effect.gen(function*() {
      const { heard } = yield* serve({}, (channel) =>
        Effect.andThen(channel.send(startup({ user: "app" }, 2 << 16)), channel.receive))
      assert.deepStrictEqual(errorOf(heard), {
        S: "FATAL",
        V: "FATAL",
        C: "0A000",
        M: "unsupported frontend protocol 2.0: server supports 3.0 to 3.2"
      })
    }))

  it.effect("returns a CancelRequest without answering it", () =>
    Effect.gen(function*() {
      const cancel = { _tag: "CancelRequest", processId: 7, secretKey: bytes("abcd") } as const
      const { exit, heard } = yield* serve({}, (channel) =>
        Effect.andThen(channel.send(cancel), Effect.flip(channel.receive)))
      assert(Exit.isSuccess(exit))
      assert.deepStrictEqual(exit.value, cancel)
      assert(heard._tag === "TransportError" && heard.reason._tag === "Closed")
    }))

  const answer = (line: InMemory.InMemoryConnection): Effect.Effect<string, TransportError.TransportError> =>
    Effect.map(line.pull, (chunks) => Buffer.concat(chunks).toString("latin1"))

  it.effect("declines TLS and GSSAPI, and continues", () =>
    Effect.gen(function*() {
      const { exit, heard } = yield* serve({}, (channel, line) =>
        Effect.gen(function*() {
          yield* channel.send({ _tag: "GSSENCRequest" })
          const gss = yield* answer(line)
          yield* channel.send({ _tag: "SSLRequest" })
          const tls = yield* answer(line)
          yield* channel.send(startup({ user: "app" }))
          yield* channel.receive
          return gss + tls
        }))
      assert.strictEqual(heard, "NN")
      assert.isTrue(Exit.isSuccess(exit))
    }))

  const tls = {
    certificate: "-----BEGIN CERTIFICATE-----\nYSBjZXJ0aWZpY2F0ZQ==\n-----END CERTIFICATE-----\n",
    key: Redacted.make("a key")
  }

  it.effect("upgrades the connection if acceptTls is given", () =>
    Effect.gen(function*() {
      const { exit, heard } = yield* serve(
        (line) => ({ acceptTls: line.acceptTls(tls) }),
        (channel, line) =>
          Effect.gen(function*() {
            const info = yield* TlsNegotiation.start(line, { verification: "full", serverName: "db" })
            yield* channel.send(startup({ user: "app" }))
            yield* channel.receive
            return info
          })
      )
      assert.deepStrictEqual(heard.peerCertificate, bytes("a certificate"))
      assert(Exit.isSuccess(exit) && exit.value._tag === "Client")
    }))

  it.effect("rejects clear text sent after the TLS request", () =>
    Effect.gen(function*() {
      const { exit } = yield* serve(
        (line) => ({ acceptTls: line.acceptTls(tls) }),
        (channel) =>
          Effect.andThen(channel.send({ _tag: "SSLRequest" }, startup({ user: "app" })), Effect.flip(channel.receive))
      )
      const failure = failureOf(exit)
      assert(failure._tag === "ProtocolError")
      assert.strictEqual(failure.reason.found, "18 bytes")
    }))

  it.effect("times out a client that has not logged in within a minute, whatever it has sent", () =>
    Effect.gen(function*() {
      const said: ReadonlyArray<ReadonlyArray<Frontend.Message>> = [
        [],
        [{ _tag: "SSLRequest" }],
        [startup({ user: "app" })]
      ]
      for (const messages of said) {
        const pair = yield* InMemory.pair()
        const client = MessageChannel.client(pair.client)
        const serving = yield* Authenticate.server(MessageChannel.server(pair.server), {
          account: () => Effect.succeed(Account.password(password))
        }).pipe(Effect.exit, Effect.forkChild)
        yield* client.send(...messages)
        yield* TestClock.adjust("59 seconds")
        assert.isUndefined(serving.pollUnsafe())
        yield* TestClock.adjust("1 second")
        const failure = failureOf(yield* Fiber.join(serving))
        assert(failure._tag === "TransportError" && failure.reason._tag === "Unresponsive")
        assert.strictEqual(failure.reason.milliseconds, 60_000)
      }
    }).pipe(Effect.scoped, Effect.provide(Authenticate.layerCrypto)))

  it.effect("does not wait for messages that a client may not send before login", () =>
    Effect.gen(function*() {
      const header = (tag: string, length: number) => Uint8Array.from([...bytes(tag), ...int32(length)])
      for (
        const [when, sent, reason] of [
          ["startup", header("", 10_001), "LengthExceeded"],
          ["startup", header("Q", 0x3fffffff), "LengthExceeded"],
          ["password", header("p", 65_536), "LengthExceeded"],
          ["password", header("Q", 0x3fffffff), "TagUnknown"],
          ["password", header("d", 100), "TagUnknown"]
        ] as const
      ) {
        const { exit } = yield* serve(
          { account: () => Effect.succeed(Account.password(password)) },
          (channel, line) =>
            Effect.gen(function*() {
              if (when === "password") {
                yield* channel.send(startup({ user: "app" }))
                yield* channel.receive
              }
              yield* line.write(sent)
              // The server disconnects, with or without an error.
              yield* Effect.ignore(channel.receive)
            })
        )
        const failure = failureOf(exit)
        assert(failure._tag === "ProtocolError")
        assert.strictEqual(failure.reason._tag, reason)
      }
    }))

  it.effect("keeps messages that a client has sent ahead until it is logged in", () =>
    Effect.gen(function*() {
      const pair = yield* InMemory.pair()
      const client = MessageChannel.client(pair.client)
      const server = MessageChannel.server(pair.server)
      const long = { _tag: "Query", query: "x".repeat(100_000) } as const
      // More than the connection buffers, so that the write ends only with the reading.
      yield* Effect.forkChild(client.send(
        startup({ user: "app" }),
        { _tag: "PasswordMessage", password: Redacted.value(password) },
        long
      ))
      yield* Authenticate.server(server, { account: () => Effect.succeed(Account.password(password)) })
      assert.deepStrictEqual(yield* server.receive, long)
    }).pipe(Effect.scoped, Effect.provide(Authenticate.layerCrypto)))

  it.effect("accepts each encryption request only once", () =>
    Effect.gen(function*() {
      const { exit } = yield* serve({}, (channel, line) =>
        Effect.gen(function*() {
          yield* channel.send({ _tag: "SSLRequest" })
          yield* answer(line)
          yield* channel.send({ _tag: "SSLRequest" })
        }))
      const failure = failureOf(exit)
      assert(failure._tag === "ProtocolError")
      assert.strictEqual(failure.reason._tag, "MessageUnexpected")
    }))

  it.effect("fails for data that violates the protocol", () =>
    Effect.gen(function*() {
      const { exit } = yield* serve({}, (_, line) => line.write(bytes("GET / HTTP/1.1\r\n\r\n")))
      assert.strictEqual(failureOf(exit)._tag, "ProtocolError")
    }))

  it.effect("fails with Closed if the client disconnects instead of answering", () =>
    Effect.gen(function*() {
      for (const farewell of [[{ _tag: "Terminate" }], []] as const) {
        const { exit } = yield* serve(
          { account: () => Effect.succeed(Account.password(password)) },
          (channel) =>
            Effect.gen(function*() {
              yield* channel.send(startup({ user: "app" }))
              yield* channel.receive
              yield* channel.send(...farewell)
            })
        )
        const failure = failureOf(exit)
        assert(failure._tag === "TransportError" && failure.reason._tag === "Closed")
      }
    }))

  it.effect("answers a query in place of the password with a protocol violation", () =>
    Effect.gen(function*() {
      const { exit, heard } = yield* serve(
        { account: () => Effect.succeed(Account.password(password, "md5")) },
        (channel) =>
          Effect.gen(function*() {
            yield* channel.send(startup({ user: "app" }))
            yield* channel.receive
            yield* channel.send({ _tag: "Query", query: "select 1" })
            return yield* channel.receive
          })
      )
      assert.strictEqual(errorOf(heard)["C"], "08P01")
      assert.strictEqual(failureOf(exit)._tag, "ProtocolError")
    }))
})

describe("Authenticate.server > SCRAM", () => {
  interface Lies {
    readonly gs2Header?: string
    readonly mechanism?: string
    readonly first?: (honest: string) => string | null
    readonly final?: (honest: string) => string
  }

  /** A client that knows the password and follows the protocol, except for the given faults. */
  const scram = (lies: Lies) =>
    Effect.gen(function*() {
      const verifier = yield* ScramVerifier.make(password)
      return yield* serve({ account: () => Effect.succeed(Account.scramSha256(verifier)) }, (channel) =>
        Effect.gen(function*() {
          yield* channel.send(startup({ user: "app" }))
          yield* channel.receive
          const clientFirst = { ...ScramMessage.clientFirst("abc"), gs2Header: lies.gs2Header ?? "n,," }
          const honestFirst = clientFirst.gs2Header + clientFirst.bare
          const first = lies.first === undefined ? honestFirst : lies.first(honestFirst)
          yield* channel.send({
            _tag: "SASLInitialResponse",
            mechanism: lies.mechanism ?? ScramMessage.mechanism,
            data: first === null ? null : bytes(first)
          })
          const challenge = yield* channel.receive
          if (challenge._tag !== "AuthenticationSASLContinue") {
            return challenge
          }
          if (challenge.data.length === 0) {
            return challenge
          }
          const serverFirst = Result.getOrThrow(ScramMessage.readServerFirst(challenge.data))
          const keys = yield* ScramVerifier.deriveKeys(password, serverFirst.salt, serverFirst.iterations)
          const withoutProof = ScramMessage.clientFinalWithoutProof(clientFirst.gs2Header, serverFirst.nonce)
          const proof = yield* ScramVerifier.clientProof(
            keys,
            [clientFirst.bare, serverFirst.text, withoutProof].join(",")
          )
          const honest = `${withoutProof},p=${Buffer.from(proof).toString("base64")}`
          yield* channel.send({ _tag: "SASLResponse", data: bytes(lies.final?.(honest) ?? honest) })
          const answer = yield* channel.receive
          if (answer._tag === "AuthenticationSASLFinal") {
            yield* channel.receive
          }
          return answer
        }).pipe(Effect.provide(Authenticate.layerCrypto)))
    }).pipe(Effect.provide(Authenticate.layerCrypto))

  it.effect("admits a correct client", () =>
    Effect.gen(function*() {
      const { exit, heard } = yield* scram({})
      assert.strictEqual(heard._tag, "AuthenticationSASLFinal")
      assert.isTrue(Exit.isSuccess(exit))
    }))

  it.effect("requests the first message of a client that only names the mechanism", () =>
    Effect.gen(function*() {
      const { heard } = yield* scram({ first: () => null })
      assert.deepStrictEqual(heard, { _tag: "AuthenticationSASLContinue", data: new Uint8Array(0) })
    }))

  it.effect("admits a client whose flag says that the server has no channel binding", () =>
    Effect.gen(function*() {
      const { exit } = yield* scram({ gs2Header: "y,," })
      assert.isTrue(Exit.isSuccess(exit))
    }))

  const lies: ReadonlyArray<readonly [what: string, lies: Lies, problem: string]> = [
    ["names another mechanism", { mechanism: "SCRAM-SHA-1" }, "it is of another mechanism"],
    ["starts with an invalid message", { first: () => "hello" }, "it has no GS2 header"],
    [
      "requests channel binding on a connection without TLS",
      { first: () => "p=tls-server-end-point,,n=,r=abc" },
      "its flag for channel binding does not fit the mechanism"
    ],
    ["chooses the mechanism with channel binding", { mechanism: "SCRAM-SHA-256-PLUS" }, "it is of another mechanism"],
    [
      "changes the nonce",
      { final: (honest) => honest.replace("r=abc", "r=abd") },
      "its nonce is not the one of the exchange"
    ],
    [
      "changes the header",
      { final: (honest) => honest.replace("c=biws", "c=eSws") },
      "it does not repeat the header of the first message"
    ],
    ["omits the proof", { final: (honest) => honest.slice(0, honest.indexOf(",p=")) }, "p= is missing"]
  ]
  for (const [what, lie, problem] of lies) {
    it.effect(`rejects a client that ${what}`, () =>
      Effect.gen(function*() {
        const { exit, heard } = yield* scram(lie)
        assert.strictEqual(errorOf(heard)["C"], "08P01")
        const failure = failureOf(exit)
        assert(failure._tag === "AuthError" && failure.reason._tag === "MechanismMalformed")
        assert.strictEqual(failure.reason.problem, problem)
      }))
  }

  for (
    const [what, final] of [
      ["forged", (honest: string) => honest.replace(/p=.*/, `p=${Buffer.alloc(32).toString("base64")}`)],
      ["too short", (honest: string) => honest.replace(/p=.*/, "p=AAAA")],
      ["empty", (honest: string) => honest.replace(/p=.*/, "p=")],
      ["of another channel", (honest: string) => honest.replace(",p=", ",x=y,p=")]
    ] as const
  ) {
    it.effect(`rejects a proof that is ${what}`, () =>
      Effect.gen(function*() {
        const { exit, heard } = yield* scram({ final })
        assert.strictEqual(errorOf(heard)["C"], "28P01")
        const failure = failureOf(exit)
        assert(failure._tag === "AuthError")
        assert.strictEqual(failure.reason._tag, "Rejected")
      }))
  }
})
