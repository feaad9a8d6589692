/**
 * Servers that request more than they should get. Each fails with its own reason, and none of them gets the password.
 */
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

/** Deviations of a server from correct SCRAM. */
interface ServerFaults {
  readonly first?: (honest: string, clientNonce: string) => string
  readonly final?: (honest: string) => string
  /** Sent in place of the challenge. */
  readonly inPlaceOfFirst?: ReadonlyArray<Backend.Message>
  /** Sent in place of the signature. */
  readonly inPlaceOfFinal?: ReadonlyArray<Backend.Message>
}

/** A server that knows the password and follows the protocol, except for the given faults. */
const scram = (lies: ServerFaults) => (channel: MessageChannel.Server) =>
  Effect.gen(function*() {
    yield* channel.receive
    channel.phase = "sasl-initial"
    yield* channel.send({ _tag: "AuthenticationSASL", mechanisms: [ScramMessage.mechanism] })
    const initial = yield* channel.receive
    assert(initial._tag === "SASLInitialResponse" && initial.data !== null)
    const clientFirst = text(initial.data)
    const clientNonce = /r=(.*)$/.exec(clientFirst)![1]!
    // The tilde is not in the alphabet of client nonces, so no part of this can be mistaken for a part of one.
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
    const keys = yield* ScramVerifier.deriveKeys(login.password, salt, 4096)
    const final = ScramMessage.serverFinal(yield* ScramVerifier.serverSignature(keys, authMessage))
    yield* channel.send(
      ...lies.inPlaceOfFinal ??
        [{ _tag: "AuthenticationSASLFinal", data: bytes(lies.final?.(final) ?? final) } as const],
      { _tag: "AuthenticationOk" },
      { _tag: "ReadyForQuery", status: "I" }
    )
    return clientFinal
  })

const converseWithFaults = (lies: ServerFaults, policy?: Policy.Policy) => converse(scram(lies), { login, policy })

const notAuthentic = (exit: Exit.Exit<unknown, unknown>) => {
  const reason = reasonOf(exit)
  assert(reason._tag === "ServerNotAuthentic")
  return reason.flaw
}

