/**
 * The client's policy for authentication requests of a server.
 *
 * A request that violates the policy fails before anything that depends on the password is sent.
 *
 * @since 0.1.0
 */
import type { Connection } from "@hyperfect/transport/Connection"
import * as Effect from "effect/Effect"
import * as AuthError from "./AuthError.ts"
import { mechanisms, type Name } from "./mechanisms/table.ts"
import { defaultIterations } from "./ScramVerifier.ts"

/**
 * The authentication methods, by their names in `pg_hba.conf`.
 *
 * **Details**
 *
 * - `"trust"`: the server requests nothing. It may have verified a client certificate.
 * - `"password"`: the password in clear text.
 * - `"md5"`: a salted MD5 hash of it.
 * - `"gss"`, `"sspi"`: Kerberos and its Windows variant, with a provider that the caller supplies.
 * - `"oauth"`: a bearer token (RFC 7628), since PostgreSQL 18.
 * - `"scram-sha-256"`: RFC 5802 with RFC 7677, with or without channel binding; the only method in which the server
 *   also proves that it knows the password.
 *
 * @category models
 * @since 0.1.0
 */
export type Method = Name

/**
 * Every method, weakest first.
 *
 * @category constants
 * @since 0.1.0
 */
export const methods: ReadonlyArray<Method> = mechanisms.map(({ name }) => name)

/**
 * The use of channel binding for SCRAM, with the names and meaning of libpq's `channel_binding`.
 *
 * **Details**
 *
 * - `"disable"`: never.
 * - `"prefer"`: if the server offers it on a connection with TLS. If it does not, the client tells the server that it
 *   supports channel binding, so that the server can detect that an intermediary removed the offer.
 * - `"require"`: fails without channel binding. Only SCRAM-SHA-256-PLUS is accepted: a server that admits the client
 *   without its own proof is rejected, too.
 *
 * @category models
 * @since 0.1.0
 */
export type ChannelBinding = "disable" | "prefer" | "require"

/**
 * The authentication methods that a server may request, and their conditions. All defaults are safe.
 *
 * @category models
 * @since 0.1.0
 */
export interface Policy {
  /**
   * The methods that the server may request. Defaults to all of them.
   *
   * A server that requests a weaker method than expected may be an impostor that wants the password. Allowing only
   * `["scram-sha-256"]` never reveals it.
   */
  readonly methods?: ReadonlyArray<Method> | undefined
  /** Defaults to `"prefer"`. */
  readonly channelBinding?: ChannelBinding | undefined
  /**
   * True to allow sending a password in clear text, or a token, over a connection without TLS. Defaults to false.
   *
   * A Unix socket cannot be eavesdropped on, so it can be true there.
   */
  readonly allowCleartextWithoutTls?: boolean | undefined
  /**
   * True to allow sending an MD5 hash of the password over a connection without TLS. Defaults to false.
   *
   * An eavesdropper can guess the password offline from the salt and the hash, and the server proves nothing: an
   * impostor can request MD5 in place of SCRAM. A Unix socket cannot be eavesdropped on, so it can be true there.
   */
  readonly allowMd5WithoutTls?: boolean | undefined
  /** The minimum SCRAM iteration count. Defaults to 4,096, the minimum of RFC 7677. */
  readonly minIterations?: number | undefined
  /** The maximum SCRAM iteration count. Defaults to {@link defaultMaxIterations}. */
  readonly maxIterations?: number | undefined
}

/**
 * The minimum of RFC 7677, section 4, and the default of both PostgreSQL and Hyper.
 *
 * @internal
 */
export const defaultMinIterations: number = defaultIterations

/**
 * A fraction of a second on one core, and above the recommendations for storing passwords.
 *
 * @category constants
 * @since 0.1.0
 */
export const defaultMaxIterations = 1_000_000

/**
 * True if the policy requires channel binding. An unknown value, from an untyped program, counts as required.
 *
 * @internal
 */
export const isBindingRequired = ({ channelBinding = "prefer" }: Policy): boolean =>
  channelBinding !== "prefer" && channelBinding !== "disable"

/**
 * The rule against each secret that an eavesdropper could get without TLS, and the option that lifts the rule.
 *
 * @internal
 */
export const plainLineRules = {
  nothing: undefined,
  password: { rule: "cleartext", option: "allowCleartextWithoutTls" },
  token: { rule: "cleartext", option: "allowCleartextWithoutTls" },
  hash: { rule: "md5", option: "allowMd5WithoutTls" }
} as const

/**
 * Succeeds if the policy allows the client to use the method on the connection.
 *
 * **Details**
 *
 * `isBound` is true if the method would be bound to the TLS session.
 *
 * @internal
 */
export const permit = (
  policy: Policy,
  method: Method,
  connection: Connection,
  isBound = false
): Effect.Effect<void, AuthError.AuthError> => {
  const allowed = policy.methods ?? methods
  const mechanism = mechanisms.find(({ name }) => name === method)
  const plain = mechanism && plainLineRules[mechanism.exposes]
  const rule = mechanism === undefined || !allowed.includes(method)
    ? "method"
    : plain !== undefined && connection.tls() === undefined && policy[plain.option] !== true
    ? plain.rule
    : undefined
  if (rule !== undefined) {
    return Effect.fail(AuthError.fromReason(new AuthError.MethodRefused({ method, rule, allowed })))
  }
  return isBindingRequired(policy) && !isBound
    ? Effect.fail(AuthError.fromReason(new AuthError.ChannelBindingUnavailable({ problem: "not-offered" })))
    : Effect.void
}

/**
 * Succeeds if the policy allows this iteration count.
 *
 * @internal
 */
export const permitIterations = (policy: Policy, iterations: number): Effect.Effect<void, AuthError.AuthError> => {
  const minimum = policy.minIterations ?? defaultMinIterations
  const maximum = policy.maxIterations ?? defaultMaxIterations
  return iterations >= minimum && iterations <= maximum
    ? Effect.void
    : Effect.fail(AuthError.fromReason(new AuthError.IterationsOutOfBounds({ iterations, minimum, maximum })))
}
