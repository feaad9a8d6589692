/**
 * What a server knows of a user, and so what it can ask of one.
 *
 * @since 0.1.0
 */
import type * as Redacted from "effect/Redacted"
import type { Method } from "./Policy.ts"
import type { ScramVerifier } from "./ScramVerifier.ts"

/**
 * **Details**
 *
 * Each is a method with what the server needs for it. With a `verifier` it knows as much as it must and no more; the
 * other two methods need the password itself.
 *
 * @category models
 * @since 0.1.0
 */
export type Account =
  | { readonly method: "trust" }
  | { readonly method: "password"; readonly password: Redacted.Redacted<string> }
  | { readonly method: "md5"; readonly password: Redacted.Redacted<string> }
  | { readonly method: "scram-sha-256"; readonly verifier: ScramVerifier }

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
