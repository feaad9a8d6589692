/** Servers that want more than they should get. Each is told off by its reason, and none of them gets the password. */
import { assert, describe, it } from "@effect/vitest"
import { AuthError, Policy, ScramMessage, ScramVerifier } from "@hyperfect/auth"
import type { Backend } from "@hyperfect/protocol"
import type { Connection, MessageChannel } from "@hyperfect/transport"
import { Effect, Exit, Redacted } from "effect"
import { converse, failureOf, reasonOf, secret } from "./conversation.ts"

const login = { user: "app", password: Redacted.make(secret) }
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString()
const bytes = (text: string) => Uint8Array.from(Buffer.from(text))
const salt = bytes("0123456789abcdef")

/** What the server says within SCRAM, when it does not say what it should. */
interface Lies {
  readonly first?: (honest: string, clientNonce: string) => string
  readonly final?: (honest: string) => string
  /** Sent in place of the challenge. */
  readonly inPlaceOfFirst?: ReadonlyArray<Backend.Message>
  /** Sent in place of the signature. */
  readonly inPlaceOfFinal?: ReadonlyArray<Backend.Message>
}

/** A server that knows the password and follows the protocol but for its lies. */
const scram = (lies: Lies) => (channel: MessageChannel.Server) =>
  Effect.gen(function*() {
    yield* channel.receive
    channel.phase = "sasl-initial"
    yield* channel.send({ _tag: "AuthenticationSASL", mechanisms: [ScramMessage.mechanism] })
    const initial = yield* channel.receive
    assert(initial._tag === "SASLInitialResponse" && initial.data !== null)
    const clientFirst = text(initial.data)
    const clientNonce = /r=(.*)$/.exec(clientFirst)![1]!
    // The tilde is not in the alphabet of our nonces, so that no part of this can be taken for a part of one.
    const honest = ScramMessage.serverFirst(`${clientNonce}~3rfcNHYJY1ZVvWVs7j`, salt, 4096).text
    const serverFirst = lies.first?.(honest, clientNonce) ?? honest
    channel.phase = "sasl"
    yield* channel.send(
      ...lies.inPlaceOfFirst ?? [{ _tag: "AuthenticationSASLContinue", data: bytes(serverFirst) } as const]
    )
    const response = yield* channel.receive
    assert(response._tag === "SASLResponse")
    const clientFinal = text(response.data)
    const authMessage = [clientFirst.slice(3), serverFirst, clientFinal.slice(0, clientFinal.indexOf(",p="))].join(",")
    const keys = yield* ScramVerifier.keys(login.password, salt, 4096)
    const final = ScramMessage.serverFinal(yield* ScramVerifier.serverSignature(keys, authMessage))
    yield* channel.send(
      ...lies.inPlaceOfFinal ??
        [{ _tag: "AuthenticationSASLFinal", data: bytes(lies.final?.(final) ?? final) } as const],
      { _tag: "AuthenticationOk" },
      { _tag: "ReadyForQuery", status: "I" }
    )
    return clientFinal
  })

const deceived = (lies: Lies, policy?: Policy.Policy) => converse(scram(lies), { login, policy })

const notAuthentic = (exit: Exit.Exit<unknown, unknown>) => {
  const reason = reasonOf(exit)
  assert(reason._tag === "ServerNotAuthentic")
  return reason.flaw
}

