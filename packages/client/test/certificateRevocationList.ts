/** Certificate revocation lists (RFC 5280, section 5), for authorities of which only the name and the key matter. */
import type { Certificate } from "@hyperfect/testing/Certificates"
import { Redacted } from "effect"
import { sign, X509Certificate } from "node:crypto"

const derValue = (tag: number, ...parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const body = Buffer.concat(parts)
  const size = body.length
  const length = size < 0x80 ? [size] : size < 0x100 ? [0x81, size] : [0x82, size >> 8, size & 0xff]
  return Buffer.concat([Uint8Array.of(tag, ...length), body])
}

const sequence = (...parts: ReadonlyArray<Uint8Array>) => derValue(0x30, ...parts)
const utcTime = (text: string) => derValue(0x17, Buffer.from(text))

/** ECDSA with SHA-256: 1.2.840.10045.4.3.2. */
const signatureAlgorithm = sequence(derValue(0x06, Uint8Array.of(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02)))

/** A distinguished name that consists of a common name: 2.5.4.3. */
const distinguishedName = (text: string) =>
  sequence(derValue(0x31, sequence(derValue(0x06, Uint8Array.of(0x55, 0x04, 0x03)), derValue(0x0c, Buffer.from(text)))))

const issuedAt = utcTime("000101000000Z")

/** A revocation list in PEM, valid as long as the certificates. */
export const revocationList = (authority: Certificate, revoked: ReadonlyArray<Certificate>): string => {
  const entries = revoked.map(({ certificate }) => {
    const serial = Buffer.from(new X509Certificate(certificate).serialNumber, "hex")
    const positive = serial[0]! < 128 ? serial : Buffer.concat([Uint8Array.of(0), serial])
    return sequence(derValue(0x02, positive), issuedAt)
  })
  const issuer = new X509Certificate(authority.certificate).subject.replace("CN=", "")
  const body = sequence(
    signatureAlgorithm,
    distinguishedName(issuer),
    issuedAt,
    utcTime("491231235959Z"),
    ...(entries.length > 0 ? [sequence(...entries)] : [])
  )
  const signature = sign("sha256", body, Redacted.value(authority.key))
  const list = Buffer.from(sequence(body, signatureAlgorithm, derValue(0x03, Uint8Array.of(0), signature)))
  return `-----BEGIN X509 CRL-----\n${list.toString("base64").replaceAll(/.{64}/g, "$&\n")}\n-----END X509 CRL-----\n`
}
