import { assert, describe, it } from "@effect/vitest"
import { Account, Authenticate, AuthError, OAuthBearer } from "@hyperfect/auth"
import type { Login, Policy } from "@hyperfect/auth"
import type { Backend } from "@hyperfect/protocol"
import { type Connection, InMemory, MessageChannel } from "@hyperfect/transport"
import { Data, Effect, Exit, Redacted, Result } from "effect"
import { converse, failureOf, reasonOf, secret } from "./conversation.ts"

const bytes = (text: string) => Uint8Array.from(Buffer.from(text))
const token = Redacted.make(secret)
const login: Login.Login = { user: "app", token }

const discoveryUrl = "https://issuer.example.org/.well-known/openid-configuration"
const scope = "openid database"

const account = Account.oauth({
  verify: (shown) => Effect.succeed(Redacted.value(shown) === secret),
  discoveryUrl,
  scope
})

const serving = (channel: MessageChannel.Server) =>
  Authenticate.server(channel, { account: () => Effect.succeed(account) })

const overTls = (connection: Connection.Connection): Connection.Connection => ({
  ...connection,
  tls: () => ({ protocol: "TLSv1.3", cipher: "TLS_AES_256_GCM_SHA384", peerCertificate: undefined })
})

const saslOffer = { _tag: "AuthenticationSASL", mechanisms: [OAuthBearer.mechanism] } as const
const ok = { _tag: "AuthenticationOk" } as const
const ready = { _tag: "ReadyForQuery", status: "I" } as const
const challenge = (text: string) => ({ _tag: "AuthenticationSASLContinue", data: bytes(text) }) as const
const refused = JSON.stringify({ status: "invalid_token", "openid-configuration": discoveryUrl, scope })

/** A server that answers the client's messages one by one, and records their bytes. */
const answering = (...answers: ReadonlyArray<ReadonlyArray<Backend.Message>>) => (channel: MessageChannel.Server) =>
  Effect.gen(function*() {
    yield* channel.receive
    channel.phase = "sasl-initial"
    yield* channel.send(saslOffer)
    const said: Array<string> = []
    for (const answer of answers) {
      const message = yield* channel.receive
      channel.phase = "sasl"
      said.push("data" in message && message.data !== null ? Buffer.from(message.data).toString() : message._tag)
      yield* channel.send(...answer)
    }
    return said
  })

const refusal = (exit: Exit.Exit<unknown, unknown>) => {
  const reason = reasonOf(exit)
  assert(reason._tag === "TokenRefused")
  return reason
}

describe("OAuth > client and server", () => {
  it.effect("log in with a token", () =>
    Effect.gen(function*() {
      const { exit, played, wroteSecret } = yield* converse(serving, { login, connection: overTls })
      assert(Exit.isSuccess(exit) && Exit.isSuccess(played) && played.value._tag === "Client")
      assert.deepStrictEqual([exit.value.method, exit.value.channelBound], ["oauth", false])
      assert.strictEqual(played.value.method, "oauth")
      assert.isTrue(wroteSecret)
    }))

  it.effect("log in with a token one byte at a time", () =>
    Effect.gen(function*() {
      const { exit } = yield* converse(serving, { login, connection: overTls, line: { capacity: 1 } })
      assert.isTrue(Exit.isSuccess(exit))
    }))

  it.effect("fail with a wrong token, and the client learns where to get one", () =>
    Effect.gen(function*() {
      const wrong = { user: "app", token: Redacted.make(`${secret}~`) }
      const { exit, played } = yield* converse(serving, { login: wrong, connection: overTls })
      const { message, ...reason } = refusal(exit)
      assert.deepInclude(reason, { user: "app", sent: true, status: "invalid_token", discoveryUrl, scope })
      assert.strictEqual(
        message,
        `the server refused the OAuth token of "app" (invalid_token); ${discoveryUrl} says where to get one, ` +
          "for the scope \"openid database\""
      )
      const told = reasonOf(played)
      assert(told._tag === "Rejected")
      assert.deepStrictEqual(
        [told.sqlState, told.text],
        ["28000", "OAuth bearer authentication failed for user \"app\""]
      )
    }))

  it.effect("exchange the location of tokens if there is none", () =>
    Effect.gen(function*() {
      const { exit, played } = yield* converse(serving, { login: { user: "app" }, connection: overTls })
      const reason = refusal(exit)
      assert.deepInclude(reason, { user: "app", sent: false, status: "invalid_token", discoveryUrl, scope })
      assert.include(reason.message, "none was given")
      assert.strictEqual(reasonOf(played)._tag, "Rejected")
    }))
})