describe("a server in SCRAM", () => {
  it.effect("is believed when it is honest", () =>
    Effect.gen(function*() {
      const { exit } = yield* deceived({})
      assert(Exit.isSuccess(exit))
    }))

  const nonces: ReadonlyArray<readonly [string, (honest: string, client: string) => string]> = [
    ["repeats our nonce", (honest, client) => honest.replace(/^r=[^,]*/, `r=${client}`)],
    ["shortens our nonce", (honest, client) => honest.replace(client, client.slice(0, -1))],
    ["leaves out our nonce", (honest, client) => honest.replace(client, "")],
    ["changes our nonce", (honest, client) => honest.replace(client, `${client.slice(0, -1)}!`)],
    ["puts its nonce before ours", (honest, client) => honest.replace(client, `x${client}`)]
  ]
  for (const [what, first] of nonces) {
    it.effect(`gets no proof when it ${what}`, () =>
      Effect.gen(function*() {
        const { exit, played } = yield* deceived({ first })
        assert.strictEqual(notAuthentic(exit), "nonce")
        assert.isTrue(Exit.isFailure(played))
      }))
  }

  for (const iterations of [1, 4095, 1_000_001, 2 ** 31, 10 ** 20]) {
    it.effect(`gets no proof when it wants ${iterations} iterations`, () =>
      Effect.gen(function*() {
        const { exit, played } = yield* deceived({
          first: (honest) => honest.replace("i=4096", `i=${BigInt(iterations)}`)
        })
        const reason = reasonOf(exit)
        assert(reason._tag === "IterationsOutOfBounds")
        assert.deepStrictEqual([reason.iterations, reason.minimum, reason.maximum], [iterations, 4096, 1_000_000])
        assert.isTrue(Exit.isFailure(played))
      }))
  }

  it.effect("may want as few iterations as the policy allows", () =>
    Effect.gen(function*() {
      const { exit } = yield* deceived({ first: (honest) => honest.replace("i=4096", "i=1") }, { minIterations: 1 })
      // The test's server computes with 4096, so the proof arrives and the signature is wrong.
      assert.strictEqual(notAuthentic(exit), "signature")
    }))

  it.effect("may not want more iterations than the policy allows", () =>
    Effect.gen(function*() {
      const { exit } = yield* deceived({}, { maxIterations: 4095, minIterations: 1 })
      assert.strictEqual(reasonOf(exit)._tag, "IterationsOutOfBounds")
    }))

  const malformed: ReadonlyArray<readonly [string, Lies, string]> = [
    [
      "sends a salt that is not Base64",
      { first: (honest) => honest.replace(/s=[^,]*/, "s=***") },
      "server-first-message"
    ],
    ["demands an extension", { first: (honest) => `m=x,${honest}` }, "server-first-message"],
    ["sends an empty challenge", { first: () => "" }, "server-first-message"],
    ["sends a signature that is not Base64", { final: () => "v=***" }, "server-final-message"],
    ["sends something else for a signature", { final: (honest) => `x${honest}` }, "server-final-message"]
  ]
  for (const [what, lies, name] of malformed) {
    it.effect(`is not understood when it ${what}`, () =>
      Effect.gen(function*() {
        const { exit } = yield* deceived(lies)
        const reason = reasonOf(exit)
        assert(reason._tag === "MechanismMalformed")
        assert.strictEqual(reason.messageName, name)
      }))
  }

  it.effect("is not believed when its signature is of another salt", () =>
    Effect.gen(function*() {
      const { exit } = yield* deceived({ first: (honest) => honest.replace(/s=[^,]*/, "s=AAAA") })
      assert.strictEqual(notAuthentic(exit), "signature")
    }))

  it.effect("is not believed when its signature is forged", () =>
    Effect.gen(function*() {
      const { exit } = yield* deceived({ final: () => ScramMessage.serverFinal(new Uint8Array(32)) })
      assert.strictEqual(notAuthentic(exit), "signature")
    }))

  it.effect("is not believed when its signature is only the beginning of one", () =>
    Effect.gen(function*() {
      const { exit } = yield* deceived({ final: (honest) => honest.slice(0, 6) })
      assert.strictEqual(notAuthentic(exit), "signature")
    }))

  it.effect("is not believed when its signature is empty", () =>
    Effect.gen(function*() {
      const { exit } = yield* deceived({ final: () => "" })
      assert.strictEqual(notAuthentic(exit), "signature-missing")
    }))

  it.effect("is not believed when it lets us in without a signature", () =>
    Effect.gen(function*() {
      const { exit } = yield* deceived({ inPlaceOfFinal: [] })
      assert.strictEqual(notAuthentic(exit), "signature-missing")
    }))

  it.effect("is not believed when it lets us in without a challenge", () =>
    Effect.gen(function*() {
      const { exit, played } = yield* deceived({
        inPlaceOfFirst: [{ _tag: "AuthenticationOk" }, { _tag: "ReadyForQuery", status: "I" }]
      })
      assert.strictEqual(notAuthentic(exit), "signature-missing")
      assert.isTrue(Exit.isFailure(played))
    }))

  it.effect("may say in the mechanism's own words that the proof is wrong", () =>
    Effect.gen(function*() {
      const { exit } = yield* deceived({ final: () => "e=invalid-proof" })
      const reason = reasonOf(exit)
      assert(reason._tag === "Rejected")
      assert.strictEqual(reason.text, "invalid-proof")
    }))

  for (
    const message of [
      { _tag: "AuthenticationCleartextPassword" },
      { _tag: "AuthenticationMD5Password", salt: new Uint8Array(4) },
      { _tag: "AuthenticationSASL", mechanisms: [ScramMessage.mechanism] },
      { _tag: "ReadyForQuery", status: "I" }
    ] as const
  ) {
    it.effect(`does not get anywhere with ${message._tag} in place of the challenge`, () =>
      Effect.gen(function*() {
        const { exit, wroteSecret } = yield* deceived({ inPlaceOfFirst: [message] })
        const failure = failureOf(exit)
        assert(failure._tag === "ProtocolError")
        assert.strictEqual(failure.reason._tag, "MessageUnexpected")
        assert.isFalse(wroteSecret)
      }))
  }
})

