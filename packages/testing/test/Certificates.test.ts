import { assert, describe, it } from "@effect/vitest"
import { Certificates } from "@hyperfect/testing"
import { Effect, Redacted } from "effect"
import { Digest, Signature } from "effect/crypto"
import { createPrivateKey, X509Certificate } from "node:crypto"

const read = (certificate: Certificates.Certificate) => new X509Certificate(certificate.certificate)

const algorithms: ReadonlyArray<Certificates.Algorithm> = [
  Signature.ed25519,
  Signature.ecdsaP256,
  Signature.ecdsaP384,
  Signature.ecdsaP521,
  Signature.rsaPkcs1v15({ hash: Digest.sha256, modulusLength: 2048 }),
  Signature.rsaPkcs1v15({ hash: Digest.sha512, modulusLength: 2048 })
]

describe("Certificates", () => {
  for (const algorithm of algorithms) {
    const hash = "hash" in algorithm ? ` with ${algorithm.hash.name}` : ""
    it.effect(`issues certificates that verify, signed with ${algorithm.name}${hash}`, () =>
      Effect.gen(function*() {
        const authority = yield* Certificates.makeAuthority({ name: "Root", algorithm })
        const root = read(authority)
        const leaf = read(yield* authority.issue({ name: "server", hosts: ["localhost"], algorithm }))
        assert.isTrue(root.ca)
        assert.isTrue(root.verify(root.publicKey))
        assert.isFalse(leaf.ca)
        assert.isTrue(leaf.checkIssued(root))
        assert.isTrue(leaf.verify(root.publicKey))
      }))
  }

  it.effect("lists hosts, addresses and the subject, in any script", () =>
    Effect.gen(function*() {
      const authority = yield* Certificates.makeAuthority({ name: "Prüfstelle" })
      const hosts = ["db.example.org", "127.0.0.1", "2001:db8::1"]
      const leaf = read(yield* authority.issue({ name: "käthe", hosts }))
      assert.strictEqual(leaf.issuer, "CN=Prüfstelle")
      assert.strictEqual(leaf.subject, "CN=käthe")
      assert.strictEqual(leaf.checkHost("db.example.org"), "db.example.org")
      assert.strictEqual(leaf.checkIP("127.0.0.1"), "127.0.0.1")
      assert.strictEqual(leaf.checkIP("2001:db8::1"), "2001:db8::1")
      assert.isUndefined(leaf.checkHost("other.example.org"))
      assert.isUndefined(leaf.checkIP("127.0.0.2"))
    }))

  it.effect("returns the key that matches the certificate, and its DER", () =>
    Effect.gen(function*() {
      const certificate = yield* Certificates.selfSigned({ name: "alone" })
      assert.isTrue(read(certificate).checkPrivateKey(createPrivateKey(Redacted.value(certificate.key))))
      assert.deepStrictEqual(new Uint8Array(read(certificate).raw), certificate.der)
      assert.notInclude(JSON.stringify(certificate), "PRIVATE")
    }))

  it.effect("has the requested validity, before and after 2050", () =>
    Effect.gen(function*() {
      const authority = yield* Certificates.makeAuthority({ name: "Root" })
      const usual = read(yield* authority.issue({ name: "a" }))
      assert.strictEqual(usual.validFromDate.toISOString(), "2000-01-01T00:00:00.000Z")
      assert.strictEqual(usual.validToDate.toISOString(), "2049-12-31T23:59:59.000Z")
      const asked = read(
        yield* authority.issue({
          name: "a",
          notBefore: new Date("1999-02-03T04:05:06Z"),
          notAfter: new Date("2051-02-03T04:05:06Z")
        })
      )
      assert.strictEqual(asked.validFromDate.toISOString(), "1999-02-03T04:05:06.000Z")
      assert.strictEqual(asked.validToDate.toISOString(), "2051-02-03T04:05:06.000Z")
    }))

  it.effect("gives every certificate its own serial number", () =>
    Effect.gen(function*() {
      const authority = yield* Certificates.makeAuthority({ name: "Root" })
      const one = read(yield* authority.issue({ name: "a" }))
      const two = read(yield* authority.issue({ name: "a" }))
      assert.notStrictEqual(one.serialNumber, two.serialNumber)
    }))
})