describe("OAuth > client", () => {
  it.effect("sends the token in the form of the RFC", () =>
    Effect.gen(function*() {
      const { exit, played } = yield* converse(answering([ok, ready]), { login, connection: overTls })
      assert(Exit.isSuccess(exit) && Exit.isSuccess(played))
      assert.deepStrictEqual(played.value, [`n,,\u0001auth=Bearer ${secret}\u0001\u0001`])
    }))

  it.effect("queries the requirements in the form of the RFC, and confirms the response", () =>
    Effect.gen(function*() {
      const { exit, played } = yield* converse(
        answering([challenge(refused)], [{ _tag: "ErrorResponse", fields: [{ code: "C", value: "28000" }] }]),
        { login: { user: "app" }, connection: overTls }
      )
      assert.isFalse(refusal(exit).sent)
      assert(Exit.isSuccess(played))
      assert.deepStrictEqual(played.value, ["n,,\u0001auth=\u0001\u0001", "\u0001"])
    }))

  it.effect("reports the requirements if the server sends nothing more", () =>
    Effect.gen(function*() {
      const { exit } = yield* converse(answering([challenge(refused)]), { login, connection: overTls })
      assert.deepInclude(refusal(exit), { sent: true, discoveryUrl })
    }))

  for (const [what, given] of [["with a token", login], ["without one", { user: "app" }]] as const) {
    it.effect(`sends nothing on a connection without TLS ${what}`, () =>
      Effect.gen(function*() {
        const { exit, played, wroteSecret } = yield* converse(answering([ok, ready]), { login: given })
        const reason = reasonOf(exit)
        assert(reason._tag === "MethodRefused")
        assert.deepStrictEqual([reason.method, reason.rule], ["oauth", "cleartext"])
        assert.include(reason.message, "OAuth token")
        assert.isTrue(Exit.isFailure(played))
        assert.isFalse(wroteSecret)
      }))
  }

  it.effect("sends the token without TLS if that is allowed", () =>
    Effect.gen(function*() {
      const policy: Policy.Policy = { allowCleartextWithoutTls: true }
      const { exit } = yield* converse(serving, { login, policy })
      assert.isTrue(Exit.isSuccess(exit))
    }))

  it.effect("fetches the token only if it is requested", () =>
    Effect.gen(function*() {
      let fetched = 0
      const fetching = { user: "app", token: Effect.sync(() => (fetched++, token)) }
      const trusting = (channel: MessageChannel.Server) =>
        Authenticate.server(channel, { account: () => Effect.succeed(Account.trust) })
      yield* converse(trusting, { login: fetching, connection: overTls })
      yield* converse(serving, { login: fetching })
      assert.strictEqual(fetched, 0)
      yield* converse(serving, { login: fetching, connection: overTls })
      assert.strictEqual(fetched, 1)
    }))

  it.effect("passes on the failure of the token effect", () =>
    Effect.gen(function*() {
      class IssuerDown extends Data.TaggedError("IssuerDown")<{}> {}
      const { exit } = yield* converse(serving, {
        login: { user: "app", token: new IssuerDown() },
        connection: overTls
      })
      assert.strictEqual(failureOf(exit)._tag, "IssuerDown")
    }))

  for (
    const bad of ["", " ", `${secret} x`, `${secret}\u0001`, `${secret}\0`, `${secret}\n`, `${secret}é`, "=", "a=b"]
  ) {
    it.effect(`does not send a malformed token: ${JSON.stringify(bad.replace(secret, "..."))}`, () =>
      Effect.gen(function*() {
        const { exit, played, wroteSecret } = yield* converse(answering([ok, ready]), {
          login: { user: "app", token: Redacted.make(bad) },
          connection: overTls
        })
        assert.strictEqual(reasonOf(exit)._tag, "TokenInvalid")
        assert.isTrue(Exit.isFailure(played))
        assert.isFalse(wroteSecret)
      }))
  }

  const offers = {
    "SCRAM with a password": [{ user: "app", password: token, token }, {}, "SCRAM-SHA-256"],
    "OAuth without a password": [{ user: "app", token }, {}, "OAUTHBEARER"],
    "SCRAM without any secret": [{ user: "app" }, {}, "SCRAM-SHA-256"],
    "OAuth if nothing else is allowed": [
      { user: "app", password: token, token },
      { methods: ["oauth"] },
      "OAUTHBEARER"
    ],
    "SCRAM if nothing else is allowed": [{ user: "app", token }, { methods: ["scram-sha-256"] }, "SCRAM-SHA-256"]
  } as const
  for (const [what, [given, policy, mechanism]] of Object.entries(offers)) {
    it.effect(`chooses ${what}, if the server offers both`, () =>
      Effect.gen(function*() {
        const { played } = yield* converse(
          (channel) =>
            Effect.gen(function*() {
              yield* channel.receive
              channel.phase = "sasl-initial"
              yield* channel.send({ _tag: "AuthenticationSASL", mechanisms: ["OAUTHBEARER", "SCRAM-SHA-256"] })
              return yield* channel.receive
            }),
          { login: given, policy, connection: overTls }
        )
        assert(Exit.isSuccess(played) && played.value._tag === "SASLInitialResponse")
        assert.strictEqual(played.value.mechanism, mechanism)
      }))
  }
})

