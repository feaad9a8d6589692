/** Logins over TLS to real servers, which verify the client's channel binding. */
import { assert, layer } from "@effect/vitest"
import { Authenticate, AuthError } from "@hyperfect/auth"
import type { Policy } from "@hyperfect/auth"
import { Hyperd } from "@hyperfect/hyper"
import { NodePlatform } from "@hyperfect/node"
import { Backend } from "@hyperfect/protocol"
import { Certificates, HyperdServer, PostgresServer } from "@hyperfect/testing"
import { type Connection, type Endpoint, MessageChannel, TlsNegotiation, Transport } from "@hyperfect/transport"
import { Effect, Layer, Redacted } from "effect"
import { Digest, Signature } from "effect/crypto"
import { signAgain } from "./certificates.ts"
import { secret } from "./conversation.ts"

const password = Redacted.make(secret)

/** Logs in over a connection with TLS, whose properties can be falsified for the client. */
const connect = (
  endpoint: Endpoint.Endpoint,
  user: string,
  policy?: Policy.Policy,
  deceive: (connection: Connection.Connection) => Connection.Connection = (connection) => connection
) =>
  Effect.gen(function*() {
    const transport = yield* Transport.Transport
    const connection = yield* transport.connect(endpoint)
    yield* TlsNegotiation.start(connection, { verification: "none", serverName: "localhost" })
    const channel = MessageChannel.client(deceive(connection), { longLimit: Authenticate.messageLimit })
    const database = user === "admin" ? undefined : "app"
    return yield* Authenticate.client(channel, { user, password, database }, policy)
  }).pipe(Effect.scoped, Effect.timeout("10 seconds"), Effect.provide(Authenticate.layerCrypto))

const loginFailure = (...given: Parameters<typeof connect>) =>
  Effect.flip(connect(...given)).pipe(
    Effect.flatMap((error) => error._tag === "AuthError" ? Effect.succeed(error.reason) : Effect.fail(error))
  )

/** Replaces the server's certificate in the client's view, as a man in the middle would. */
const withPeerCertificate =
  (peerCertificate: Uint8Array) => (connection: Connection.Connection): Connection.Connection => ({
    ...connection,
    tls: () => ({ ...connection.tls()!, peerCertificate })
  })

const offer = Backend.encodeUnsafe({
  _tag: "AuthenticationSASL",
  mechanisms: ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"]
})
const stripped = Backend.encodeUnsafe({ _tag: "AuthenticationSASL", mechanisms: ["SCRAM-SHA-256"] })

/** Hides the server's offer of channel binding from the client. */
const stripping = (seen: { offer: boolean }) => (connection: Connection.Connection): Connection.Connection => ({
  ...connection,
  pull: Effect.map(connection.pull, ([first, ...rest]) => {
    if (Buffer.compare(first, offer) !== 0) return [first, ...rest]
    seen.offer = true
    return [stripped, ...rest]
  })
})

const rsa = Signature.rsaPkcs1v15({ hash: Digest.sha256, modulusLength: 2048 })

const certificates = {
  "RSA and SHA-256": Certificates.selfSigned({ name: "server", algorithm: rsa }),
  "RSASSA-PSS and SHA-384": Effect.map(Certificates.selfSigned({ name: "server", algorithm: rsa }), signAgain),
  "ECDSA, P-256 and SHA-256": Certificates.selfSigned({ name: "server", algorithm: Signature.ecdsaP256 }),
  "ECDSA, P-384 and SHA-384": Certificates.selfSigned({ name: "server", algorithm: Signature.ecdsaP384 }),
  Ed25519: Certificates.selfSigned({ name: "server", algorithm: Signature.ed25519 })
}

const postgres = (certificate: (typeof certificates)[keyof typeof certificates]) =>
  Layer.unwrap(Effect.map(Effect.orDie(certificate), (tls) =>
    Layer.fresh(PostgresServer.layer({
      tls,
      databases: ["app"],
      hba: ["host all trusting all trust", "host all clear all password", "host all hashing all md5"],
      setup: [
        ...["proving", "trusting", "clear"].map((role) => `create role ${role} login password '${secret}'`),
        "set password_encryption = 'md5'",
        `create role hashing login password '${secret}'`
      ]
    })))).pipe(Layer.provideMerge(NodePlatform.layer))

const { Ed25519, ...hashed } = certificates

