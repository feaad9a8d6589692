/**
 * A cache of derived keys.
 *
 * RFC 5802, section 3, allows a client to keep them in place of the password. The derivation is slow by design, and a
 * pool that opens many sessions with one password should not repeat it: a role has one salt until its password changes.
 *
 * @internal
 */
import type * as Redacted from "effect/Redacted"
import type { Keys } from "../ScramVerifier.ts"
import { encodeBase64 } from "./bytes.ts"

/**
 * The number of servers with different salts per password; replicas share their salt. Bounds the memory that a server
 * can fill by inventing salts.
 */
const maxKeysPerPassword = 4

/** Entries live as long as the password object. Callers check for a wiped password before they use the cache. */
const cache = new WeakMap<Redacted.Redacted<string>, Map<string, Keys>>()

interface Derivation {
  readonly password: Redacted.Redacted<string>
  /** The preparation of the password's text. */
  readonly preparation: string
  readonly salt: Uint8Array
  readonly iterations: number
}

const cacheKey = ({ iterations, preparation, salt }: Derivation): string =>
  `${preparation} ${iterations} ${encodeBase64(salt)}`

export const get = (derivation: Derivation): Keys | undefined =>
  cache.get(derivation.password)?.get(cacheKey(derivation))

export const set = (derivation: Derivation, keys: Keys): void => {
  const all = cache.get(derivation.password) ?? new Map<string, Keys>()
  all.set(cacheKey(derivation), keys)
  const [oldest] = all.keys()
  if (all.size > maxKeysPerPassword) all.delete(oldest!)
  cache.set(derivation.password, all)
}
