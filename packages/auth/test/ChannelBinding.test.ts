import { assert, describe, it } from "@effect/vitest"
import { Account, Authenticate, ChannelBinding, ScramMessage, ScramVerifier } from "@hyperfect/auth"
import type { Policy } from "@hyperfect/auth"
import type { Backend } from "@hyperfect/protocol"
import { Certificates } from "@hyperfect/testing"
import { type Connection, InMemory, MessageChannel } from "@hyperfect/transport"
import { Effect, Exit, Fiber, Redacted, Result } from "effect"
import { Digest, Signature } from "effect/crypto"
import { createHash } from "node:crypto"
import { der, objectId, pss, rsaPss, sha1, sha256, sha384, sha512, signAgain, signedWith } from "./certificates.ts"
import { converse, failureOf, reasonOf, secret } from "./conversation.ts"

const hashOf = (certificate: Uint8Array): string => {
  const hash = ChannelBinding.hashAlgorithm(certificate)
  return Result.isSuccess(hash) ? hash.success.name : hash.failure.problem
}

describe("ChannelBinding.hashAlgorithm", () => {
  const signatures = {
    "RSA with MD5": ["1.2.840.113549.1.1.4", "SHA-256"],
    "RSA with SHA-1": ["1.2.840.113549.1.1.5", "SHA-256"],
    "RSA with SHA-256": ["1.2.840.113549.1.1.11", "SHA-256"],
    "RSA with SHA-384": ["1.2.840.113549.1.1.12", "SHA-384"],
    "RSA with SHA-512": ["1.2.840.113549.1.1.13", "SHA-512"],
    "RSA with SHA-224": ["1.2.840.113549.1.1.14", "no-hash"],
    "DSA with SHA-1": ["1.2.840.10040.4.3", "SHA-256"],
    "DSA with SHA-256": ["2.16.840.1.101.3.4.3.2", "SHA-256"],
    "ECDSA with SHA-1": ["1.2.840.10045.4.1", "SHA-256"],
    "ECDSA with SHA-256": ["1.2.840.10045.4.3.2", "SHA-256"],
    "ECDSA with SHA-384": ["1.2.840.10045.4.3.3", "SHA-384"],
    "ECDSA with SHA-512": ["1.2.840.10045.4.3.4", "SHA-512"],
    Ed25519: ["1.3.101.112", "no-hash"],
    Ed448: ["1.3.101.113", "no-hash"],
    "ML-DSA-65": ["2.16.840.1.101.3.4.3.18", "no-hash"]
  } as const
  for (const [name, [algorithm, hash]] of Object.entries(signatures)) {
    it(`is ${hash} for ${name}`, () => assert.strictEqual(hashOf(signedWith(algorithm)), hash))
  }

  const parameters: ReadonlyArray<readonly [what: string, parameters: Uint8Array, hash: string]> = [
    ["SHA-256", pss(sha256, sha256, 32), "SHA-256"],
    ["SHA-384", pss(sha384, sha384, 48), "SHA-384"],
    ["SHA-512", pss(sha512, sha512, 64), "SHA-512"],
    ["SHA-1 by name", pss(sha1, sha1, 20), "SHA-256"],
    ["SHA-1 by default", pss(), "SHA-256"],
    ["two hashes", pss(sha256, sha1, 32), "no-hash"],
    ["two hashes, one of them by default", pss(sha256), "no-hash"],
    ["another mask", pss(sha256, sha256, 32, "1.2.3"), "no-hash"],
    ["an unknown hash", pss("1.2.3", "1.2.3"), "no-hash"],
    ["invalid parameters", der(0x04, Uint8Array.of(1)), "no-hash"],
    ["an invalid hash", der(0x30, der(0xa0, Uint8Array.of(0x30, 9))), "no-hash"]
  ]
  for (const [what, value, hash] of parameters) {
    it(`is ${hash} for RSASSA-PSS with ${what}`, () => assert.strictEqual(hashOf(signedWith(rsaPss, value)), hash))
  }

  it("is unknown for RSASSA-PSS without parameters", () => assert.strictEqual(hashOf(signedWith(rsaPss)), "no-hash"))

  it.effect("is found in real certificates", () =>
    Effect.gen(function*() {
      const algorithms = [
        [Signature.ecdsaP256, "SHA-256"],
        [Signature.ecdsaP384, "SHA-384"],
        [Signature.ecdsaP521, "SHA-512"],
        [Signature.rsaPkcs1v15({ hash: Digest.sha1, modulusLength: 2048 }), "SHA-256"],
        [Signature.rsaPkcs1v15({ hash: Digest.sha512, modulusLength: 2048 }), "SHA-512"],
        [Signature.ed25519, "no-hash"]
      ] as const
      for (const [algorithm, hash] of algorithms) {
        const certificate = yield* Certificates.selfSigned({ name: "server", algorithm })
        assert.strictEqual(hashOf(certificate.der), hash)
      }
    }))

  it.effect("is that of the authority's signature, not of the certificate's key", () =>
    Effect.gen(function*() {
      const authority = yield* Certificates.makeAuthority({ name: "Root", algorithm: Signature.ecdsaP384 })
      const { der } = yield* authority.issue({ name: "server", algorithm: Signature.ecdsaP256 })
      assert.strictEqual(hashOf(der), "SHA-384")
      assert.deepStrictEqual(
        Buffer.from(yield* ChannelBinding.endPoint(der)).toString("hex"),
        createHash("sha384").update(der).digest("hex")
      )
    }).pipe(Effect.provide(Authenticate.layerCrypto)))

  const whole = signedWith("1.2.840.10045.4.3.2")
  const broken: ReadonlyArray<readonly [what: string, bytes: Uint8Array]> = [
    ["nothing", new Uint8Array(0)],
    ["text", Uint8Array.from(Buffer.from("a certificate"))],
    ["a certificate with a byte after it", Uint8Array.of(...whole, 0)],
    ["two certificates", Uint8Array.of(...whole, ...whole)],
    ["a length without an end", Uint8Array.of(0x30, 0x80, ...whole.subarray(2), 0, 0)],
    ["a length that could be shorter", Uint8Array.of(0x30, 0x81, ...whole.subarray(1))],
    ["a length that is a byte longer than necessary", Uint8Array.of(0x30, 0x82, 0, ...whole.subarray(1))],
    ["a length of eight bytes", Uint8Array.of(0x30, 0x88, 0, 0, 0, 0, 0, 0, ...whole)],
    ["a tag of two bytes", der(0x30, Uint8Array.of(0x3f, 0x21, 0))],
    ["a certificate without a signature", der(0x30, der(0x30), der(0x30, objectId("1.3.101.112")))],
    ["a signature that is not a bit string", der(0x30, der(0x30), der(0x30, objectId("1.3.101.112")), der(0x04))],
    ["an algorithm without a name", der(0x30, der(0x30), der(0x30), der(0x03))],
    ["an algorithm with an empty name", der(0x30, der(0x30), der(0x30, der(0x06)), der(0x03))],
    ["a name that does not end", der(0x30, der(0x30), der(0x30, der(0x06, Uint8Array.of(0x2a, 0x86))), der(0x03))],
    ["a name that begins with a zero", der(0x30, der(0x30), der(0x30, der(0x06, Uint8Array.of(0x80, 1))), der(0x03))]
  ]
  for (const [what, bytes] of broken) {
    it(`rejects ${what}`, () => assert.strictEqual(hashOf(bytes), "certificate-malformed"))
  }

  it.effect("returns a hash or a problem for any truncated or changed certificate", () =>
    Effect.gen(function*() {
      const { der } = yield* Certificates.selfSigned({ name: "server" })
      for (let at = 0; at < der.length; at++) {
        assert.strictEqual(hashOf(der.subarray(0, at)), "certificate-malformed")
        for (const flip of [0x01, 0x80, 0xff]) {
          assert.include(
            ["SHA-256", "SHA-384", "SHA-512", "no-hash", "certificate-malformed"],
            hashOf(der.with(at, der[at]! ^ flip))
          )
        }
      }
    }))

  it.effect("is found in a certificate signed with RSASSA-PSS", () =>
    Effect.gen(function*() {
      const algorithm = Signature.rsaPkcs1v15({ hash: Digest.sha256, modulusLength: 2048 })
      const certificate = signAgain(yield* Certificates.selfSigned({ name: "server", algorithm }))
      assert.strictEqual(hashOf(certificate.der), "SHA-384")
    }))
})

