/**
 * The keys of SCRAM-SHA-256 (RFC 5802, section 3), and what a server stores of them in place of the password.
 *
 * The text form of a verifier is the one that PostgreSQL keeps in `pg_authid.rolpassword` and
 * `hyperd scram-sha256-hash` prints: `SCRAM-SHA-256$<iterations>:<salt>$<stored key>:<server key>`.
 *
 * The derivation runs wherever the `Kdf` service runs it; with WebCrypto and Node that is not on the event loop.
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
import { base64, base64Bytes, utf8Unsafe, xor } from "./internal/bytes.ts"
import * as Password from "./internal/password.ts"
import { defaultMinIterations } from "./Policy.ts"
import * as SaslPrep from "./SaslPrep.ts"

/**
 * What a server stores. Whoever has it can neither log in with it nor read the password from it, but can guess at the
 * password, and can play the server.
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
 * The keys that follow from a password.
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
 * What can be used in place of a password, with the salt and the iterations that they were derived with and no others.
 *
 * @category models
 * @since 0.1.0
 */
export type SecretKeys = Redacted.Redacted<Pick<Keys, "clientKey" | "serverKey">>

const failed = (cause: CryptoError.CryptoError) => Effect.fail(fromReason(new CryptoFailed({ cause })))

const hmac = (key: Uint8Array, text: string): Effect.Effect<Uint8Array, AuthError, Mac.Mac> =>
  Effect.gen(function*() {
    const mac = yield* Mac.Mac
    return yield* mac.sign(yield* Mac.key(Mac.hmacSha256, key), utf8Unsafe(text))
  }).pipe(Effect.catchTag("CryptoError", failed))

/**
 * Derives the keys. The text must be prepared and well formed.
 *
 * @category constructors
 * @since 0.1.0
 */
export const keys = Effect.fnUntraced(function*(
  password: Redacted.Redacted<string>,
  salt: Uint8Array,
  iterations: number
): Effect.fn.Return<Keys, AuthError, Digest.Digest | Kdf.Kdf | Mac.Mac> {
  const kdf = yield* Kdf.Kdf
  const algorithm = Kdf.pbkdf2({ hash: Digest.sha256, iterations })
  const salted = yield* kdf.derive(algorithm, utf8Unsafe(Redacted.value(password)), { salt, length: 32 }).pipe(
    Effect.catchTag("CryptoError", failed)
  )
  const clientKey = yield* hmac(salted, "Client Key")
  return { clientKey, storedKey: yield* storedKeyOf(clientKey), serverKey: yield* hmac(salted, "Server Key") }
})

const storedKeyOf = (clientKey: Uint8Array) =>
  Effect.flatMap(Digest.Digest, (digest) => digest.digest(Digest.sha256, clientKey))

/**
 * The keys of somebody who has them in place of the password.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromSecretKeys = (keys: SecretKeys): Effect.Effect<Keys, never, Digest.Digest> => {
  const { clientKey, serverKey } = Redacted.value(keys)
  return Effect.map(storedKeyOf(clientKey), (storedKey) => ({ clientKey, storedKey, serverKey }))
}

/**
 * Reads keys in Base64, as libpq's `scram_client_key` and `scram_server_key` have them, or returns `undefined` when they
 * are none.
 *
 * @category decoding
 * @since 0.1.0
 */
export const parseSecretKeys = (
  client: Redacted.Redacted<string>,
  server: Redacted.Redacted<string>
): SecretKeys | undefined => {
  const [clientKey, serverKey] = [client, server].map((key) => base64Bytes(Redacted.value(key)))
  return clientKey?.length === 32 && serverKey?.length === 32 ? Redacted.make({ clientKey, serverKey }) : undefined
}

/**
 * The client's proof for an exchange.
 *
 * @category combinators
 * @since 0.1.0
 */
export const proof = (keys: Keys, authMessage: string): Effect.Effect<Uint8Array, AuthError, Mac.Mac> =>
  Effect.map(hmac(keys.storedKey, authMessage), (signature) => xor(keys.clientKey, signature))

/**
 * The server's signature for an exchange.
 *
 * @category combinators
 * @since 0.1.0
 */
export const serverSignature = (
  keys: { readonly serverKey: Uint8Array },
  authMessage: string
): Effect.Effect<Uint8Array, AuthError, Mac.Mac> => hmac(keys.serverKey, authMessage)

/**
 * Whether a client's proof for an exchange is one that only the password's owner can make.
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
 * How a verifier is made.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** 4096 when absent. */
  readonly iterations?: number | undefined
  /** 16 random bytes when absent. */
  readonly salt?: Uint8Array | undefined
  /** How the password is prepared; `"full"` when absent. */
  readonly saslPrep?: SaslPrep.Profile | undefined
}

/**
 * Makes the verifier of a password.
 *
 * **When to use**
 *
 * Use to keep a password out of a server's configuration, or to set one on PostgreSQL without it being in the statement:
 * `CREATE ROLE ... PASSWORD` takes the text that {@link format} writes.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*(
  password: Redacted.Redacted<string>,
  options?: Options
): Effect.fn.Return<ScramVerifier, AuthError, Digest.Digest | Kdf.Kdf | Mac.Mac | SecureRandom.SecureRandom> {
  const iterations = options?.iterations ?? defaultMinIterations
  const salt = options?.salt ?? (yield* (yield* SecureRandom.SecureRandom).randomBytes(16))
  const prepared = SaslPrep.prepareRedacted(yield* Password.check(password), options?.saslPrep ?? "full")
  const { serverKey, storedKey } = yield* keys(prepared, salt, iterations)
  return { iterations, salt, storedKey, serverKey }
})

const form = /^SCRAM-SHA-256\$([1-9][0-9]{0,9}):([^$:]+)\$([^$:]+):([^$:]+)$/

/**
 * Reads a verifier's text form, or returns `undefined` when it is none.
 *
 * @category decoding
 * @since 0.1.0
 */
export const parse = (text: Redacted.Redacted<string>): ScramVerifier | undefined => {
  const parts = form.exec(Redacted.value(text))
  if (parts === null) return undefined
  const [salt, storedKey, serverKey] = parts.slice(2).map(base64Bytes)
  return salt !== undefined && storedKey?.length === 32 && serverKey?.length === 32
    ? { iterations: Number(parts[1]), salt, storedKey, serverKey }
    : undefined
}

/**
 * The verifier's text form.
 *
 * @category encoding
 * @since 0.1.0
 */
export const format = (verifier: ScramVerifier): Redacted.Redacted<string> =>
  Redacted.make(
    `SCRAM-SHA-256$${verifier.iterations}:${base64(verifier.salt)}$` +
      `${base64(verifier.storedKey)}:${base64(verifier.serverKey)}`
  )