describe("Authenticate.client > malicious SCRAM server", () => {
  it.effect("logs in to a correct server", () =>
    Effect.gen(function*() {
      const { exit } = yield* converseWithFaults({})
      assert(Exit.isSuccess(exit))
    }))

  const nonces: ReadonlyArray<readonly [string, (honest: string, client: string) => string]> = [
    ["repeats the client's nonce", (honest, client) => honest.replace(/^r=[^,]*/, `r=${client}`)],
    ["shortens the client's nonce", (honest, client) => honest.replace(client, client.slice(0, -1))],
    ["omits the client's nonce", (honest, client) => honest.replace(client, "")],
    ["changes the client's nonce", (honest, client) => honest.replace(client, `${client.slice(0, -1)}!`)],
    ["puts its nonce before the client's", (honest, client) => honest.replace(client, `x${client}`)]
  ]
  for (const [what, first] of nonces) {
    it.effect(`sends no proof to a server that ${what}`, () =>
      Effect.gen(function*() {
        const { exit, played } = yield* converseWithFaults({ first })
        assert.strictEqual(notAuthentic(exit), "nonce")
        assert.isTrue(Exit.isFailure(played))
      }))
  }

  for (const iterations of [1, 4095, 1_000_001, 2 ** 31, 10 ** 20]) {
    it.effect(`sends no proof for ${iterations} iterations`, () =>
      Effect.gen(function*() {
        const { exit, played } = yield* converseWithFaults({
          first: (honest) => honest.replace("i=4096", `i=${BigInt(iterations)}`)
        })
        const reason = reasonOf(exit)
        assert(reason._tag === "IterationsOutOfBounds")
        assert.deepStrictEqual([reason.iterations, reason.minimum, reason.maximum], [iterations, 4096, 1_000_000])
        assert.isTrue(Exit.isFailure(played))
      }))
  }

  it.effect("accepts as few iterations as the policy allows", () =>
    Effect.gen(function*() {
      const { exit } = yield* converseWithFaults({ first: (honest) => honest.replace("i=4096", "i=1") }, {
        minIterations: 1
      })
      // The test's server computes with 4096, so the proof arrives and the signature is wrong.
      assert.strictEqual(notAuthentic(exit), "signature")
    }))

  it.effect("rejects more iterations than the policy allows", () =>
    Effect.gen(function*() {
      const { exit } = yield* converseWithFaults({}, { maxIterations: 4095, minIterations: 1 })
      assert.strictEqual(reasonOf(exit)._tag, "IterationsOutOfBounds")
    }))

  const malformed: ReadonlyArray<readonly [string, ServerFaults, string]> = [
    [
      "sends a salt that is not Base64",
      { first: (honest) => honest.replace(/s=[^,]*/, "s=***") },
      "server-first-message"
    ],
    ["demands an extension", { first: (honest) => `m=x,${honest}` }, "server-first-message"],
    ["sends an empty challenge", { first: () => "" }, "server-first-message"],
    ["sends a signature that is not Base64", { final: () => "v=***" }, "server-final-message"],
    ["sends another attribute for the signature", { final: (honest) => `x${honest}` }, "server-final-message"]
  ]
  for (const [what, lies, name] of malformed) {
    it.effect(`fails with MechanismMalformed for a server that ${what}`, () =>
      Effect.gen(function*() {
        const { exit } = yield* converseWithFaults(lies)
        const reason = reasonOf(exit)
        assert(reason._tag === "MechanismMalformed")
        assert.strictEqual(reason.messageName, name)
      }))
  }

  it.effect("rejects a signature of another salt", () =>
    Effect.gen(function*() {
      const { exit } = yield* converseWithFaults({ first: (honest) => honest.replace(/s=[^,]*/, "s=AAAA") })
      assert.strictEqual(notAuthentic(exit), "signature")
    }))

  it.effect("rejects a forged signature", () =>
    Effect.gen(function*() {
      const { exit } = yield* converseWithFaults({ final: () => ScramMessage.serverFinal(new Uint8Array(32)) })
      assert.strictEqual(notAuthentic(exit), "signature")
    }))

  it.effect("rejects a truncated signature", () =>
    Effect.gen(function*() {
      const { exit } = yield* converseWithFaults({ final: (honest) => honest.slice(0, 6) })
      assert.strictEqual(notAuthentic(exit), "signature")
    }))

  it.effect("rejects an empty signature", () =>
    Effect.gen(function*() {
      const { exit } = yield* converseWithFaults({ final: () => "" })
      assert.strictEqual(notAuthentic(exit), "signature-missing")
    }))

  it.effect("rejects a server that reports success without a signature", () =>
    Effect.gen(function*() {
      const { exit } = yield* converseWithFaults({ inPlaceOfFinal: [] })
      assert.strictEqual(notAuthentic(exit), "signature-missing")
    }))

  it.effect("rejects a server that reports success without a challenge", () =>
    Effect.gen(function*() {
      const { exit, played } = yield* converseWithFaults({
        inPlaceOfFirst: [{ _tag: "AuthenticationOk" }, { _tag: "ReadyForQuery", status: "I" }]
      })
      assert.strictEqual(notAuthentic(exit), "signature-missing")
      assert.isTrue(Exit.isFailure(played))
    }))

  it.effect("reports a mechanism error about a wrong proof", () =>
    Effect.gen(function*() {
      const { exit } = yield* converseWithFaults({ final: () => "e=invalid-proof" })
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
    it.effect(`rejects ${message._tag} in place of the challenge`, () =>
      Effect.gen(function*() {
        const { exit, wroteSecret } = yield* converseWithFaults({ inPlaceOfFirst: [message] })
        const failure = failureOf(exit)
        assert(failure._tag === "ProtocolError")
        assert.strictEqual(failure.reason._tag, "MessageUnexpected")
        assert.isFalse(wroteSecret)
      }))
  }
})

/** A server that sends these messages, whatever the client sends. */
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

describe("Authenticate.client > clear text password", () => {
  it.effect("is not sent on a connection without TLS", () =>
    Effect.gen(function*() {
      const { exit, wroteSecret } = yield* converse(saying(cleartext), { login })
      const reason = reasonOf(exit)
      assert(reason._tag === "MethodRefused")
      assert.deepStrictEqual([reason.method, reason.rule], ["password", "cleartext"])
      assert.isFalse(wroteSecret)
    }))

  it.effect("is sent on a connection with TLS", () =>
    Effect.gen(function*() {
      const { played } = yield* converse(saying(cleartext), { login, connection: overTls })
      assert(Exit.isSuccess(played))
      assert.deepStrictEqual(played.value, { _tag: "PasswordMessage", password: secret })
    }))

  it.effect("is sent without TLS if that is allowed", () =>
    Effect.gen(function*() {
      const { played } = yield* converse(saying(cleartext), { login, policy: { allowCleartextWithoutTls: true } })
      assert(Exit.isSuccess(played))
      assert.deepStrictEqual(played.value, { _tag: "PasswordMessage", password: secret })
    }))
})

describe("Authenticate.client > MD5 hash", () => {
  it.effect("is derived from the password, the user and the salt", () =>
    Effect.gen(function*() {
      const { played } = yield* converse(saying(md5), {
        login: { user: "admin", password: Redacted.make("s3cr3t") },
        policy: { allowMd5WithoutTls: true }
      })
      assert(Exit.isSuccess(played))
      // Computed by an independent implementation, in Python.
      assert.deepStrictEqual(played.value, { _tag: "PasswordMessage", password: "md569cfeda006c43e85b906be655e81fc3e" })
    }))
})

describe("Authenticate.client > connection without TLS", () => {
  for (
    const [request, method, rule, option] of [
      [cleartext, "password", "cleartext", "allowCleartextWithoutTls"],
      [md5, "md5", "md5", "allowMd5WithoutTls"]
    ] as const
  ) {
    it.effect(`sends nothing for ${method} unless the policy allows it`, () =>
      Effect.gen(function*() {
        for (const methods of [undefined, [method]]) {
          const { exit, played, wroteSecret } = yield* converse(saying(request), { login, policy: { methods } })
          const reason = reasonOf(exit)
          assert(reason._tag === "MethodRefused")
          assert.deepStrictEqual([reason.method, reason.rule], [method, rule])
          assert.include(reason.message, option)
          assert.include(reason.message, `require_auth=${method}`)
          assert.isFalse(wroteSecret)
          assert.isTrue(Exit.isFailure(played), "nothing was sent")
        }
        const { played } = yield* converse(saying(request), { login, policy: { [option]: true } })
        assert.isTrue(Exit.isSuccess(played))
      }))
  }
})

describe("Authenticate.client > method not allowed", () => {
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
    it.effect(`sends nothing for ${method}`, () =>
      Effect.gen(function*() {
        const methods = Policy.methods.filter((other) => other !== method)
        let asked = false
        const password = Effect.sync(() => {
          asked = true
          return login.password
        })
        const { exit, played } = yield* converse(saying(requests[method]), {
          login: { user: "app", password, token: password },
          policy: { methods, allowCleartextWithoutTls: true, allowMd5WithoutTls: true }
        })
        const reason = reasonOf(exit)
        assert(reason._tag === "MethodRefused")
        assert.deepStrictEqual([reason.method, reason.rule, reason.allowed], [method, "method", methods])
        assert.isFalse(asked)
        assert.isTrue(Exit.isFailure(played), "nothing was sent")
      }))
  }

  it("lists the allowed methods in its message", () => {
    const refused = new AuthError.MethodRefused({ method: "md5", rule: "method", allowed: ["scram-sha-256"] })
    assert.strictEqual(
      refused.message,
      "the server asks for md5, but only scram-sha-256 is allowed; allow it with `methods`, or change what the server asks for"
    )
  })
})

describe("Authenticate.client > method not implemented", () => {
  for (
    const [request, offered] of [
      [{ _tag: "AuthenticationGSS" }, ["gss"]],
      [{ _tag: "AuthenticationSSPI" }, ["sspi"]],
      [{ _tag: "AuthenticationKerberosV5" }, ["kerberos"]],
      [{ _tag: "AuthenticationSASL", mechanisms: [] }, []],
      [{ _tag: "AuthenticationSASL", mechanisms: ["SCRAM-SHA-1", "GS2-KRB5"] }, ["SCRAM-SHA-1", "GS2-KRB5"]]
    ] as const
  ) {
    it.effect(`is reported: ${request._tag} ${offered.join(" ")}`, () =>
      Effect.gen(function*() {
        const { exit, played } = yield* converse(saying(request), { login })
        const reason = reasonOf(exit)
        assert(reason._tag === "MethodUnsupported")
        assert.deepStrictEqual(reason.offered, offered)
        assert.isTrue(Exit.isFailure(played), "nothing was sent")
      }))
  }

  it.effect("is skipped if an implemented one is offered, too", () =>
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

describe("Authenticate.client > unexpected messages", () => {
  const unexpected = (what: string, ...messages: ReadonlyArray<Backend.Message>) =>
    it.effect(`are rejected: ${what}`, () =>
      Effect.gen(function*() {
        const { exit } = yield* converse(saying(...messages), {
          login,
          policy: { allowCleartextWithoutTls: true, allowMd5WithoutTls: true }
        })
        const failure = failureOf(exit)
        assert(failure._tag === "ProtocolError")
        assert.strictEqual(failure.reason._tag, "MessageUnexpected")
      }))

  unexpected("ReadyForQuery immediately", { _tag: "ReadyForQuery", status: "I" })
  unexpected("a setting immediately", { _tag: "ParameterStatus", name: "a", value: "b" })
  unexpected("a row immediately", { _tag: "DataRow", columns: [] })
  unexpected("an unsolicited challenge", { _tag: "AuthenticationSASLContinue", data: new Uint8Array(0) })
  unexpected("a second request", md5, cleartext)
  unexpected("the same request again", cleartext, cleartext)
  unexpected("a request after AuthenticationOk", ok, cleartext)
  unexpected("AuthenticationOk twice", ok, ok)
  unexpected("a row after AuthenticationOk", ok, { _tag: "DataRow", columns: [] })
  unexpected("a version negotiation after AuthenticationOk", ok, {
    _tag: "NegotiateProtocolVersion",
    newestVersion: 196608,
    unrecognizedOptions: []
  })
  unexpected(
    "an endless stream of settings",
    ok,
    ...Array.from({ length: 1001 }, (_, i) => ({ _tag: "ParameterStatus", name: `${i}`, value: "" }) as const)
  )
  unexpected(
    "an endless stream of notices",
    ...Array.from({ length: 1001 }, () => ({ _tag: "NoticeResponse", fields: [] }) as const)
  )

  it.effect("are rejected if longer than a login needs", () =>
    Effect.gen(function*() {
      const { exit } = yield* converse(
        saying({ _tag: "ErrorResponse", fields: [{ code: "M", value: "x".repeat(30_000) }] }),
        { login }
      )
      const failure = failureOf(exit)
      assert(failure._tag === "ProtocolError")
      assert.strictEqual(failure.reason._tag, "LengthExceeded")
    }))

  it.effect("are rejected in another protocol", () =>
    Effect.gen(function*() {
      const { exit } = yield* converse(
        (channel, line) =>
          Effect.andThen(channel.receive, line.write(bytes("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"))),
        { login }
      )
      assert.strictEqual(failureOf(exit)._tag, "ProtocolError")
    }))
})
