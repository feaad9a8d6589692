/**
 * What a client accepts of a server that asks who it is.
 *
 * Whatever the server asks for outside of it fails before anything that depends on the password was sent.
 *
 * @since 0.1.0
 */
import type { Connection } from "@hyperfect/transport/Connection"
import * as Effect from "effect/Effect"
import {
  type AuthError,
  ChannelBindingUnavailable,
  fromReason,
  IterationsOutOfBounds,
  MethodRefused
} from "./AuthError.ts"

/**
 * The ways to prove who one is, by their names in `pg_hba.conf`.
 *
 * **Details**
 *
 * - `"trust"`: the server asks for nothing. It may have looked at a client certificate.
 * - `"password"`: the password in clear text.
 * - `"md5"`: a salted MD5 hash of it.
 * - `"gss"`, `"sspi"`: Kerberos and what Windows has of it, by a provider that the caller brings along.
 * - `"oauth"`: a bearer token (RFC 7628), from PostgreSQL 18 on.
 * - `"scram-sha-256"`: RFC 5802 with RFC 7677, bound to the TLS session or not; the only one in which the server proves
 *   something too.
 *
 * @category models
 * @since 0.1.0
 */
export type Method = "trust" | "password" | "md5" | "gss" | "sspi" | "oauth" | "scram-sha-256"

/**
 * Every method, the weakest first.
 *
 * @category constants
 * @since 0.1.0
 */
export const methods: ReadonlyArray<Method> = ["trust", "password", "md5", "gss", "sspi", "oauth", "scram-sha-256"]

/**
 * Whether SCRAM is bound to the TLS session, by the names and with the meaning of libpq's `channel_binding`.
 *
 * **Details**
 *
 * - `"disable"`: never.
 * - `"prefer"`: when the server offers it on a line with TLS. When it does not, it is told that we would have been able
 *   to, so that it notices if somebody in between has removed the offer.
 * - `"require"`: or there is no log-in. That leaves SCRAM-SHA-256-PLUS and nothing else: a server that lets us in without a
 *   proof of its own is refused, too.
 *
 * @category models
 * @since 0.1.0
 */
export type ChannelBinding = "disable" | "prefer" | "require"

/**
 * What a server may ask for, and how. Everything has a default that is safe.
 *
 * @category models
 * @since 0.1.0
 */
export interface Policy {
  /**
   * The methods that the server may ask for; all of them when absent.
   *
   * A server that asks for less than expected may be an impostor who wants the password. `["scram-sha-256"]` gives it
   * nothing. `"md5"` is allowed by default, as in libpq, but what it sends lets whoever listens guess the password at
   * leisure.
   */
  readonly methods?: ReadonlyArray<Method> | undefined
  /** `"prefer"` when absent. */
  readonly channelBinding?: ChannelBinding | undefined
  /**
   * Whether a password in clear text, or a token, may be sent on a line without TLS; false when absent.
   *
   * Nobody can listen on a Unix socket, so it can be true there.
   */
  readonly allowCleartextWithoutTls?: boolean | undefined
  /** The fewest iterations of SCRAM; {@link defaultMinIterations} when absent. */
  readonly minIterations?: number | undefined
  /** The most iterations of SCRAM; {@link defaultMaxIterations} when absent. */
  readonly maxIterations?: number | undefined
}

/**
 * What RFC 7677 asks for at least, and both PostgreSQL and Hyper use unless told otherwise.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultMinIterations = 4096

/**
 * A fraction of a second of one core, and above what is recommended for the storing of passwords.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultMaxIterations = 1_000_000

/** What sends the secret itself. */
const isCleartext = (method: Method): boolean => method === "password" || method === "oauth"

/**
 * Succeeds when the policy lets the client use the method on the connection.
 *
 * **Details**
 *
 * `isBound` says whether the method would be bound to the TLS session.
 *
 * @category combinators
 * @since 0.1.0
 */
export const permit = (
  policy: Policy,
  method: Method,
  connection: Connection,
  isBound = false
): Effect.Effect<void, AuthError> => {
  const allowed = policy.methods ?? methods
  const rule = !allowed.includes(method)
    ? "method"
    : isCleartext(method) && connection.tls() === undefined && policy.allowCleartextWithoutTls !== true
    ? "cleartext"
    : undefined
  if (rule !== undefined) return Effect.fail(fromReason(new MethodRefused({ method, rule, allowed })))
  return policy.channelBinding === "require" && !isBound
    ? Effect.fail(fromReason(new ChannelBindingUnavailable({ problem: "not-offered" })))
    : Effect.void
}

/**
 * Succeeds when the policy lets a password be hashed so many times.
 *
 * @category combinators
 * @since 0.1.0
 */
export const permitIterations = (policy: Policy, iterations: number): Effect.Effect<void, AuthError> => {
  const minimum = policy.minIterations ?? defaultMinIterations
  const maximum = policy.maxIterations ?? defaultMaxIterations
  return iterations >= minimum && iterations <= maximum
    ? Effect.void
    : Effect.fail(fromReason(new IterationsOutOfBounds({ iterations, minimum, maximum })))
}
