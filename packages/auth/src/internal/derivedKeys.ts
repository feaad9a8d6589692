/**
 * Keys that were derived before.
 *
 * RFC 5802, section 3, lets a client keep them in place of the password. The derivation is meant to be slow, and a pool that
 * opens many sessions with one password need not go through it for each: a role has one salt until its password changes.
 *
 * @internal
 */
import type * as Redacted from "effect/Redacted"
import type { Keys } from "../ScramVerifier.ts"
import { base64 } from "./bytes.ts"

/** Servers of one password with salts of their own, as replicas do not have. A server that makes them up fills no memory. */
const maxSalts = 4

/** For as long as somebody holds the password itself. A wiped one is found out before anybody asks here. */
const known = new WeakMap<Redacted.Redacted<string>, Map<string, Keys>>()

interface Derivation {
  readonly password: Redacted.Redacted<string>
  /** How the text of the password was prepared. */
  readonly preparation: string
  readonly salt: Uint8Array
  readonly iterations: number
}

const nameOf = ({ iterations, preparation, salt }: Derivation): string => `${preparation} ${iterations} ${base64(salt)}`

export const find = (derivation: Derivation): Keys | undefined =>
  known.get(derivation.password)?.get(nameOf(derivation))

export const keep = (derivation: Derivation, keys: Keys): void => {
  const all = known.get(derivation.password) ?? new Map<string, Keys>()
  all.set(nameOf(derivation), keys)
  const [oldest] = all.keys()
  if (all.size > maxSalts) all.delete(oldest!)
  known.set(derivation.password, all)
}