for (const [name, certificate] of Object.entries(hashed)) {
  const what = `Login to PostgreSQL whose certificate is signed with ${name}`
  layer(postgres(certificate), { excludeTestServices: true })(what, (it) => {
    it.effect("is bound to the TLS session", () =>
      Effect.gen(function*() {
        const { endpoint } = yield* PostgresServer.PostgresServer
        for (const policy of [{}, { channelBinding: "require", methods: ["scram-sha-256"] }] as const) {
          const session = yield* connect(endpoint, "proving", policy)
          assert.deepStrictEqual([session.method, session.channelBound], ["scram-sha-256", true])
        }
      }))

    it.effect("is not bound if the client disables it", () =>
      Effect.gen(function*() {
        const { endpoint } = yield* PostgresServer.PostgresServer
        const session = yield* connect(endpoint, "proving", { channelBinding: "disable" })
        assert.deepStrictEqual([session.method, session.channelBound], ["scram-sha-256", false])
      }))

    it.effect("fails if a man in the middle presents another certificate", () =>
      Effect.gen(function*() {
        const { endpoint } = yield* PostgresServer.PostgresServer
        const { der } = yield* Certificates.selfSigned({ name: "server" })
        const reason = yield* loginFailure(endpoint, "proving", {}, withPeerCertificate(der))
        assert(reason._tag === "ChannelBindingMismatch")
        assert.deepStrictEqual([reason.sqlState, reason.text], ["28000", "SCRAM channel binding check failed"])
        assert.include(reason.message, "man in the middle")
        assert.notInclude(reason.message, "pg_hba.conf")
        assert.isFalse(AuthError.fromReason(reason).isRetryable)
      }))

    it.effect("fails if a man in the middle strips the offer", () =>
      Effect.gen(function*() {
        const { endpoint } = yield* PostgresServer.PostgresServer
        const seen = { offer: false }
        const reason = yield* loginFailure(endpoint, "proving", {}, stripping(seen))
        assert.isTrue(seen.offer)
        assert(reason._tag === "ChannelBindingMismatch")
        assert.deepStrictEqual([reason.sqlState, reason.text], ["28000", "SCRAM channel binding negotiation error"])
      }))
  })
}

layer(postgres(hashed["ECDSA, P-256 and SHA-256"]), { excludeTestServices: true })(
  "Login to PostgreSQL with required channel binding",
  (it) => {
    for (const user of ["trusting", "clear", "hashing"]) {
      it.effect(`fails if the server does not request SCRAM from ${user}, and only then`, () =>
        Effect.gen(function*() {
          const { endpoint } = yield* PostgresServer.PostgresServer
          const reason = yield* loginFailure(endpoint, user, { channelBinding: "require" })
          assert(reason._tag === "ChannelBindingUnavailable")
          assert.strictEqual(reason.problem, "not-offered")
          assert.isFalse((yield* connect(endpoint, user)).channelBound)
        }))
    }

    it.effect("fails if the offer is stripped", () =>
      Effect.gen(function*() {
        const { endpoint } = yield* PostgresServer.PostgresServer
        const seen = { offer: false }
        const reason = yield* loginFailure(endpoint, "proving", { channelBinding: "require" }, stripping(seen))
        assert(reason._tag === "ChannelBindingUnavailable")
        assert.deepStrictEqual([seen.offer, reason.problem], [true, "not-offered"])
      }))

    it.effect("fails if the client sees no TLS, whatever the policy", () =>
      Effect.gen(function*() {
        const { endpoint } = yield* PostgresServer.PostgresServer
        const plain = (connection: Connection.Connection) => ({ ...connection, tls: () => undefined })
        const problems = { disable: "offered-without-tls", prefer: "offered-without-tls", require: "no-tls" } as const
        for (const channelBinding of ["disable", "prefer", "require"] as const) {
          const reason = yield* loginFailure(endpoint, "proving", { channelBinding }, plain)
          assert(reason._tag === "ChannelBindingUnavailable")
          assert.strictEqual(reason.problem, problems[channelBinding])
        }
      }))
  }
)

layer(postgres(Ed25519), { excludeTestServices: true })(
  "Login to PostgreSQL whose certificate is signed with Ed25519",
  (it) => {
    it.effect("fails with required channel binding, which such a certificate does not support", () =>
      Effect.gen(function*() {
        const { endpoint } = yield* PostgresServer.PostgresServer
        for (const channelBinding of ["prefer", "require"] as const) {
          const reason = yield* loginFailure(endpoint, "proving", { channelBinding })
          assert(reason._tag === "ChannelBindingUnavailable")
          assert.deepStrictEqual([reason.problem, reason.algorithm], ["no-hash", "1.3.101.112"])
        }
      }))

    it.effect("succeeds without channel binding", () =>
      Effect.gen(function*() {
        const { endpoint } = yield* PostgresServer.PostgresServer
        const session = yield* connect(endpoint, "proving", { channelBinding: "disable" })
        assert.deepStrictEqual([session.method, session.channelBound], ["scram-sha-256", false])
      }))
  }
)

const hyper = HyperdServer.layer({ password, user: "admin", tls: true }).pipe(Layer.provideMerge(NodePlatform.layer))

layer(hyper, { excludeTestServices: true })("Login to Hyper over TLS", (it) => {
  it.effect("sends the flag that the client supports channel binding, which Hyper accepts", () =>
    Effect.gen(function*() {
      const { endpoint } = yield* Hyperd.Hyperd
      let first = ""
      const watching = (connection: Connection.Connection): Connection.Connection => ({
        ...connection,
        write: (bytes) => {
          first ||= /SCRAM-SHA-256\0....(.,,)/s.exec(Buffer.from(bytes).toString("latin1"))?.[1] ?? ""
          return connection.write(bytes)
        }
      })
      const session = yield* connect(endpoint, "admin", {}, watching)
      assert.deepStrictEqual([session.method, session.channelBound, first], ["scram-sha-256", false, "y,,"])
    }))

  it.effect("fails with required channel binding", () =>
    Effect.gen(function*() {
      const { endpoint } = yield* Hyperd.Hyperd
      const reason = yield* loginFailure(endpoint, "admin", { channelBinding: "require" })
      assert(reason._tag === "ChannelBindingUnavailable")
      assert.strictEqual(reason.problem, "not-offered")
    }))
})