describe("OAuth > server messages", () => {
  it.effect("success without a token is rejected", () =>
    Effect.gen(function*() {
      const { exit } = yield* converse(answering([ok, ready]), { login: { user: "app" }, connection: overTls })
      assert.strictEqual(failureOf(exit)._tag, "ProtocolError")
    }))

  const unexpected: Readonly<Record<string, ReadonlyArray<ReadonlyArray<Backend.Message>>>> = {
    "sends AuthenticationOk after it has refused the token": [[challenge(refused)], [ok, ready]],
    "refuses the token twice": [[challenge(refused)], [challenge(refused)]],
    "ends with data": [[{ _tag: "AuthenticationSASLFinal", data: bytes("x") }, ok, ready]],
    "requests a password after the token": [[{ _tag: "AuthenticationCleartextPassword" }]]
  }
  for (const [what, answers] of Object.entries(unexpected)) {
    it.effect(`a server is rejected if it ${what}`, () =>
      Effect.gen(function*() {
        const { exit } = yield* converse(answering(...answers), { login, connection: overTls })
        const failure = failureOf(exit)
        assert(failure._tag === "ProtocolError")
        assert.strictEqual(failure.reason._tag, "MessageUnexpected")
      }))
  }

  const answers: Readonly<Record<string, string | Partial<OAuthBearer.ErrorResponse>>> = {
    "": "it is not a JSON object",
    "{": "it is not a JSON object",
    "[]": "it is not a JSON object",
    null: "it is not a JSON object",
    "\"invalid_token\"": "it is not a JSON object",
    "{}": "status is not a text",
    "{\"status\":401}": "status is not a text",
    "{\"status\":null}": "status is not a text",
    "{\"status\":\"a\\u0000b\"}": "status is not a text",
    "{\"status\":\"x\",\"scope\":[]}": "scope is not a text",
    "{\"status\":\"x\",\"openid-configuration\":7}": "openid-configuration is not an address that begins with https://",
    "{\"status\":\"x\",\"openid-configuration\":\"http://issuer.example.org\"}":
      "openid-configuration is not an address that begins with https://",
    "{\"status\":\"x\",\"openid-configuration\":\"javascript:alert(1)\"}":
      "openid-configuration is not an address that begins with https://",
    "{\"status\":\"x\",\"openid-configuration\":\"https://a b\"}":
      "openid-configuration is not an address that begins with https://",
    "{\"__proto__\":{\"status\":\"x\"}}": "status is not a text",
    " { \"status\" : \"x\" }\n": { status: "x", discoveryUrl: undefined, scope: undefined },
    "{\"status\":\"x\",\"scope\":\"a b\",\"more\":[1]}": { status: "x", discoveryUrl: undefined, scope: "a b" }
  }
  for (const [text, wanted] of Object.entries(answers)) {
    it(`a response is ${typeof wanted === "string" ? "rejected" : "read"}: ${text}`, () => {
      const read = OAuthBearer.readErrorResponse(bytes(text))
      assert.deepStrictEqual<unknown>(Result.isSuccess(read) ? read.success : read.failure.problem, wanted)
    })
  }

  it.effect("a response that is not UTF-8 is rejected", () =>
    Effect.gen(function*() {
      const data = Uint8Array.of(0xff)
      const { exit } = yield* converse(answering([{ _tag: "AuthenticationSASLContinue", data }]), {
        login,
        connection: overTls
      })
      const reason = reasonOf(exit)
      assert(reason._tag === "MechanismMalformed")
      assert.deepStrictEqual([reason.mechanism, reason.messageName], ["OAUTHBEARER", "server error response"])
    }))
})

