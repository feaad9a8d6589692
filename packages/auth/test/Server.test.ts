import { assert, describe, it } from "@effect/vitest"
import { Account, Authenticate, ScramMessage, ScramVerifier } from "@hyperfect/auth"
import { Backend, type Frontend } from "@hyperfect/protocol"
import { InMemory, MessageChannel, TlsNegotiation, type TransportError } from "@hyperfect/transport"
import { Cause, Effect, Exit, Fiber, Redacted, Result } from "effect"

const bytes = (text: string) => Uint8Array.from(Buffer.from(text))
const password = Redacted.make("c0rrect-h0rse")

/** Runs the server half against a client that a test plays message by message. */
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
  it.effect("reports settings and the key it was given, in one go", () =>
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

  it.effect("may report settings that the client has asked for", () =>
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

  it.effect("draws a key that is hard to guess", () =>
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

  it.effect("takes the last of two parameters of the same name", () =>
    Effect.gen(function*() {
      const twice = { ...startup({}), parameters: [{ name: "user", value: "a" }, { name: "user", value: "b" }] }
      const { exit } = yield* serve({}, (channel) => Effect.andThen(channel.send(twice), channel.receive))
      assert(Exit.isSuccess(exit) && exit.value._tag === "Client")
      assert.strictEqual(exit.value.startup.user, "b")
    }))

  it.effect("refuses strangers as PostgreSQL does", () =>
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

  it.effect("refuses strangers as Hyper does", () =>
    Effect.gen(function*() {
      const { heard } = yield* serve(
        { account: () => Effect.succeed(undefined), dialect: "hyper" },
        (channel) => Effect.andThen(channel.send(startup({ user: "ghost" })), channel.receive)
      )
      // To the byte what hyperd was recorded with.
      const recorded = Backend.encodeUnsafe(heard)
      assert.strictEqual(
        Buffer.from(recorded).toString("hex"),
        "4500000037534552524f5200433432353031004d756e61626c6520746f20636f6e6e656374206173202767686f7374270042557365720000"
      )
    }))

  it.effect("wants to know the user", () =>
    Effect.gen(function*() {
      const { heard } = yield* serve({}, (channel) =>
        Effect.andThen(channel.send(startup({ database: "shop" })), channel.receive))
      assert.strictEqual(errorOf(heard)["C"], "28000")
    }))

  it.effect("passes on why an account could not be looked up", () =>
    Effect.gen(function*() {
      const pair = yield* InMemory.pair()
      const channel = MessageChannel.client(pair.client)
      yield* channel.send(startup({ user: "app" }))
      const error = yield* Effect.flip(
        Authenticate.server(MessageChannel.server(pair.server), { account: () => Effect.fail("no directory" as const) })
      )
      assert.strictEqual(error, "no directory")
    }).pipe(Effect.provide(Authenticate.layerCrypto)))

  it.effect("negotiates a newer minor version down to what it speaks, and names the options that it does not know", () =>
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

  it.effect("refuses another major version", () =>
    Effect.gen(function*() {
      const { heard } = yield* serve({}, (channel) =>
        Effect.andThen(channel.send(startup({ user: "app" }, 2 << 16)), channel.receive))
      assert.deepStrictEqual(errorOf(heard), {
        S: "FATAL",
        V: "FATAL",
        C: "0A000",
        M: "unsupported frontend protocol 2.0"
      })
    }))

  it.effect("reports a client that came to cancel, and answers nothing", () =>
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

  it.effect("says no to TLS and GSSAPI, and goes on", () =>
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

  it.effect("secures the line when it can", () =>
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

  it.effect("takes nothing that came in clear text behind the request for TLS", () =>
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

  it.effect("does not negotiate without end", () =>
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

  it.effect("is not impressed by what is not the protocol", () =>
    Effect.gen(function*() {
      const { exit } = yield* serve({}, (_, line) => line.write(bytes("GET / HTTP/1.1\r\n\r\n")))
      assert.strictEqual(failureOf(exit)._tag, "ProtocolError")
    }))

  it.effect("notices when the client leaves instead of answering", () =>
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

  it.effect("answers a query in place of the password with a violation of the protocol", () =>
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

describe("a client in SCRAM", () => {
  interface Lies {
    readonly gs2Header?: string
    readonly mechanism?: string
    readonly first?: (honest: string) => string | null
    readonly final?: (honest: string) => string
  }

  /** A client that knows the password and follows the protocol but for its lies. */
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
          const serverFirst = Result.getOrThrow(ScramMessage.readServerFirst(challenge.data))
          const keys = yield* ScramVerifier.keys(password, serverFirst.salt, serverFirst.iterations)
          const withoutProof = ScramMessage.clientFinalWithoutProof(clientFirst.gs2Header, serverFirst.nonce)
          const proof = yield* ScramVerifier.proof(keys, [clientFirst.bare, serverFirst.text, withoutProof].join(","))
          const honest = `${withoutProof},p=${Buffer.from(proof).toString("base64")}`
          yield* channel.send({ _tag: "SASLResponse", data: bytes(lies.final?.(honest) ?? honest) })
          const answer = yield* channel.receive
          if (answer._tag === "AuthenticationSASLFinal") {
            yield* channel.receive
          }
          return answer
        }).pipe(Effect.provide(Authenticate.layerCrypto)))
    }).pipe(Effect.provide(Authenticate.layerCrypto))

  it.effect("is let in when it is honest", () =>
    Effect.gen(function*() {
      const { exit, heard } = yield* scram({})
      assert.strictEqual(heard._tag, "AuthenticationSASLFinal")
      assert.isTrue(Exit.isSuccess(exit))
    }))

  it.effect("is let in when it could bind the channel, and thinks that we could not", () =>
    Effect.gen(function*() {
      const { exit } = yield* scram({ gs2Header: "y,," })
      assert.isTrue(Exit.isSuccess(exit))
    }))

  const lies: ReadonlyArray<readonly [what: string, lies: Lies, problem: string]> = [
    ["names another mechanism", { mechanism: "SCRAM-SHA-1" }, "it is of another mechanism"],
    ["begins with nothing", { first: () => null }, "it is of another mechanism"],
    ["begins with nonsense", { first: () => "hello" }, "it has no GS2 header"],
    [
      "wants channel binding on a line without TLS",
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
    ["leaves out the proof", { final: (honest) => honest.slice(0, honest.indexOf(",p=")) }, "p= is missing"]
  ]
  for (const [what, lie, problem] of lies) {
    it.effect(`is refused when it ${what}`, () =>
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
    it.effect(`is refused when its proof is ${what}`, () =>
      Effect.gen(function*() {
        const { exit, heard } = yield* scram({ final })
        assert.strictEqual(errorOf(heard)["C"], "28P01")
        const failure = failureOf(exit)
        assert(failure._tag === "AuthError")
        assert.strictEqual(failure.reason._tag, "Rejected")
      }))
  }
})
