/** Certificates that `Certificates` does not create: with other signatures, or none. */
import type { Certificates } from "@hyperfect/testing"
import { Redacted } from "effect"
import { constants, createPrivateKey, sign } from "node:crypto"

/** Encodes a value in DER. */
export const der = (tag: number, ...contents: ReadonlyArray<Uint8Array>): Uint8Array => {
  const content = Buffer.concat(contents)
  const { length } = content
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Uint8Array.from([tag, ...size, ...content])
}

/** Encodes an object identifier in DER. */
export const objectId = (dotted: string): Uint8Array => {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number)
  const digits = (arc: number): Array<number> =>
    arc < 0x80 ? [arc] : [...digits(Math.floor(arc / 128)).map((digit) => digit | 0x80), arc % 128]
  return der(0x06, Uint8Array.from([first * 40 + second, ...rest].flatMap(digits)))
}

const empty = der(0x05)

/** Returns a certificate that contains only its signature algorithm. */
export const signedWith = (algorithm: string, ...parameters: ReadonlyArray<Uint8Array>): Uint8Array =>
  der(0x30, der(0x30), der(0x30, objectId(algorithm), ...parameters), der(0x03, Uint8Array.of(0)))

export const sha1 = "1.3.14.3.2.26"
export const sha256 = "2.16.840.1.101.3.4.2.1"
export const sha384 = "2.16.840.1.101.3.4.2.2"
export const sha512 = "2.16.840.1.101.3.4.2.3"
const mgf1 = "1.2.840.113549.1.1.8"

/** The parameters of RSASSA-PSS (RFC 4055, section 3.1); omitted ones have their default. */
export const pss = (hash?: string, maskHash?: string, saltLength?: number, mask = mgf1): Uint8Array =>
  der(
    0x30,
    ...hash === undefined ? [] : [der(0xa0, der(0x30, objectId(hash), empty))],
    ...maskHash === undefined ? [] : [der(0xa1, der(0x30, objectId(mask), der(0x30, objectId(maskHash), empty)))],
    ...saltLength === undefined ? [] : [der(0xa2, der(0x02, Uint8Array.of(saltLength)))]
  )

export const rsaPss = "1.2.840.113549.1.1.10"

/** The AlgorithmIdentifier of RSA with SHA-256, as encoded in a certificate. */
const rsaSha256 = Buffer.from(der(0x30, objectId("1.2.840.113549.1.1.11"), empty))

/** Signs an RSA certificate with SHA-256 again, with RSASSA-PSS and SHA-384. */
export const signAgain = ({ der: bytes, key }: Certificates.Certificate): Certificates.Certificate => {
  const before = Buffer.from(bytes)
  // Two headers of four bytes: of the certificate, and of its signed part.
  const body = before.subarray(8, 8 + before.readUInt16BE(6))
  const at = body.indexOf(rsaSha256)
  const algorithm = der(0x30, objectId(rsaPss), pss(sha384, sha384, 48))
  const signed = der(0x30, body.subarray(0, at), algorithm, body.subarray(at + rsaSha256.length))
  const signature = sign("sha384", signed, {
    key: createPrivateKey(Redacted.value(key)),
    padding: constants.RSA_PKCS1_PSS_PADDING,
    saltLength: 48
  })
  const again = der(0x30, signed, algorithm, der(0x03, Uint8Array.of(0), signature))
  const lines = Buffer.from(again).toString("base64").match(/.{1,64}/g)!
  const certificate = ["-----BEGIN CERTIFICATE-----", ...lines, "-----END CERTIFICATE-----", ""].join("\n")
  return { certificate, key, der: again }
}