describe("OAuthBearer.readInitialResponse", () => {
  const read = (text: string) => {
    const result = OAuthBearer.readInitialResponse(bytes(text.replaceAll("^", "\u0001")))
    if (Result.isFailure(result)) return { problem: result.failure.problem }
    return result.success === undefined ? undefined : Redacted.value(result.success)
  }

  it("reads the client's own message", () => {
    assert.strictEqual(read("n,,^auth=Bearer abc.d-e_f~g+h/i==^^"), "abc.d-e_f~g+h/i==")
    assert.isUndefined(read("n,,^auth=^^"))
  })

  it("accepts a host and a port, and any case of the scheme", () => {
    assert.strictEqual(read("y,,^host=db.example.org^port=5432^auth=bEARER  abc^^"), "abc")
  })

  const header = { problem: "it has no GS2 header without binding and identity" }
  const end = { problem: "it does not end as it must" }
  const pairs = { problem: "it is not all pairs" }
  const one = { problem: "it has not one auth=" }
  const bearer = { problem: "auth= is not a bearer token" }
  const wrong = {
    "": header,
    "^auth=Bearer a^^": header,
    "p=tls-server-end-point,,^auth=Bearer a^^": header,
    "n,a=other,^auth=Bearer a^^": header,
    "n,,": end,
    "n,,^": end,
    "n,,^auth=Bearer a": end,
    "n,,^auth=Bearer a^": end,
    "n,,^auth=Bearer a^^x": end,
    "n,,^^": one,
    "n,,^host=a^^": one,
    "n,,^auth=Bearer a^auth=Bearer b^^": one,
    "n,,^^^": pairs,
    "n,,^auth^^": pairs,
    "n,,^auth=Bearer \u00e9^^": pairs,
    "n,,^auth=Basic YTpi^^": bearer,
    "n,,^auth=Bearer^^": bearer,
    "n,,^auth=Bearer a b^^": bearer
  }
  for (const [text, problem] of Object.entries(wrong)) {
    it(`rejects ${JSON.stringify(text)}`, () => assert.deepStrictEqual(read(text), problem))
  }

  for (const [mechanism, data] of [["SCRAM-SHA-256", bytes("n,,n=,r=x")], ["OAUTHBEARER", null]] as const) {
    it.effect(`rejects an initial response that is ${data === null ? "missing" : "of another mechanism"}`, () =>
      Effect.gen(function*() {
        const { played } = yield* converse(serving, {
          login,
          connection: (connection) => ({
            ...connection,
            write: (written) =>
              written[0] === 0x70 ?
                MessageChannel.client(connection).send({ _tag: "SASLInitialResponse", mechanism, data })
                  .pipe(Effect.orDie) :
                connection.write(written),
            tls: overTls(connection).tls
          })
        })
        const reason = reasonOf(played)
        assert(reason._tag === "MechanismMalformed")
        assert.strictEqual(reason.problem, "it is of another mechanism")
      }))
  }
})