const certificate = await Effect.runPromise(Certificates.selfSigned({ name: "server" }))
const another = await Effect.runPromise(Certificates.selfSigned({ name: "server" }))

const password = Redacted.make(secret)
const login = { user: "app", password }

/** A connection with TLS, as seen by one end. */
const secured = (peerCertificate: Uint8Array | undefined) => (connection: Connection.Connection) => ({
  ...connection,
  tls: () => ({ protocol: "TLSv1.3", cipher: "TLS_AES_256_GCM_SHA384", peerCertificate })
})

interface Ends {
  readonly policy?: Policy.Policy
  /** The client's view of the server; no TLS if absent. */
  readonly seen?: { readonly certificate: Uint8Array | undefined } | undefined
  /** The certificate that the server presents; no TLS if absent. */
  readonly shown?: { readonly certificate: string | undefined } | undefined
  /** Changes the server's messages on the way to the client. */
  readonly between?: (message: Backend.Message) => Backend.Message
}

/** A client and a server of this package, each with its own view of the connection. */
const ends = ({ between, policy, seen, shown }: Ends) =>
  converse(
    (_, line: InMemory.InMemoryConnection) =>
      Effect.gen(function*() {
        const account = Account.scramSha256(yield* ScramVerifier.make(password))
        const channel = MessageChannel.server(shown === undefined ? line : secured(undefined)(line))
        const { send } = channel
        const heard: Array<string> = []
        const tampering: MessageChannel.Server = Object.assign(channel, {
          receive: Effect.tap(channel.receive, (message) =>
            Effect.sync(() => {
              if (message._tag === "SASLInitialResponse") heard.push(message.mechanism, text(message.data!).slice(0, 2))
            })),
          send: (...messages: ReadonlyArray<Backend.Message>) =>
            send(...messages.map(between ?? ((message) => message)))
        })
        const options = { account: () => Effect.succeed(account), certificate: shown?.certificate }
        return { client: yield* Effect.exit(Authenticate.server(tampering, options)), heard }
      }),
    { login, policy, connection: seen === undefined ? undefined : secured(seen.certificate) }
  )

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString()

