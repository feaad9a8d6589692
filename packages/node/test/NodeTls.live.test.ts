import { assert, describe, it } from "@effect/vitest"
import { NodeTransport } from "@hyperfect/node"
import { Certificates } from "@hyperfect/testing"
import { type Connection, Endpoint, Listener, Transport, type TransportError } from "@hyperfect/transport"
import { Effect, Redacted } from "effect"
import { Digest, Signature } from "effect/crypto"
import { once } from "node:events"
import type { AddressInfo } from "node:net"
import * as Tls from "node:tls"

const authority = await Effect.runPromise(Certificates.makeAuthority({ name: "Root" }))
const otherAuthority = await Effect.runPromise(Certificates.makeAuthority({ name: "Somebody else's root" }))
const issue = (options: Partial<Certificates.Options>) =>
  Effect.runPromise(authority.issue({ name: "server", ...options }))
const namedCertificate = await issue({ hosts: ["db.example.org", "*.wild.example.org"] })
const addressCertificate = await issue({ hosts: ["127.0.0.1", "::1"] })

const verifyFull = (serverName: string): Connection.TlsOptions => ({
  verification: "full",
  serverName,
  rootCertificates: authority.certificate
})

/** Runs both sides of a handshake; the TLS library decides what the server reports for a refusal. */
const handshake = (client: Connection.TlsOptions, server: Connection.TlsServerOptions) =>
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
    const { far, near, nearResult } = yield* handshake(client, server)
    yield* Effect.fromResult(nearResult)
    yield* far.write(Uint8Array.of(1, 2, 3))
    assert.deepStrictEqual([...(yield* near.pull)[0]], [1, 2, 3])
  })

const refusal = (client: Connection.TlsOptions, server: Connection.TlsServerOptions) =>
  Effect.gen(function*() {
    const { near, nearResult } = yield* handshake(client, server)
    assert.strictEqual(nearResult._tag, "Failure")
    assert.isUndefined(near.tls())
    return describeReason((nearResult as { readonly failure: TransportError.TransportError }).failure.reason)
  })

const describeReason = (reason: TransportError.Reason): string =>
  `${reason._tag} ${"code" in reason ? reason.code : ""}`

