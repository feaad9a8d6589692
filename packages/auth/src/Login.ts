/**
 * Who logs in, to what, and how the secret is come by.
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
 * A password, or a program that fetches it.
 *
 * The program runs when the server wants the password, once for each log-in, and not at all when it wants none.
 *
 * **Details**
 *
 * The keys that SCRAM derives from a password are kept for as long as the `Redacted` object is: another log-in with the same
 * object, at a server that says the same salt and iterations, does not derive them again. Wiping the object ends that; the
 * keys themselves stay in memory until the object is collected.
 *
 * @category models
 * @since 0.1.0
 */
export type Password<E = never, R = never> = Redacted.Redacted<string> | Effect.Effect<Redacted.Redacted<string>, E, R>

/**
 * An OAuth bearer token, or a program that fetches it.
 *
 * The program runs when the server wants the token, once for each log-in, and not at all when it wants none.
 *
 * @category models
 * @since 0.1.0
 */
export type Token<E = never, R = never> = Redacted.Redacted<string> | Effect.Effect<Redacted.Redacted<string>, E, R>

/**
 * What a client needs to log in.
 *
 * @category models
 * @since 0.1.0
 */
export interface Login<out E = never, out R = never> extends Range {
  readonly user: string
  readonly password?: Password<E, R> | undefined
  /**
   * What SCRAM can be done with in place of the password. They are good for a server that has the very salt and number of
   * iterations that they were derived with, such as one that a proxy stands in front of.
   */
  readonly scramKeys?: SecretKeys | undefined
  /** For servers that ask for OAuth. The module `OAuthBearer` says how to learn where tokens come from. */
  readonly token?: Token<E, R> | undefined
  /** For servers that ask for GSSAPI or SSPI, which are not supported without it. */
  readonly gss?: Provider<E, R> | undefined
  /** Left out of the StartupMessage when absent: PostgreSQL takes the user's name then, Hyper no database. */
  readonly database?: string | undefined
  /**
   * Further start-up parameters, such as `application_name`, `options` or a setting's name.
   *
   * Hyper reads `application_name` and `options` and no other. Parameters whose names begin with `_pq_.` are options of
   * the protocol.
   */
  readonly parameters?: Readonly<Record<string, string>> | undefined
  /**
   * How a password that is not plain ASCII is prepared for SCRAM; `"full"` when absent.
   *
   * The client must do what the server did when the password was set, and cannot ask it: PostgreSQL prepares passwords in
   * full, Hyper only maps characters.
   */
  readonly saslPrep?: Profile | undefined
}