describe("OAuthBearer.withTokenProvider", () => {
  type Answers = ReadonlyArray<Redacted.Redacted<string> | undefined | AuthError.TokenUnavailable>

  /** Logs in with a provider that returns one answer after the other. */
  const attempt = (...answers: Answers) =>
    Effect.gen(function*() {
      const asked: Array<OAuthBearer.Discovery | undefined> = []
      let attempts = 0
      const provider = OAuthBearer.TokenProvider.of({
        token: (discovery, refused) =>
          Effect.suspend(() => {
            asked.push(discovery)
            if (discovery !== undefined) assert.strictEqual(refused, answers[0])
            const answer = answers[asked.length - 1]
            return answer instanceof AuthError.TokenUnavailable ? Effect.fail(answer) : Effect.succeed(answer)
          })
      })
      const result = yield* OAuthBearer.withTokenProvider((token) =>
        Effect.gen(function*() {
          attempts++
          const line = yield* InMemory.pair()
          yield* Effect.forkScoped(serving(MessageChannel.server(line.server)))
          const channel = MessageChannel.client(overTls(line.client))
          return yield* Authenticate.client(channel, { user: "app", token })
        }).pipe(Effect.scoped)
      ).pipe(Effect.provideService(OAuthBearer.TokenProvider, provider), Effect.result)
      return { asked, attempts, result }
    }).pipe(Effect.provide(Authenticate.layerCrypto))

  const reason = (result: Result.Result<unknown, unknown>) => {
    assert(Result.isFailure(result) && result.failure instanceof AuthError.AuthError)
    return result.failure.reason
  }

  it.effect("uses the provider's token", () =>
    Effect.gen(function*() {
      const { asked, attempts, result } = yield* attempt(token)
      assert.isTrue(Result.isSuccess(result))
      assert.deepStrictEqual([asked, attempts], [[undefined], 1])
    }))

  it.effect("asks the server for its requirements, and the provider for a token", () =>
    Effect.gen(function*() {
      const { asked, attempts, result } = yield* attempt(undefined, token)
      assert.isTrue(Result.isSuccess(result))
      assert.deepStrictEqual([asked, attempts], [[undefined, { discoveryUrl, scope }], 2])
    }))

  it.effect("replaces an expired token", () =>
    Effect.gen(function*() {
      const { asked, attempts, result } = yield* attempt(Redacted.make("expired"), token)
      assert.isTrue(Result.isSuccess(result))
      assert.deepStrictEqual([asked, attempts], [[undefined, { discoveryUrl, scope }], 2])
    }))

  it.effect("tries at most twice", () =>
    Effect.gen(function*() {
      const { attempts, result } = yield* attempt(Redacted.make("expired"), Redacted.make("stale"), token)
      assert.strictEqual(reason(result)._tag, "TokenRefused")
      assert.strictEqual(attempts, 2)
    }))

  it.effect("fails if the provider has no token", () =>
    Effect.gen(function*() {
      const { attempts, result } = yield* attempt(undefined, undefined)
      assert.strictEqual(reason(result)._tag, "TokenRefused")
      assert.strictEqual(attempts, 1)
    }))

  it.effect("passes on the failure of the provider", () =>
    Effect.gen(function*() {
      const { attempts, result } = yield* attempt(
        undefined,
        new AuthError.TokenUnavailable({ problem: "the user did not answer" })
      )
      const failure = reason(result)
      assert.strictEqual(failure.message, "could not obtain an OAuth token: the user did not answer")
      assert.strictEqual(attempts, 1)
    }))

  it.effect("does not retry after other failures", () =>
    Effect.gen(function*() {
      const { asked, attempts, result } = yield* attempt(Redacted.make("not a token"))
      assert.strictEqual(reason(result)._tag, "TokenInvalid")
      assert.deepStrictEqual([asked, attempts], [[undefined], 1])
    }))
})