describe("NodeTls > verification: full", () => {
  it.live("accepts a certificate of a trusted root for its names", () =>
    Effect.gen(function*() {
      yield* accepted(verifyFull("db.example.org"), namedCertificate)
      yield* accepted(verifyFull("DB.Example.ORG"), namedCertificate)
      yield* accepted(verifyFull("any.wild.example.org"), namedCertificate)
    }))

  it.live("accepts addresses that the certificate lists as addresses", () =>
    Effect.gen(function*() {
      yield* accepted(verifyFull("127.0.0.1"), addressCertificate)
      yield* accepted(verifyFull("::1"), addressCertificate)
    }))

  it.live("rejects other names and addresses", () =>
    Effect.gen(function*() {
      for (const name of ["example.org", "db.example.org.evil.example", "a.b.wild.example.org", "127.0.0.1", ""]) {
        assert.strictEqual(
          yield* refusal(verifyFull(name), namedCertificate),
          "TlsFailed ERR_TLS_CERT_ALTNAME_INVALID",
          name
        )
      }
      for (const name of ["127.0.0.2", "localhost"]) {
        assert.strictEqual(
          yield* refusal(verifyFull(name), addressCertificate),
          "TlsFailed ERR_TLS_CERT_ALTNAME_INVALID",
          name
        )
      }
    }))

  it.live("matches a wildcard with one whole leftmost label only", () =>
    Effect.gen(function*() {
      const taken = yield* authority.issue({ name: "server", hosts: ["*.example.org"] })
      yield* accepted(verifyFull("db.example.org"), taken)
      for (const hosts of [["d*.example.org"], ["*b.example.org"], ["d*b.example.org"], ["*"], ["db.*.org"]]) {
        const certificate = yield* authority.issue({ name: "server", hosts })
        assert.strictEqual(
          yield* refusal(verifyFull("db.example.org"), certificate),
          "TlsFailed ERR_TLS_CERT_ALTNAME_INVALID",
          hosts[0]
        )
      }
      const onlyNamed = yield* authority.issue({ name: "d*.example.org" })
      assert.include(yield* refusal(verifyFull("db.example.org"), onlyNamed), "TlsFailed")
    }))

  it.live("checks the name if the verification mode is unknown", () =>
    Effect.gen(function*() {
      const options = { ...verifyFull("example.org"), verification: "verify-full" as "full" }
      assert.strictEqual(yield* refusal(options, namedCertificate), "TlsFailed ERR_TLS_CERT_ALTNAME_INVALID")
    }))

  it.live("does not match an address with a DNS name of the certificate", () =>
    Effect.gen(function*() {
      const certificate = yield* authority.issue({ name: "127.0.0.1" })
      assert.strictEqual(yield* refusal(verifyFull("127.0.0.1"), certificate), "TlsFailed ERR_TLS_CERT_ALTNAME_INVALID")
    }))

  it.live("rejects an expired certificate, and one that is not valid yet", () =>
    Effect.gen(function*() {
      const hosts = ["db.example.org"]
      const expired = yield* authority.issue({ name: "server", hosts, notAfter: new Date("2001-01-01T00:00:00Z") })
      assert.strictEqual(yield* refusal(verifyFull("db.example.org"), expired), "TlsFailed CERT_HAS_EXPIRED")
      const early = yield* authority.issue({ name: "server", hosts, notBefore: new Date("2049-01-01T00:00:00Z") })
      assert.strictEqual(yield* refusal(verifyFull("db.example.org"), early), "TlsFailed CERT_NOT_YET_VALID")
    }))

  it.live("rejects a self-signed certificate unless it is a root", () =>
    Effect.gen(function*() {
      const alone = yield* Certificates.selfSigned({ name: "server", hosts: ["db.example.org"] })
      assert.strictEqual(yield* refusal(verifyFull("db.example.org"), alone), "TlsFailed DEPTH_ZERO_SELF_SIGNED_CERT")
      yield* accepted({ ...verifyFull("db.example.org"), rootCertificates: alone.certificate }, alone)
    }))

  it.live("rejects an unknown root, and trusts the system's roots by default", () =>
    Effect.gen(function*() {
      const untrusted = { ...verifyFull("db.example.org"), rootCertificates: otherAuthority.certificate }
      const expected = "TlsFailed UNABLE_TO_VERIFY_LEAF_SIGNATURE"
      assert.strictEqual(yield* refusal(untrusted, namedCertificate), expected)
      assert.strictEqual(
        yield* refusal({ verification: "full", serverName: "db.example.org" }, namedCertificate),
        expected
      )
    }))

  it.live("trusts any of several roots", () =>
    accepted(
      { ...verifyFull("db.example.org"), rootCertificates: otherAuthority.certificate + authority.certificate },
      namedCertificate
    ))
})

describe("NodeTls > verification: none", () => {
  it.live("accepts any certificate for any name", () =>
    Effect.gen(function*() {
      const expired = yield* Certificates.selfSigned({ name: "x", notAfter: new Date("2001-01-01T00:00:00Z") })
      for (const serverName of ["db.example.org", "127.0.0.1", ""]) {
        yield* accepted({ verification: "none", serverName }, expired)
      }
    }))
})