/** A server that says its piece, whatever the client says. */
const saying = (...messages: ReadonlyArray<Backend.Message>) => (channel: MessageChannel.Server) =>
  Effect.gen(function*() {
    yield* channel.receive
    yield* channel.send(...messages)
    return yield* channel.receive
  })

const overTls = (connection: Connection.Connection): Connection.Connection => ({
  ...connection,
  tls: () => ({ protocol: "TLSv1.3", cipher: "TLS_AES_256_GCM_SHA384", peerCertificate: undefined })
})

const cleartext = { _tag: "AuthenticationCleartextPassword" } as const
const md5 = { _tag: "AuthenticationMD5Password", salt: Uint8Array.of(1, 2, 3, 4) } as const
const sasl = { _tag: "AuthenticationSASL", mechanisms: [ScramMessage.mechanism] } as const
const ok = { _tag: "AuthenticationOk" } as const

describe("a server that asks for the password in clear text", () => {
  it.effect("does not get it on a line without TLS", () =>
    Effect.gen(function*() {
      const { exit, wroteSecret } = yield* converse(saying(cleartext), { login })
      const reason = reasonOf(exit)
      assert(reason._tag === "MethodRefused")
      assert.deepStrictEqual([reason.method, reason.rule], ["password", "cleartext"])
      assert.isFalse(wroteSecret)
    }))

  it.effect("gets it on a line with TLS", () =>
    Effect.gen(function*() {
      const { played } = yield* converse(saying(cleartext), { login, connection: overTls })
      assert(Exit.isSuccess(played))
      assert.deepStrictEqual(played.value, { _tag: "PasswordMessage", password: secret })
    }))

  it.effect("gets it without TLS where that is allowed", () =>
    Effect.gen(function*() {
      const { played } = yield* converse(saying(cleartext), { login, policy: { allowCleartextWithoutTls: true } })
      assert(Exit.isSuccess(played))
      assert.deepStrictEqual(played.value, { _tag: "PasswordMessage", password: secret })
    }))
})

describe("a server that asks for an MD5 hash", () => {
  it.effect("gets one that follows from the password, the user and the salt", () =>
    Effect.gen(function*() {
      const { played } = yield* converse(saying(md5), { login: { user: "admin", password: Redacted.make("s3cr3t") } })
      assert(Exit.isSuccess(played))
      // Computed by another implementation, that of Python.
      assert.deepStrictEqual(played.value, { _tag: "PasswordMessage", password: "md569cfeda006c43e85b906be655e81fc3e" })
    }))
})

describe("a method that is not among the allowed ones", () => {
  const requests = {
    trust: ok,
    password: cleartext,
    md5,
    gss: { _tag: "AuthenticationGSS" },
    sspi: { _tag: "AuthenticationSSPI" },
    oauth: { _tag: "AuthenticationSASL", mechanisms: ["OAUTHBEARER"] },
    "scram-sha-256": sasl
  } as const
  for (const method of Policy.methods) {
    it.effect(`gets nothing when it is ${method}`, () =>
      Effect.gen(function*() {
        const methods = Policy.methods.filter((other) => other !== method)
        let asked = false
        const password = Effect.sync(() => {
          asked = true
          return login.password
        })
        const { exit, played } = yield* converse(saying(requests[method]), {
          login: { user: "app", password, token: password },
          policy: { methods, allowCleartextWithoutTls: true }
        })
        const reason = reasonOf(exit)
        assert(reason._tag === "MethodRefused")
        assert.deepStrictEqual([reason.method, reason.rule, reason.allowed], [method, "method", methods])
        assert.isFalse(asked)
        assert.isTrue(Exit.isFailure(played), "nothing was sent")
      }))
  }

  it("says in words what is allowed", () => {
    const refused = new AuthError.MethodRefused({ method: "md5", rule: "method", allowed: ["scram-sha-256"] })
    assert.strictEqual(
      refused.message,
      "the server asks for md5, but only scram-sha-256 is allowed; allow it with `methods`, or change what the server asks for"
    )
  })
})

