/**
 * The keys of SCRAM-SHA-256 (RFC 5802, section 3), and the verifier that a server stores in place of the password.
 *
 * The text form of a verifier is that of `pg_authid.rolpassword` in PostgreSQL and of `hyperd scram-sha256-hash`:
 * `SCRAM-SHA-256$<iterations>:<salt>$<stored key>:<server key>`.
 *
 * The derivation runs where the `Kdf` service runs it; with WebCrypto and Node that is not on the event loop.
 *
 * @since 0.1.0
 */
import type * as CryptoError from "effect/crypto/CryptoError"
import * as Digest from "effect/crypto/Digest"
import * as Kdf from "effect/crypto/Kdf"
import * as Mac from "effect/crypto/Mac"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { type AuthError, CryptoFailed, fromReason } from "./AuthError.ts"
import { decodeBase64, encodeBase64, encodeUtf8Unsafe, xor } from "./internal/bytes.ts"
import * as Password from "./internal/password.ts"
import * as SaslPrep from "./SaslPrep.ts"

/**
 * The minimum of RFC 7677, section 4, and the default of both PostgreSQL and Hyper.
 *
 * @internal
 */
export const defaultIterations = 4096

/**
 * The data that a server stores. An attacker with a verifier can neither log in with it nor read the password from it,
 * but can guess the password offline, and can impersonate the server.
 *
 * @category models
 * @since 0.1.0
 */
export interface ScramVerifier {
  readonly iterations: number
  readonly salt: Uint8Array
  readonly storedKey: Uint8Array
  readonly serverKey: Uint8Array
}

/**
 * The keys derived from a password.
 *
 * @category models
 * @since 0.1.0
 */
export interface Keys {
  readonly clientKey: Uint8Array
  readonly storedKey: Uint8Array
  readonly serverKey: Uint8Array
}

/**
 * Keys that replace a password, valid only for the salt and iterations with which they were derived.
 *
 * @category models
 * @since 0.1.0
 */
export type SecretKeys = Redacted.Redacted<Pick<Keys, "clientKey" | "serverKey">>

const failed = (cause: CryptoError.CryptoError) => Effect.fail(fromReason(new CryptoFailed({ cause })))

const hmac = (key: Uint8Array, text: string): Effect.Effect<Uint8Array, AuthError, Mac.Mac> =>
  Effect.flatMap(Mac.Mac, (mac) =>
    Effect.catchTag(
      Effect.flatMap(Mac.key(Mac.hmacSha256, key), (key) => mac.sign(key, encodeUtf8Unsafe(text))),
      "CryptoError",
      failed
    ))

/**
 * Derives the keys. The text must be prepared and well formed.
 *
 * @category constructors
 * @since 0.1.0
 */
export const deriveKeys = Effect.fnUntraced(function*(
  password: Redacted.Redacted<string>,
  salt: Uint8Array,
  iterations: number
): Effect.fn.Return<Keys, AuthError, Digest.Digest | Kdf.Kdf | Mac.Mac> {
  const kdf = yield* Kdf.Kdf
  const algorithm = Kdf.pbkdf2({ hash: Digest.sha256, iterations })
  const salted = yield* kdf.derive(algorithm, encodeUtf8Unsafe(Redacted.value(password)), { salt, length: 32 }).pipe(
    Effect.catchTag("CryptoError", failed)
  )
  const clientKey = yield* hmac(salted, "Client Key")
  return { clientKey, storedKey: yield* storedKeyOf(clientKey), serverKey: yield* hmac(salted, "Server Key") }
})

const storedKeyOf = (clientKey: Uint8Array) =>
  Effect.flatMap(Digest.Digest, (digest) => digest.digest(Digest.sha256, clientKey))

/**
 * Completes the keys of a login that has them in place of the password.
 *
 * @internal
 */
export const fromSecretKeys = (keys: SecretKeys): Effect.Effect<Keys, never, Digest.Digest> => {
  const { clientKey, serverKey } = Redacted.value(keys)
  return Effect.map(storedKeyOf(clientKey), (storedKey) => ({ clientKey, storedKey, serverKey }))
}

/**
 * Parses Base64 keys in the form of libpq's `scram_client_key` and `scram_server_key`, or returns `undefined` if they
 * are invalid.
 *
 * @category decoding
 * @since 0.1.0
 */
