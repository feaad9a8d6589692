import { assert, describe, it } from "@effect/vitest"
import { NodeTransport } from "@hyperfect/node"
import { Certificates } from "@hyperfect/testing"
import { type Connection, Endpoint, Listener, Transport, type TransportError } from "@hyperfect/transport"
import { Effect, Redacted } from "effect"
import { Digest, Signature } from "effect/crypto"

const authority = await Effect.runPromise(Certificates.makeAuthority({ name: "Root" }))
const stranger = await Effect.runPromise(Certificates.makeAuthority({ name: "Somebody else's root" }))
const issue = (options: Partial<Certificates.Options>) =>
  Effect.runPromise(authority.issue({ name: "server", ...options }))
const named = await issue({ hosts: ["db.example.org", "*.wild.example.org"] })
const addressed = await issue({ hosts: ["127.0.0.1", "::1"] })

const full = (serverName: string): Connection.TlsOptions => ({
  verification: "full",
  serverName,
  rootCertificates: authority.certificate
})

/** Runs both sides of a handshake; what the server says of a refusal is up to the TLS library. */
const meet = (client: Connection.TlsOptions, server: Connection.TlsServerOptions) =>
  Effect.gen(function*() {
    const transport = yield* Transport.Transport
    const listener = yield* Listener.Listener
    const listening = yield* listener.listen(Endpoint.tcp("127.0.0.1", 0))
    const near = yield* transport.connect(listening.endpoint)
    const far = yield* listening.accept
    const [nearResult, farResult] = yield* Effect.all([
      Effect.result(near.startTls(client)),
      Effect.result(far.acceptTls(server))
    ], { concurrency: 2 })
    return { near, far, nearResult, farResult }
  }).pipe(Effect.provide(NodeTransport.layer))

const accepted = (client: Connection.TlsOptions, server: Connection.TlsServerOptions) =>
  Effect.gen(function*() {
    const { far, near, nearResult } = yield* meet(client, server)
    yield* Effect.fromResult(nearResult)
    yield* far.write(Uint8Array.of(1, 2, 3))
    assert.deepStrictEqual([...(yield* near.pull)[0]], [1, 2, 3])
  })

const refusal = (client: Connection.TlsOptions, server: Connection.TlsServerOptions) =>
  Effect.gen(function*() {
    const { near, nearResult } = yield* meet(client, server)
    assert.strictEqual(nearResult._tag, "Failure")
    assert.isUndefined(near.tls())
    return describeReason((nearResult as { readonly failure: TransportError.TransportError }).failure.reason)
  })

const describeReason = (reason: TransportError.Reason): string =>
  `${reason._tag} ${"code" in reason ? reason.code : ""}`

describe("verification by chain and name", () => {
  it.live("accepts a certificate of a trusted root for its names", () =>
    Effect.gen(function*() {
      yield* accepted(full("db.example.org"), named)
      yield* accepted(full("DB.Example.ORG"), named)
      yield* accepted(full("any.wild.example.org"), named)
    }))

  it.live("accepts addresses that the certificate lists as addresses", () =>
    Effect.gen(function*() {
      yield* accepted(full("127.0.0.1"), addressed)
      yield* accepted(full("::1"), addressed)
    }))

  it.live("refuses other names and addresses", () =>
    Effect.gen(function*() {
      for (const name of ["example.org", "db.example.org.evil.example", "a.b.wild.example.org", "127.0.0.1", ""]) {
        assert.strictEqual(yield* refusal(full(name), named), "TlsFailed ERR_TLS_CERT_ALTNAME_INVALID", name)
      }
      for (const name of ["127.0.0.2", "localhost"]) {
        assert.strictEqual(yield* refusal(full(name), addressed), "TlsFailed ERR_TLS_CERT_ALTNAME_INVALID", name)
      }
    }))

  it.live("does not take an address in a name for an address", () =>
    Effect.gen(function*() {
      const certificate = yield* authority.issue({ name: "127.0.0.1" })
      assert.strictEqual(yield* refusal(full("127.0.0.1"), certificate), "TlsFailed ERR_TLS_CERT_ALTNAME_INVALID")
    }))

  it.live("refuses a certificate that has expired, and one that is not valid yet", () =>
    Effect.gen(function*() {
      const hosts = ["db.example.org"]
      const expired = yield* authority.issue({ name: "server", hosts, notAfter: new Date("2001-01-01T00:00:00Z") })
      assert.strictEqual(yield* refusal(full("db.example.org"), expired), "TlsFailed CERT_HAS_EXPIRED")
      const early = yield* authority.issue({ name: "server", hosts, notBefore: new Date("2049-01-01T00:00:00Z") })
      assert.strictEqual(yield* refusal(full("db.example.org"), early), "TlsFailed CERT_NOT_YET_VALID")
    }))

  it.live("refuses a certificate that only vouches for itself, unless it is the root", () =>
    Effect.gen(function*() {
      const alone = yield* Certificates.selfSigned({ name: "server", hosts: ["db.example.org"] })
      assert.strictEqual(yield* refusal(full("db.example.org"), alone), "TlsFailed DEPTH_ZERO_SELF_SIGNED_CERT")
      yield* accepted({ ...full("db.example.org"), rootCertificates: alone.certificate }, alone)
    }))

  it.live("refuses the root of somebody else, and trusts the system's roots when none are given", () =>
    Effect.gen(function*() {
      const untrusted = { ...full("db.example.org"), rootCertificates: stranger.certificate }
      const expected = "TlsFailed UNABLE_TO_VERIFY_LEAF_SIGNATURE"
      assert.strictEqual(yield* refusal(untrusted, named), expected)
      assert.strictEqual(yield* refusal({ verification: "full", serverName: "db.example.org" }, named), expected)
    }))

  it.live("trusts any of several roots", () =>
    accepted(
      { ...full("db.example.org"), rootCertificates: stranger.certificate + authority.certificate },
      named
    ))
})