const problemOf = (exit: Exit.Exit<unknown, unknown>) => {
  const reason = reasonOf(exit)
  assert(reason._tag === "ChannelBindingUnavailable")
  return reason.problem
}

const seen = { certificate: certificate.der }
const shown = { certificate: certificate.certificate }

describe("Channel binding > client and server", () => {
  const agreed: ReadonlyArray<
    readonly [what: string, ends: Ends, heard: Array<string>, bound: boolean]
  > = [
    ["bind the login to the TLS session", { seen, shown }, ["SCRAM-SHA-256-PLUS", "p="], true],
    [
      "bind if that is required",
      { seen, shown, policy: { channelBinding: "require", methods: ["scram-sha-256"] } },
      ["SCRAM-SHA-256-PLUS", "p="],
      true
    ],
    [
      "do not bind if the client disables it",
      { seen, shown, policy: { channelBinding: "disable" } },
      ["SCRAM-SHA-256", "n,"],
      false
    ],
    [
      "do not bind if the server cannot, and the client's flag says so",
      { seen, shown: { certificate: undefined } },
      ["SCRAM-SHA-256", "y,"],
      false
    ],
    [
      "do not bind if the client does not know the certificate",
      { seen: { certificate: undefined }, shown },
      ["SCRAM-SHA-256", "n,"],
      false
    ]
  ]
  for (const [what, given, heard, bound] of agreed) {
    it.effect(what, () =>
      Effect.gen(function*() {
        const { exit, played } = yield* ends(given)
        assert(Exit.isSuccess(exit) && Exit.isSuccess(played))
        assert.isTrue(Exit.isSuccess(played.value.client))
        assert.deepStrictEqual(played.value.heard, heard)
        assert.deepStrictEqual([exit.value.method, exit.value.channelBound], ["scram-sha-256", bound])
      }))
  }

  it.effect("do not bind if the server's certificate has no hash for it", () =>
    Effect.gen(function*() {
      const ed25519 = yield* Certificates.selfSigned({ name: "server", algorithm: Signature.ed25519 })
      const { exit, played } = yield* ends({ seen: { certificate: ed25519.der }, shown: ed25519 })
      assert(Exit.isSuccess(exit) && Exit.isSuccess(played))
      assert.deepStrictEqual(played.value.heard, ["SCRAM-SHA-256", "y,"])
      assert.isFalse(exit.value.channelBound)
    }))

  it.effect("fail if the server is configured with an invalid certificate", () =>
    Effect.gen(function*() {
      const { played } = yield* ends({ seen, shown: { certificate: "-----BEGIN NOTHING-----" } })
      assert(Exit.isSuccess(played))
      assert.strictEqual(problemOf(played.value.client), "certificate-malformed")
    }))
})

