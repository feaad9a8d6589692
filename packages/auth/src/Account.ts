/**
 * What a server knows of a user, and so what it can ask of one.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import type { Method } from "./Policy.ts"
import type { ScramVerifier } from "./ScramVerifier.ts"

/**
 * **Details**
 *
 * Each is a method with what the server needs for it. With a `verifier` it knows as much as it must and no more; the
 * methods `"password"` and `"md5"` need the password itself. With `"oauth"` it asks somebody else about a token.
 *
 * @category models
 * @since 0.1.0
 */
export type Account =
  | { readonly method: "trust" }
  | { readonly method: "password"; readonly password: Redacted.Redacted<string> }
  | { readonly method: "md5"; readonly password: Redacted.Redacted<string> }
  | { readonly method: "scram-sha-256"; readonly verifier: ScramVerifier }
  | ({ readonly method: "oauth" } & OAuth)

/**
 * Which tokens are good for a user, and where they come from.
 *
 * @category models
 * @since 0.1.0
 */
export interface OAuth {
  /** Whether a token is good. */
  readonly verify: (token: Redacted.Redacted<string>) => Effect.Effect<boolean>
  /** The address of the document that says how to get one. */
  readonly discoveryUrl: string
  /** What it must be good for. */
  readonly scope: string
}

/**
 * A user who is let in without a proof.
 *
 * @category constructors
 * @since 0.1.0
 */
export const trust: Account = { method: "trust" }

/**
 * A user who is asked for the password in clear text or as a salted hash.
 *
 * @category constructors
 * @since 0.1.0
 */
export const password = (
  password: Redacted.Redacted<string>,
  method: Extract<Method, "password" | "md5"> = "password"
): Account => ({ method, password })

/**
 * A user who is asked for SCRAM-SHA-256.
 *
 * @category constructors
 * @since 0.1.0
 */
export const scramSha256 = (verifier: ScramVerifier): Account => ({ method: "scram-sha-256", verifier })

/**
 * A user who is asked for an OAuth bearer token.
 *
 * @category constructors
 * @since 0.1.0
 */
export const oauth = (options: OAuth): Account => ({ method: "oauth", ...options })
