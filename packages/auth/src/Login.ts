/**
 * The user and database of a login, and its secrets.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import type { Provider } from "./GssProvider.ts"
import type { Range } from "./ProtocolVersion.ts"
import type { Profile } from "./SaslPrep.ts"
import type { SecretKeys } from "./ScramVerifier.ts"

/**
 * A password, or an effect that fetches it.
 *
 * The effect runs when the server requests the password, at most once per login.
 *
 * **Details**
 *
 * The keys that SCRAM derives from a password are cached for the lifetime of the `Redacted` object: another login with
 * the same object, at a server with the same salt and iterations, does not derive them again. Wiping the object ends
 * the use of the cache; the keys stay in memory until the object is collected.
 *
 * @category models
 * @since 0.1.0
 */
export type Password<E = never, R = never> = Redacted.Redacted<string> | Effect.Effect<Redacted.Redacted<string>, E, R>

/**
 * An OAuth bearer token, or an effect that fetches it.
 *
 * The effect runs when the server requests the token, at most once per login.
 *
 * @category models
 * @since 0.1.0
 */
export type Token<E = never, R = never> = Redacted.Redacted<string> | Effect.Effect<Redacted.Redacted<string>, E, R>

/**
 * The client's login data and options.
 *
 * @category models
 * @since 0.1.0
 */
export interface Login<out E = never, out R = never> extends Range {
  readonly user: string
  readonly password?: Password<E, R> | undefined
  /**
   * SCRAM keys in place of the password. They are valid only for a server with the same salt and iterations with which
   * they were derived, such as a server behind a proxy.
   */
  readonly scramKeys?: SecretKeys | undefined
  /** For servers that request OAuth. See the module `OAuthBearer` for how to find out where tokens can be obtained. */
  readonly token?: Token<E, R> | undefined
  /** For servers that request GSSAPI or SSPI, which are unsupported without it. */
  readonly gss?: Provider<E, R> | undefined
  /** Omitted from the StartupMessage if absent: PostgreSQL then uses the user's name, Hyper no database. */
  readonly database?: string | undefined
  /**
   * Further start-up parameters, such as `application_name`, `options` or a setting's name.
   *
   * Hyper reads only `application_name` and `options`. Parameters whose names begin with `_pq_.` are protocol options.
   */
  readonly parameters?: Readonly<Record<string, string>> | undefined
  /**
   * The preparation of non-ASCII passwords for SCRAM. Defaults to `"full"`.
   *
   * The client must use the same preparation as the server did when the password was set, and cannot query it:
   * PostgreSQL prepares passwords in full, Hyper only maps characters.
   */
  readonly saslPrep?: Profile | undefined
}