const strip = (message: Backend.Message): Backend.Message =>
  message._tag === "AuthenticationSASL" ? { ...message, mechanisms: [ScramMessage.mechanism] } : message

describe("Channel binding > man in the middle", () => {
  it.effect("is detected by a different certificate", () =>
    Effect.gen(function*() {
      const { exit, played } = yield* ends({ seen: { certificate: another.der }, shown })
      assert(Exit.isSuccess(played))
      for (const reason of [reasonOf(exit), reasonOf(played.value.client)]) {
        assert(reason._tag === "ChannelBindingMismatch")
        assert.deepStrictEqual([reason.sqlState, reason.text], ["28000", "SCRAM channel binding check failed"])
      }
    }))

  it.effect("is detected by the server if the offer of channel binding is stripped", () =>
    Effect.gen(function*() {
      const { exit, played } = yield* ends({ seen: { certificate: another.der }, shown, between: strip })
      assert(Exit.isSuccess(played))
      assert.deepStrictEqual(played.value.heard, ["SCRAM-SHA-256", "y,"])
      for (const reason of [reasonOf(exit), reasonOf(played.value.client)]) {
        assert(reason._tag === "ChannelBindingMismatch")
        assert.deepStrictEqual([reason.sqlState, reason.text], ["28000", "SCRAM channel binding negotiation error"])
      }
    }))

  it.effect("is detected by the client if the offer is stripped although it is required", () =>
    Effect.gen(function*() {
      const { exit, played } = yield* ends({ seen, shown, between: strip, policy: { channelBinding: "require" } })
      assert.strictEqual(problemOf(exit), "not-offered")
      assert(Exit.isSuccess(played))
      assert.deepStrictEqual(played.value.heard, [])
    }))

  it.effect("is detected if TLS is stripped on one side only", () =>
    Effect.gen(function*() {
      for (const channelBinding of ["disable", "prefer"] as const) {
        const { exit, played } = yield* ends({ shown, policy: { channelBinding } })
        assert.strictEqual(problemOf(exit), "offered-without-tls")
        assert(Exit.isSuccess(played))
        assert.deepStrictEqual(played.value.heard, [])
      }
    }))

  it.effect("fails the login for a certificate without a hash or an invalid one", () =>
    Effect.gen(function*() {
      const ed25519 = yield* Certificates.selfSigned({ name: "server", algorithm: Signature.ed25519 })
      const certificates = { "no-hash": ed25519.der, "certificate-malformed": Uint8Array.of(1, 2, 3) }
      for (const [problem, certificate] of Object.entries(certificates)) {
        for (const channelBinding of ["prefer", "require"] as const) {
          const { exit, played } = yield* ends({ seen: { certificate }, shown, policy: { channelBinding } })
          assert.strictEqual(problemOf(exit), problem)
          assert(Exit.isSuccess(played))
          assert.deepStrictEqual(played.value.heard, [])
        }
      }
    }))
})

