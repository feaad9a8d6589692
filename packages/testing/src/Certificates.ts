/**
 * Certificates for tests: authorities, and the certificates they issue for servers and clients.
 *
 * Every authority has a new key, so its signatures are trusted only where a test says so. Certificates are X.509
 * version 3 (RFC 5280) with the extensions that TLS checks. They are valid from 2000 to 2049 by default, and do not
 * depend on any clock.
 *
 * Not for production: keys are passed around as PEM, there is no revocation, and requests are not validated.
 *
 * @since 0.1.0
 */
import type * as CryptoError from "effect/crypto/CryptoError"
import * as KeyFormat from "effect/crypto/KeyFormat"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Signature from "effect/crypto/Signature"
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as Layer from "effect/Layer"
import * as NetAddress from "effect/net/NetAddress"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as der from "./internal/certificates/der.ts"

/**
 * A certificate and its key.
 *
 * @category models
 * @since 0.1.0
 */
export interface Certificate {
  /** The certificate in PEM. */
  readonly certificate: string
  /** The key in PEM (PKCS #8). */
  readonly key: Redacted.Redacted<string>
  /** The certificate in DER. */
  readonly der: Uint8Array
}

/**
 * The contents of a certificate.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The subject's common name; for a client's certificate, the user that it identifies. */
  readonly name: string
  /** Host names and IP addresses that the certificate is valid for. */
  readonly hosts?: ReadonlyArray<string> | undefined
  readonly notBefore?: Date | undefined
  readonly notAfter?: Date | undefined
  /**
   * The algorithm of the certificate's own key; ECDSA with P-256 when absent. The signature uses the authority's key.
   */
  readonly algorithm?: Algorithm | undefined
}

/**
 * The supported signature algorithms.
 *
 * @category models
 * @since 0.1.0
 */
export type Algorithm = Signature.Ed25519 | Signature.Ecdsa | Signature.RsaPkcs1v15

/**
 * A certificate authority.
 *
 * @category models
 * @since 0.1.0
 */
export interface Authority extends Certificate {
  /** Issues a certificate for a server or a client. */
  readonly issue: (options: Options) => Effect.Effect<Certificate, CryptoError.CryptoError>
}

const defaultNotBefore = new Date("2000-01-01T00:00:00Z")
const defaultNotAfter = new Date("2049-12-31T23:59:59Z")

// RFC 5758, RFC 8017 and RFC 8410.
const signatureAlgorithm = (algorithm: Algorithm): Uint8Array => {
  switch (algorithm._tag) {
    case "Ed25519":
      return der.sequence(der.objectIdentifier("1.3.101.112"))
    case "Ecdsa": {
      const last = { "P-256": 2, "P-384": 3, "P-521": 4 }[algorithm.namedCurve]
      return der.sequence(der.objectIdentifier(`1.2.840.10045.4.3.${last}`))
    }
    case "RsaPkcs1v15": {
      const last = { 20: 5, 32: 11, 48: 12, 64: 13 }[algorithm.hash.outputLength]
      return der.sequence(der.objectIdentifier(`1.2.840.113549.1.1.${last}`), der.nullValue)
    }
  }
}

/**
 * Converts a signature: WebCrypto returns the two numbers of an ECDSA signature concatenated, whereas X.509 requires a
 * sequence.
 */
const signatureValue = (algorithm: Algorithm, signature: Uint8Array): Uint8Array => {
  if (algorithm._tag !== "Ecdsa") return signature
  const half = signature.length / 2
  return der.sequence(der.integer(signature.subarray(0, half)), der.integer(signature.subarray(half)))
}

const commonName = (name: string): Uint8Array =>
  der.sequence(der.set(der.sequence(der.objectIdentifier("2.5.4.3"), der.text(0x0c, name))))

const generalName = (host: string): Uint8Array => {
  const address = NetAddress.ipFromString(host)
  // RFC 5280, section 4.2.1.6: [2] is a DNS name, [7] an address.
  if (Result.isFailure(address)) return der.text(0x82, host)
  const octets = NetAddress.isIpv4Address(address.success)
    ? NetAddress.ipv4ToOctets(address.success)
    : NetAddress.ipv6ToOctets(address.success)
  return der.tlv(0x87, Uint8Array.from(octets))
}

const extension = (id: string, critical: boolean, content: Uint8Array): Uint8Array =>
  der.sequence(der.objectIdentifier(`2.5.29.${id}`), ...(critical ? [der.boolean(true)] : []), der.octetString(content))

