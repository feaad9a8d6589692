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

describe("peers that are not ours", () => {
  it.live("are told the name that is wanted, but never an address", () =>
    Effect.gen(function*() {
      const server = Tls.createServer({ cert: named.certificate, key: Redacted.value(named.key) }, (socket) => {
        socket.end(`asked for ${socket.servername}`)
      })
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

  it.live("speak TLS 1.2 with both of our ends", () =>
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
      const info = yield* line.acceptTls(named)
      yield* Effect.promise(() => secured)
      assert.strictEqual(info.protocol, "TLSv1.2")
      const received = once(client, "data")
      yield* line.write(Uint8Array.of(7, 8, 9))
      assert.deepStrictEqual([...(yield* Effect.promise(() => received))[0] as Buffer], [7, 8, 9])
      client.end(Uint8Array.of(1))
      assert.deepStrictEqual([...(yield* line.pull)[0]], [1])
      assert.strictEqual((yield* Effect.flip(line.pull)).reason._tag, "Closed")

      const server = Tls.createServer({
        cert: named.certificate,
        key: Redacted.value(named.key),
        maxVersion: "TLSv1.2"
      }, (socket) => socket.pipe(socket))
      server.listen(0, "127.0.0.1")
      yield* Effect.promise(() => once(server, "listening"))
      yield* Effect.addFinalizer(() => Effect.sync(() => server.close()))
      const transport = yield* Transport.Transport
      const near = yield* transport.connect(Endpoint.tcp("127.0.0.1", (server.address() as AddressInfo).port))
      assert.strictEqual((yield* near.startTls(full("db.example.org"))).protocol, "TLSv1.2")
      yield* near.write(Uint8Array.of(4, 5, 6))
      assert.deepStrictEqual([...(yield* near.pull)[0]], [4, 5, 6])
    }).pipe(Effect.provide(NodeTransport.layer)))
})

describe("verification by chain alone", () => {
  const byChain = (serverName: string): Connection.TlsOptions => ({ ...full(serverName), verification: "ca" })

  it.live("accepts a certificate of a trusted root for whatever name", () =>
    Effect.gen(function*() {
      yield* accepted(byChain("db.example.org"), named)
      yield* accepted(byChain("example.org"), named)
      yield* accepted(byChain("127.0.0.1"), named)
    }))

  it.live("refuses one that somebody else has issued", () =>
    Effect.gen(function*() {
      const options = { ...byChain("db.example.org"), rootCertificates: stranger.certificate }
      assert.match(yield* refusal(options, named), /^TlsFailed (UNABLE_TO|SELF_SIGNED)/)
    }))
})

describe("what both ends agree on", () => {
  it.live("is a protocol that both name (ALPN)", () =>
    Effect.gen(function*() {
      const client = { ...full("db.example.org"), applicationProtocols: ["other", "postgresql"] }
      const { nearResult } = yield* meet(client, { ...named, applicationProtocols: ["postgresql"] })
      assert.strictEqual((yield* Effect.fromResult(nearResult)).applicationProtocol, "postgresql")
      const silent = yield* meet(client, named)
      assert.isUndefined((yield* Effect.fromResult(silent.nearResult)).applicationProtocol)
      yield* refusal(client, { ...named, applicationProtocols: ["third"] })
    }))

  it.live("is a version within the limits", () =>
    Effect.gen(function*() {
      for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
        const client = { ...full("db.example.org"), minVersion: version, maxVersion: version }
        const { nearResult } = yield* meet(client, named)
        assert.strictEqual((yield* Effect.fromResult(nearResult)).protocol, version)
      }
    }))
})