describe("Channel binding > required", () => {
  const policy = { channelBinding: "require", allowCleartextWithoutTls: true } as const

  it.effect("fails before anything is sent on a connection without TLS", () =>
    Effect.gen(function*() {
      const { exit, written } = yield* ends({ policy })
      assert.strictEqual(problemOf(exit), "no-tls")
      assert.strictEqual(written.length, 0)
    }))

  it.effect("fails if the certificate is unknown", () =>
    Effect.gen(function*() {
      const { exit, played } = yield* ends({ seen: { certificate: undefined }, shown, policy })
      assert.strictEqual(problemOf(exit), "no-certificate")
      assert(Exit.isSuccess(played))
      assert.deepStrictEqual(played.value.heard, [])
    }))

  const requests: Readonly<Record<string, Backend.Message>> = {
    "no proof at all": { _tag: "AuthenticationOk" },
    "the password in clear text": { _tag: "AuthenticationCleartextPassword" },
    "an MD5 hash": { _tag: "AuthenticationMD5Password", salt: new Uint8Array(4) },
    GSSAPI: { _tag: "AuthenticationGSS" },
    SSPI: { _tag: "AuthenticationSSPI" },
    "a token": { _tag: "AuthenticationSASL", mechanisms: ["OAUTHBEARER"] },
    "SCRAM without channel binding": { _tag: "AuthenticationSASL", mechanisms: ["SCRAM-SHA-256"] }
  }
  for (const [what, request] of Object.entries(requests)) {
    it.effect(`fails if the server requests ${what}`, () =>
      Effect.gen(function*() {
        let asked = false
        const fetch = Effect.sync(() => {
          asked = true
          return password
        })
        const { exit, played } = yield* converse(
          (channel) =>
            Effect.gen(function*() {
              yield* channel.receive
              yield* channel.send(request, { _tag: "ReadyForQuery", status: "I" })
              return yield* channel.receive
            }),
          { login: { user: "app", password: fetch, token: fetch }, policy, connection: secured(certificate.der) }
        )
        assert.strictEqual(problemOf(exit), "not-offered")
        assert.isFalse(asked)
        assert.strictEqual(failureOf(played)._tag, "TransportError")
      }))
  }
})

describe("Channel binding > faulty client", () => {
  const lies: ReadonlyArray<readonly [what: string, mechanism: string, first: string, reason: string]> = [
    ["chooses PLUS without the flag", "SCRAM-SHA-256-PLUS", "n,,n=,r=abc", "MechanismMalformed"],
    ["sets the flag without choosing PLUS", "SCRAM-SHA-256", "p=tls-server-end-point,,n=,r=abc", "MechanismMalformed"],
    ["requests another type", "SCRAM-SHA-256-PLUS", "p=tls-unique,,n=,r=abc", "MechanismMalformed"],
    ["claims that the server has no channel binding", "SCRAM-SHA-256", "y,,n=,r=abc", "ChannelBindingMismatch"]
  ]
  for (const [what, mechanism, first, reason] of lies) {
    it.effect(`is rejected if it ${what}`, () =>
      Effect.gen(function*() {
        const line = yield* InMemory.pair()
        const account = Account.scramSha256(yield* ScramVerifier.make(password))
        const serving = yield* Effect.forkChild(
          Authenticate.server(MessageChannel.server(secured(undefined)(line.server)), {
            account: () => Effect.succeed(account),
            certificate: certificate.certificate
          })
        )
        const client = MessageChannel.client(line.client)
        const parameters = [{ name: "user", value: "app" }]
        yield* client.send({ _tag: "StartupMessage", protocolVersion: 196608, parameters })
        assert.deepStrictEqual(yield* client.receive, {
          _tag: "AuthenticationSASL",
          mechanisms: ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"]
        })
        yield* client.send({ _tag: "SASLInitialResponse", mechanism, data: Uint8Array.from(Buffer.from(first)) })
        const answer = yield* client.receive
        assert(answer._tag === "ErrorResponse")
        assert.deepInclude(answer.fields, { code: "C", value: reason === "ChannelBindingMismatch" ? "28000" : "08P01" })
        assert.strictEqual(reasonOf(yield* Fiber.await(serving))._tag, reason)
      }).pipe(Effect.provide(Authenticate.layerCrypto)))
  }
})