const authorityExtensions = [
  extension("19", true, der.sequence(der.boolean(true))),
  // keyCertSign and cRLSign.
  extension("15", true, der.bitString(Uint8Array.of(0x06), 1))
]

const leafExtensions = (hosts: ReadonlyArray<string>): ReadonlyArray<Uint8Array> => [
  extension("19", true, der.sequence()),
  // digitalSignature and keyEncipherment.
  extension("15", true, der.bitString(Uint8Array.of(0xa0), 5)),
  // For TLS servers and clients.
  extension(
    "37",
    false,
    der.sequence(der.objectIdentifier("1.3.6.1.5.5.7.3.1"), der.objectIdentifier("1.3.6.1.5.5.7.3.2"))
  ),
  ...(hosts.length === 0 ? [] : [extension("17", false, der.sequence(...hosts.map(generalName)))])
]

const pem = (bytes: Uint8Array): string => {
  const lines = Base64.encode(bytes).match(/.{1,64}/g) ?? []
  return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`
}

interface Issuer {
  readonly name: string
  readonly key: Signature.PrivateKey<Algorithm>
}

const crypto = Signature.layerWebCrypto.pipe(Layer.provide(SecureRandom.layerWebCrypto))

/** Makes a certificate, signed by itself if there is no issuer, and the issuer that it can be. */
const make = Effect.fnUntraced(function*(options: Options, extensions: ReadonlyArray<Uint8Array>, by?: Issuer) {
  const signature = yield* Signature.Signature
  const keys = yield* signature.generateKeyPair<Algorithm>(options.algorithm ?? Signature.ecdsaP256)
  const issuer = { name: options.name, key: keys.privateKey }
  const { key, name } = by ?? issuer
  const algorithm = signatureAlgorithm(key.algorithm)
  const body = der.sequence(
    // Version 3.
    der.tlv(0xa0, der.integer(Uint8Array.of(2))),
    der.integer(SecureRandom.randomBytesUnsafe(16)),
    algorithm,
    commonName(name),
    der.sequence(der.time(options.notBefore ?? defaultNotBefore), der.time(options.notAfter ?? defaultNotAfter)),
    commonName(options.name),
    yield* KeyFormat.encode(KeyFormat.spki, keys.publicKey as KeyFormat.PublicKey<Algorithm>),
    der.tlv(0xa3, der.sequence(...extensions))
  )
  const signed = signatureValue(key.algorithm, yield* signature.sign(key, body))
  const bytes = der.sequence(body, algorithm, der.bitString(signed))
  const ownKey = yield* KeyFormat.encode(
    KeyFormat.pem(KeyFormat.pkcs8),
    keys.privateKey as KeyFormat.PrivateKey<Algorithm>
  )
  const certificate: Certificate = { certificate: pem(bytes), key: Redacted.make(ownKey), der: bytes }
  return { certificate, issuer }
}, Effect.provide(crypto))

const makeLeaf = (options: Options, issuer?: Issuer): Effect.Effect<Certificate, CryptoError.CryptoError> =>
  Effect.map(make(options, leafExtensions(options.hosts ?? []), issuer), ({ certificate }) => certificate)

/**
 * Makes an authority with a self-signed root certificate.
 *
 * **Example** (A server's certificate)
 *
 * ```ts
 * import * as Certificates from "@hyperfect/testing/Certificates"
 * import * as Effect from "effect/Effect"
 * import { strict as assert } from "node:assert"
 * import { X509Certificate } from "node:crypto"
 *
 * const program = Effect.gen(function*() {
 *   const authority = yield* Certificates.makeAuthority({ name: "Test Root" })
 *   const server = yield* authority.issue({ name: "server", hosts: ["localhost", "127.0.0.1", "::1"] })
 *   return { authority, server }
 * })
 *
 * const { authority, server } = await Effect.runPromise(program)
 * const certificate = new X509Certificate(server.certificate)
 * assert.ok(certificate.checkIssued(new X509Certificate(authority.certificate)))
 * assert.equal(certificate.checkHost("localhost"), "localhost")
 * assert.equal(certificate.checkIP("::1"), "::1")
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeAuthority = (options: Options): Effect.Effect<Authority, CryptoError.CryptoError> =>
  Effect.map(
    make(options, authorityExtensions),
    ({ certificate, issuer }) => ({ ...certificate, issue: (leaf) => makeLeaf(leaf, issuer) })
  )

/**
 * Makes a self-signed certificate that no authority vouches for.
 *
 * @category constructors
 * @since 0.1.0
 */
export const selfSigned = (options: Options): Effect.Effect<Certificate, CryptoError.CryptoError> => makeLeaf(options)