export const parseSecretKeys = (
  client: Redacted.Redacted<string>,
  server: Redacted.Redacted<string>
): SecretKeys | undefined => {
  const [clientKey, serverKey] = [client, server].map((key) => decodeBase64(Redacted.value(key)))
  return clientKey?.length === 32 && serverKey?.length === 32 ? Redacted.make({ clientKey, serverKey }) : undefined
}

/**
 * Returns the client's proof for an exchange.
 *
 * @category combinators
 * @since 0.1.0
 */
export const clientProof = (keys: Keys, authMessage: string): Effect.Effect<Uint8Array, AuthError, Mac.Mac> =>
  Effect.map(hmac(keys.storedKey, authMessage), (signature) => xor(keys.clientKey, signature))

/**
 * Returns the server's signature for an exchange.
 *
 * @category combinators
 * @since 0.1.0
 */
export const serverSignature = (
  keys: { readonly serverKey: Uint8Array },
  authMessage: string
): Effect.Effect<Uint8Array, AuthError, Mac.Mac> => hmac(keys.serverKey, authMessage)

/**
 * Succeeds with true if a client's proof for an exchange requires knowledge of the password.
 *
 * @category combinators
 * @since 0.1.0
 */
export const verify = Effect.fnUntraced(function*(
  verifier: ScramVerifier,
  authMessage: string,
  proof: Uint8Array
): Effect.fn.Return<boolean, AuthError, Digest.Digest | Mac.Mac> {
  const signature = yield* hmac(verifier.storedKey, authMessage)
  if (proof.length !== signature.length) return false
  const storedKey = yield* (yield* Digest.Digest).digest(Digest.sha256, xor(proof, signature))
  return Mac.timingSafeEqual(storedKey, verifier.storedKey)
})

/**
 * Options for creating a verifier.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Defaults to 4096. */
  readonly iterations?: number | undefined
  /** Defaults to 16 random bytes. */
  readonly salt?: Uint8Array | undefined
  /** The preparation of the password. Defaults to `"full"`. */
  readonly saslPrep?: SaslPrep.Profile | undefined
}

/**
 * Creates the verifier of a password.
 *
 * **When to use**
 *
 * Use it to keep a password out of a server's configuration, or to set one on PostgreSQL without including it in the
 * statement: `CREATE ROLE ... PASSWORD` accepts the output of {@link format}.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*(
  password: Redacted.Redacted<string>,
  options?: Options
): Effect.fn.Return<ScramVerifier, AuthError, Digest.Digest | Kdf.Kdf | Mac.Mac | SecureRandom.SecureRandom> {
  const iterations = options?.iterations ?? defaultIterations
  const salt = options?.salt ?? (yield* (yield* SecureRandom.SecureRandom).randomBytes(16))
  const prepared = SaslPrep.prepareRedacted(yield* Password.check(password), options?.saslPrep ?? "full")
  const { serverKey, storedKey } = yield* deriveKeys(prepared, salt, iterations)
  return { iterations, salt, storedKey, serverKey }
})

const pattern = /^SCRAM-SHA-256\$([1-9][0-9]{0,9}):([^$:]+)\$([^$:]+):([^$:]+)$/

/**
 * Parses a verifier's text form, or returns `undefined` if it is invalid.
 *
 * @category decoding
 * @since 0.1.0
 */
export const parse = (text: Redacted.Redacted<string>): ScramVerifier | undefined => {
  const parts = pattern.exec(Redacted.value(text))
  if (parts === null) return undefined
  const [salt, storedKey, serverKey] = parts.slice(2).map(decodeBase64)
  return salt !== undefined && storedKey?.length === 32 && serverKey?.length === 32
    ? { iterations: Number(parts[1]), salt, storedKey, serverKey }
    : undefined
}

/**
 * Formats a verifier as text.
 *
 * @category encoding
 * @since 0.1.0
 */
export const format = (verifier: ScramVerifier): Redacted.Redacted<string> =>
  Redacted.make(
    `SCRAM-SHA-256$${verifier.iterations}:${encodeBase64(verifier.salt)}$` +
      `${encodeBase64(verifier.storedKey)}:${encodeBase64(verifier.serverKey)}`
  )