describe("NodeTls > connection info", () => {
  for (
    const algorithm of [
      Signature.ed25519,
      Signature.ecdsaP384,
      Signature.rsaPkcs1v15({ hash: Digest.sha256, modulusLength: 2048 })
    ]
  ) {
    it.live(`contains the protocol, the cipher and the peer's certificate signed with ${algorithm.name}`, () =>
      Effect.gen(function*() {
        const certificate = yield* authority.issue({ name: "server", algorithm })
        const { far, near } = yield* handshake({ verification: "none", serverName: "" }, certificate)
        assert.strictEqual(near.tls()?.protocol, "TLSv1.3")
        assert.match(near.tls()!.cipher, /^TLS_/)
        assert.deepStrictEqual(new Uint8Array(near.tls()!.peerCertificate!), certificate.der)
        assert.isUndefined(far.tls()?.peerCertificate)
      }))
  }
})

describe("NodeTls > client certificates", () => {
  const server = { ...namedCertificate, clientRoots: authority.certificate }

  it.live("are sent if the server requests one", () =>
    Effect.gen(function*() {
      const own = yield* authority.issue({ name: "app" })
      const { far } = yield* handshake(
        { ...verifyFull("db.example.org"), certificate: own.certificate, key: own.key },
        server
      )
      assert.deepStrictEqual(new Uint8Array(far.tls()!.peerCertificate!), own.der)
    }))

  it.live("fail the server's handshake and the client's next pull if missing or untrusted", () =>
    Effect.gen(function*() {
      const foreign = yield* otherAuthority.issue({ name: "app" })
      for (
        const options of [
          verifyFull("db.example.org"),
          { ...verifyFull("db.example.org"), certificate: foreign.certificate, key: foreign.key }
        ]
      ) {
        const { farResult, near } = yield* handshake(options, server)
        assert.strictEqual(farResult._tag, "Failure")
        const failure = yield* Effect.flip(near.pull)
        assert.include(["ReadFailed", "Closed"], failure.reason._tag)
      }
    }))
})

