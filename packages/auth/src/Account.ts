/**
 * The server's knowledge of a user, which determines the authentication method.
 *
 * @since 0.1.0
 */
import type * as Redacted from "effect/Redacted"
import type { Tokens } from "./mechanisms/OAuthBearer.ts"
import type * as Mechanism from "./mechanisms/table.ts"
import type { ScramVerifier } from "./ScramVerifier.ts"

/**
 * **Details**
 *
 * Each variant is a method with the data that the server needs for it. A `verifier` is the minimum needed to check a
 * proof; the methods `"password"` and `"md5"` need the password itself. `"oauth"` delegates the check of a token.
 *
 * @category models
 * @since 0.1.0
 */
export type Account = Mechanism.Account

/**
 * The tokens accepted for a user, and the location from which clients can get them.
 *
 * @category models
 * @since 0.1.0
 */
export type OAuth = Tokens

/**
 * A user who is admitted without authentication.
 *
 * @category constructors
 * @since 0.1.0
 */
export const trust: Account = { method: "trust" }

/**
 * Creates an account that authenticates with the password, in clear text or as a salted hash.
 *
 * @category constructors
 * @since 0.1.0
 */
export const password = (
  password: Redacted.Redacted<string>,
  method: "password" | "md5" = "password"
): Account => ({ method, password })

/**
 * Creates an account that authenticates with SCRAM-SHA-256.
 *
 * @category constructors
 * @since 0.1.0
 */
export const scramSha256 = (verifier: ScramVerifier): Account => ({ method: "scram-sha-256", verifier })

/**
 * Creates an account that authenticates with an OAuth bearer token.
 *
 * @category constructors
 * @since 0.1.0
 */
export const oauth = (options: OAuth): Account => ({ method: "oauth", ...options })