describe("no verification", () => {
  it.live("takes any certificate, for any name", () =>
    Effect.gen(function*() {
      const expired = yield* Certificates.selfSigned({ name: "x", notAfter: new Date("2001-01-01T00:00:00Z") })
      for (const serverName of ["db.example.org", "127.0.0.1", ""]) {
        yield* accepted({ verification: "none", serverName }, expired)
      }
    }))
})

describe("facts of a secured line", () => {
  for (
    const algorithm of [
      Signature.ed25519,
      Signature.ecdsaP384,
      Signature.rsaPkcs1v15({ hash: Digest.sha256, modulusLength: 2048 })
    ]
  ) {
    it.live(`are protocol, cipher and the other end's certificate, signed with ${algorithm.name}`, () =>
      Effect.gen(function*() {
        const certificate = yield* authority.issue({ name: "server", algorithm })
        const { far, near } = yield* meet({ verification: "none", serverName: "" }, certificate)
        assert.strictEqual(near.tls()?.protocol, "TLSv1.3")
        assert.match(near.tls()!.cipher, /^TLS_/)
        assert.deepStrictEqual(new Uint8Array(near.tls()!.peerCertificate!), certificate.der)
        assert.isUndefined(far.tls()?.peerCertificate)
      }))
  }
})

describe("client certificates", () => {
  const server = { ...named, clientRoots: authority.certificate }

  it.live("are shown when the server asks", () =>
    Effect.gen(function*() {
      const own = yield* authority.issue({ name: "app" })
      const { far } = yield* meet(
        { ...full("db.example.org"), certificate: own.certificate, key: own.key },
        server
      )
      assert.deepStrictEqual(new Uint8Array(far.tls()!.peerCertificate!), own.der)
    }))

  it.live("that are missing or untrusted fail the server's handshake, and the client's next pull", () =>
    Effect.gen(function*() {
      const foreign = yield* stranger.issue({ name: "app" })
      for (
        const options of [
          full("db.example.org"),
          { ...full("db.example.org"), certificate: foreign.certificate, key: foreign.key }
        ]
      ) {
        const { farResult, near } = yield* meet(options, server)
        assert.strictEqual(farResult._tag, "Failure")
        const failure = yield* Effect.flip(near.pull)
        assert.include(["ReadFailed", "Closed"], failure.reason._tag)
      }
    }))
})

describe("certificates and keys that cannot be read", () => {
  it.live("fail the handshake on either side, and the secret stays out of the error", () =>
    Effect.gen(function*() {
      const secret = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----"
      const { farResult, nearResult } = yield* meet(
        { verification: "none", serverName: "", certificate: named.certificate, key: Redacted.make(secret) },
        { certificate: "no certificate", key: Redacted.make(secret) }
      )
      assert.strictEqual(nearResult._tag, "Failure")
      assert.strictEqual(farResult._tag, "Failure")
      for (const result of [nearResult, farResult]) {
        const { failure } = result as { readonly failure: TransportError.TransportError }
        assert.strictEqual(failure.reason._tag, "TlsFailed")
        assert.notInclude(JSON.stringify(failure), "c2VjcmV0")
      }
    }))

  it.live("fail the handshake when they do not belong together", () =>
    Effect.gen(function*() {
      const { nearResult } = yield* meet(
        { verification: "none", serverName: "", certificate: named.certificate, key: addressed.key },
        named
      )
      assert.strictEqual(nearResult._tag, "Failure")
    }))

  it.live("fail the handshake when the roots are no certificates", () =>
    Effect.gen(function*() {
      const { nearResult } = yield* meet({ ...full("db.example.org"), rootCertificates: "nonsense" }, named)
      assert.strictEqual(nearResult._tag, "Failure")
    }))
})
