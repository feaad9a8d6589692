/**
 * Channel binding, which ties a login to its TLS session: `tls-server-end-point` (RFC 5929, section 4).
 *
 * Both ends hash the certificate that the server presented. A man in the middle, who has to present a different
 * certificate, cannot relay a login to the server, even if the client does not verify certificates.
 *
 * Only the signature algorithm is read from the certificate. TLS is responsible for its validity and ownership.
 *
 * @since 0.1.0
 */
import * as Digest from "effect/crypto/Digest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { type AuthError, ChannelBindingUnavailable, fromReason } from "./AuthError.ts"
import * as der from "./internal/der.ts"

/**
 * The type of channel binding, by its name in SCRAM.
 *
 * @internal
 */
export const type = "tls-server-end-point"

/** Hash algorithms. MD5 and SHA-1 are replaced by SHA-256 (RFC 5929, section 4.1). */
const hashes: Readonly<Record<string, Digest.Algorithm>> = {
  "1.2.840.113549.2.5": Digest.sha256,
  "1.3.14.3.2.26": Digest.sha256,
  "2.16.840.1.101.3.4.2.1": Digest.sha256,
  "2.16.840.1.101.3.4.2.2": Digest.sha384,
  "2.16.840.1.101.3.4.2.3": Digest.sha512
}

/** The hashes of the signature algorithms that imply one (RFC 3279, 4055, 5758). */
const signatures: Readonly<Record<string, Digest.Algorithm>> = {
  // RSA with MD5, SHA-1, SHA-256, SHA-384 and SHA-512.
  "1.2.840.113549.1.1.4": Digest.sha256,
  "1.2.840.113549.1.1.5": Digest.sha256,
  "1.2.840.113549.1.1.11": Digest.sha256,
  "1.2.840.113549.1.1.12": Digest.sha384,
  "1.2.840.113549.1.1.13": Digest.sha512,
  // DSA with SHA-1 and SHA-256.
  "1.2.840.10040.4.3": Digest.sha256,
  "2.16.840.1.101.3.4.3.2": Digest.sha256,
  // ECDSA with SHA-1, SHA-256, SHA-384 and SHA-512.
  "1.2.840.10045.4.1": Digest.sha256,
  "1.2.840.10045.4.3.2": Digest.sha256,
  "1.2.840.10045.4.3.3": Digest.sha384,
  "1.2.840.10045.4.3.4": Digest.sha512
}

const rsaPss = "1.2.840.113549.1.1.10"
const mgf1 = "1.2.840.113549.1.1.8"

/** An AlgorithmIdentifier: its name and parameters. */
interface Algorithm {
  readonly id: string
  readonly parameters: der.Value | undefined
}

const readAlgorithm = (value: der.Value | undefined): Algorithm | undefined => {
  const parts = der.children(value, der.tags.sequence)
  const id = der.objectId(parts?.[0])
  return id === undefined || parts!.length > 2 ? undefined : { id, parameters: parts![1] }
}

/** The hash of RSASSA-PSS (RFC 4055, section 3.1): SHA-1 by default for both of its hash functions. */
const pssHash = (parameters: der.Value | undefined): string | undefined => {
  const fields = der.children(parameters, der.tags.sequence)
  if (fields === undefined) return undefined
  const sha1 = { id: "1.3.14.3.2.26", parameters: undefined }
  const field = (tag: number, otherwise: Algorithm): Algorithm | undefined => {
    const value = fields.find((field) => field.tag === tag)
    return value === undefined ? otherwise : readAlgorithm(der.children(value, tag)?.[0])
  }
  const hash = field(0xa0, sha1)
  const mask = field(0xa1, { id: mgf1, parameters: undefined })
  const maskHash = mask?.parameters === undefined ? sha1 : readAlgorithm(mask.parameters)
  // RFC 5929 has no rule for a signature that uses two hashes.
  return hash !== undefined && mask?.id === mgf1 && hash.id === maskHash?.id ? hash.id : undefined
}

/**
 * Returns the hash function for channel binding with a certificate in DER.
 *
 * **Details**
 *
 * It is the hash function of the certificate's signature, or SHA-256 if that is MD5 or SHA-1. There is none for a
 * signature without a separate hash, such as Ed25519, and none if the hash cannot be computed here, such as SHA-224.
 *
 * @category decoding
 * @since 0.1.0
 */
export const hashAlgorithm = (certificate: Uint8Array): Result.Result<Digest.Algorithm, ChannelBindingUnavailable> => {
  const parts = der.children(der.read(certificate, der.tags.sequence), der.tags.sequence)
  const algorithm = readAlgorithm(parts?.[1])
  if (
    parts?.length !== 3 || parts[0]!.tag !== der.tags.sequence || parts[2]!.tag !== der.tags.bitString ||
    algorithm === undefined
  ) {
    return Result.fail(new ChannelBindingUnavailable({ problem: "certificate-malformed" }))
  }
  const { id, parameters } = algorithm
  const inner = id === rsaPss ? pssHash(parameters) : undefined
  const hash = inner === undefined ? signatures[id] : hashes[inner]
  return hash === undefined
    ? Result.fail(new ChannelBindingUnavailable({ problem: "no-hash", algorithm: id }))
    : Result.succeed(hash)
}

/**
 * Returns the channel binding data that both ends include in their proofs: the hash of the server's certificate in DER.
 *
 * @category combinators
 * @since 0.1.0
 */
export const endPoint = (certificate: Uint8Array): Effect.Effect<Uint8Array, AuthError, Digest.Digest> => {
  const hash = hashAlgorithm(certificate)
  return Result.isFailure(hash)
    ? Effect.fail(fromReason(hash.failure))
    : Effect.flatMap(Digest.Digest, (digest) => digest.digest(hash.success, certificate))
}
