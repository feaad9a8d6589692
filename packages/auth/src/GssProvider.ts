/**
 * Providers of GSSAPI and SSPI tokens, supplied by the caller.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"

/**
 * The method that the server requested: `"sspi"` is the Windows variant.
 *
 * @category models
 * @since 0.1.0
 */
export type Kind = "gss" | "sspi"

/**
 * The result of one step of the exchange.
 *
 * @category models
 * @since 0.1.0
 */
export interface Step {
  /** The token for the server; absent if there is nothing to send. */
  readonly token?: Uint8Array | undefined
  /** True if the server is fully authenticated from the client's point of view. */
  readonly isComplete: boolean
}

/**
 * A client's security context. It receives the server's last token, or `undefined` at the start, and produces the
 * client's next token.
 *
 * @category models
 * @since 0.1.0
 */
export type SecurityContext<E = never, R = never> = (token: Uint8Array | undefined) => Effect.Effect<Step, E, R>

/**
 * Starts a security context. It runs for each login in which the server requests one.
 *
 * **Details**
 *
 * The server's principal is usually `postgres/` followed by its host name. The provider must know it, and release its
 * resources, for example with a scope around the login.
 *
 * @category models
 * @since 0.1.0
 */
export type Provider<E = never, R = never> = (kind: Kind) => Effect.Effect<SecurityContext<E, R>, E, R>
