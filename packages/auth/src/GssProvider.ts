/**
 * What makes and reads the tokens of GSSAPI or SSPI: brought along by the caller.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"

/**
 * What the server asks for: `"sspi"` is Windows' own form of it.
 *
 * @category models
 * @since 0.1.0
 */
export type Kind = "gss" | "sspi"

/**
 * What comes of a step.
 *
 * @category models
 * @since 0.1.0
 */
export interface Step {
  /** For the server; absent when there is nothing to be said. */
  readonly token?: Uint8Array | undefined
  /** Whether we know now all that we want to know of the server. */
  readonly isComplete: boolean
}

/**
 * One security context on the client's side. It gets the server's last token, or `undefined` at the beginning, and makes
 * the next of its own.
 *
 * @category models
 * @since 0.1.0
 */
export type SecurityContext<E = never, R = never> = (
  token: Uint8Array | undefined
) => Effect.Effect<Step, E, R>

/**
 * Begins a security context. It runs for each log-in in which the server asks for one.
 *
 * **Details**
 *
 * The server's principal is usually `postgres/` and its host's name. The provider has to know it, and to release what it
 * holds, for example by a scope around the log-in.
 *
 * @category models
 * @since 0.1.0
 */
export type Provider<E = never, R = never> = (kind: Kind) => Effect.Effect<SecurityContext<E, R>, E, R>