describe("a method that is not implemented", () => {
  for (
    const [request, offered] of [
      [{ _tag: "AuthenticationGSS" }, ["gss"]],
      [{ _tag: "AuthenticationSSPI" }, ["sspi"]],
      [{ _tag: "AuthenticationKerberosV5" }, ["kerberos"]],
      [{ _tag: "AuthenticationSASL", mechanisms: [] }, []],
      [{ _tag: "AuthenticationSASL", mechanisms: ["SCRAM-SHA-1", "GS2-KRB5"] }, ["SCRAM-SHA-1", "GS2-KRB5"]]
    ] as const
  ) {
    it.effect(`is named: ${request._tag} ${offered.join(" ")}`, () =>
      Effect.gen(function*() {
        const { exit, played } = yield* converse(saying(request), { login })
        const reason = reasonOf(exit)
        assert(reason._tag === "MethodUnsupported")
        assert.deepStrictEqual(reason.offered, offered)
        assert.isTrue(Exit.isFailure(played), "nothing was sent")
      }))
  }

  it.effect("does not keep us from one that is", () =>
    Effect.gen(function*() {
      const mechanisms = ["SCRAM-SHA-512", "SCRAM-SHA-256"]
      const { played } = yield* converse(
        (channel) =>
          Effect.gen(function*() {
            yield* channel.receive
            channel.phase = "sasl-initial"
            yield* channel.send({ _tag: "AuthenticationSASL", mechanisms })
            return yield* channel.receive
          }),
        { login }
      )
      assert(Exit.isSuccess(played) && played.value._tag === "SASLInitialResponse")
      assert.strictEqual(played.value.mechanism, "SCRAM-SHA-256")
    }))
})

describe("a server that does not keep to the order", () => {
  const unexpected = (what: string, ...messages: ReadonlyArray<Backend.Message>) =>
    it.effect(`is refused when it sends ${what}`, () =>
      Effect.gen(function*() {
        const { exit } = yield* converse(saying(...messages), {
          login,
          policy: { allowCleartextWithoutTls: true }
        })
        const failure = failureOf(exit)
        assert(failure._tag === "ProtocolError")
        assert.strictEqual(failure.reason._tag, "MessageUnexpected")
      }))

  unexpected("ReadyForQuery at once", { _tag: "ReadyForQuery", status: "I" })
  unexpected("a setting at once", { _tag: "ParameterStatus", name: "a", value: "b" })
  unexpected("a row at once", { _tag: "DataRow", columns: [] })
  unexpected("a challenge that nobody asked for", { _tag: "AuthenticationSASLContinue", data: new Uint8Array(0) })
  unexpected("a second request", md5, cleartext)
  unexpected("the same request again", cleartext, cleartext)
  unexpected("a request after it has let us in", ok, cleartext)
  unexpected("AuthenticationOk twice", ok, ok)
  unexpected("a row after it has let us in", ok, { _tag: "DataRow", columns: [] })
  unexpected("a negotiation of the version after it has let us in", ok, {
    _tag: "NegotiateProtocolVersion",
    newestVersion: 196608,
    unrecognizedOptions: []
  })
  unexpected(
    "settings without end",
    ok,
    ...Array.from({ length: 1001 }, (_, i) => ({ _tag: "ParameterStatus", name: `${i}`, value: "" }) as const)
  )
  unexpected(
    "notices without end",
    ...Array.from({ length: 1001 }, () => ({ _tag: "NoticeResponse", fields: [] }) as const)
  )

  it.effect("is refused when a message is longer than a log-in needs", () =>
    Effect.gen(function*() {
      const { exit } = yield* converse(
        saying({ _tag: "ErrorResponse", fields: [{ code: "M", value: "x".repeat(30_000) }] }),
        { login }
      )
      const failure = failureOf(exit)
      assert(failure._tag === "ProtocolError")
      assert.strictEqual(failure.reason._tag, "LengthExceeded")
    }))

  it.effect("is refused when it speaks another protocol", () =>
    Effect.gen(function*() {
      const { exit } = yield* converse(
        (channel, line) =>
          Effect.andThen(channel.receive, line.write(bytes("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"))),
        { login }
      )
      assert.strictEqual(failureOf(exit)._tag, "ProtocolError")
    }))
})