describe("NodeTls > unreadable certificates and keys", () => {
  it.live("fail the handshake on either side without revealing the secret", () =>
    Effect.gen(function*() {
      const secret = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----"
      const { farResult, nearResult } = yield* handshake(
        { verification: "none", serverName: "", certificate: namedCertificate.certificate, key: Redacted.make(secret) },
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

  it.live("fail the handshake if the key does not match the certificate", () =>
    Effect.gen(function*() {
      const { nearResult } = yield* handshake(
        {
          verification: "none",
          serverName: "",
          certificate: namedCertificate.certificate,
          key: addressCertificate.key
        },
        namedCertificate
      )
      assert.strictEqual(nearResult._tag, "Failure")
    }))

  it.live("fail the handshake if the roots are not certificates", () =>
    Effect.gen(function*() {
      const { nearResult } = yield* handshake(
        { ...verifyFull("db.example.org"), rootCertificates: "nonsense" },
        namedCertificate
      )
      assert.strictEqual(nearResult._tag, "Failure")
    }))
})

describe("NodeTls > foreign peers", () => {
  it.live("receive a requested server name, but never an address", () =>
    Effect.gen(function*() {
      const server = Tls.createServer(
        { cert: namedCertificate.certificate, key: Redacted.value(namedCertificate.key) },
        (socket) => {
          socket.end(`asked for ${socket.servername}`)
        }
      )
      server.listen(0, "127.0.0.1")
      yield* Effect.promise(() => once(server, "listening"))
      yield* Effect.addFinalizer(() => Effect.sync(() => server.close()))
      const transport = yield* Transport.Transport
      const { port } = server.address() as AddressInfo
      for (
        const [serverName, told] of [["db.example.org", "db.example.org"], ["127.0.0.1", "false"], ["::1", "false"]]
      ) {
        const line = yield* transport.connect(Endpoint.tcp("127.0.0.1", port))
        yield* line.startTls({ verification: "none", serverName: serverName! })
        assert.strictEqual(Buffer.concat(yield* line.pull).toString(), `asked for ${told}`)
      }
    }).pipe(Effect.provide(NodeTransport.layer)))

  it.live("negotiate TLS 1.2 with both client and server", () =>
    Effect.gen(function*() {
      const listener = yield* Listener.Listener
      const listening = yield* listener.listen(Endpoint.tcp("127.0.0.1", 0))
      const { port } = listening.endpoint as typeof Endpoint.Tcp.Type
      const client = Tls.connect({
        host: "127.0.0.1",
        port,
        maxVersion: "TLSv1.2",
        servername: "db.example.org",
        ca: authority.certificate
      })
      const secured = once(client, "secureConnect")
      const line = yield* listening.accept
      const info = yield* line.acceptTls(namedCertificate)
      yield* Effect.promise(() => secured)
      assert.strictEqual(info.protocol, "TLSv1.2")
      const received = once(client, "data")
      yield* line.write(Uint8Array.of(7, 8, 9))
      assert.deepStrictEqual([...(yield* Effect.promise(() => received))[0] as Buffer], [7, 8, 9])
      client.end(Uint8Array.of(1))
      assert.deepStrictEqual([...(yield* line.pull)[0]], [1])
      assert.strictEqual((yield* Effect.flip(line.pull)).reason._tag, "Closed")

      const server = Tls.createServer({
        cert: namedCertificate.certificate,
        key: Redacted.value(namedCertificate.key),
        maxVersion: "TLSv1.2"
      }, (socket) => socket.pipe(socket))
      server.listen(0, "127.0.0.1")
      yield* Effect.promise(() => once(server, "listening"))
      yield* Effect.addFinalizer(() => Effect.sync(() => server.close()))
      const transport = yield* Transport.Transport
      const near = yield* transport.connect(Endpoint.tcp("127.0.0.1", (server.address() as AddressInfo).port))
      assert.strictEqual((yield* near.startTls(verifyFull("db.example.org"))).protocol, "TLSv1.2")
      yield* near.write(Uint8Array.of(4, 5, 6))
      assert.deepStrictEqual([...(yield* near.pull)[0]], [4, 5, 6])
    }).pipe(Effect.provide(NodeTransport.layer)))
})

describe("NodeTls > verification: ca", () => {
  const byChain = (serverName: string): Connection.TlsOptions => ({ ...verifyFull(serverName), verification: "ca" })

  it.live("accepts a certificate of a trusted root for any name", () =>
    Effect.gen(function*() {
      yield* accepted(byChain("db.example.org"), namedCertificate)
      yield* accepted(byChain("example.org"), namedCertificate)
      yield* accepted(byChain("127.0.0.1"), namedCertificate)
    }))

  it.live("rejects a certificate of another issuer", () =>
    Effect.gen(function*() {
      const options = { ...byChain("db.example.org"), rootCertificates: otherAuthority.certificate }
      assert.match(yield* refusal(options, namedCertificate), /^TlsFailed (UNABLE_TO|SELF_SIGNED)/)
    }))
})

describe("NodeTls > negotiation", () => {
  it.live("selects a protocol that both ends offer (ALPN)", () =>
    Effect.gen(function*() {
      const client = { ...verifyFull("db.example.org"), applicationProtocols: ["other", "postgresql"] }
      const { nearResult } = yield* handshake(client, { ...namedCertificate, applicationProtocols: ["postgresql"] })
      assert.strictEqual((yield* Effect.fromResult(nearResult)).applicationProtocol, "postgresql")
      const silent = yield* handshake(client, namedCertificate)
      assert.isUndefined((yield* Effect.fromResult(silent.nearResult)).applicationProtocol)
      yield* refusal(client, { ...namedCertificate, applicationProtocols: ["third"] })
    }))

  it.live("selects a version within the limits", () =>
    Effect.gen(function*() {
      for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
        const client = { ...verifyFull("db.example.org"), minVersion: version, maxVersion: version }
        const { nearResult } = yield* handshake(client, namedCertificate)
        assert.strictEqual((yield* Effect.fromResult(nearResult)).protocol, version)
      }
    }))
})
