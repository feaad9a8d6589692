/**
 * What is known about a connection before it is there.
 *
 * @since 0.1.0
 */
import type * as AuthError from "@hyperfect/auth/AuthError"
import type * as GssProvider from "@hyperfect/auth/GssProvider"
import type * as Login from "@hyperfect/auth/Login"
import type * as OAuthBearer from "@hyperfect/auth/OAuthBearer"
import type * as Policy from "@hyperfect/auth/Policy"
import type * as ProtocolVersion from "@hyperfect/auth/ProtocolVersion"
import type * as SaslPrep from "@hyperfect/auth/SaslPrep"
import type * as ScramVerifier from "@hyperfect/auth/ScramVerifier"
import type * as Connection from "@hyperfect/transport/Connection"
import type * as Endpoint from "@hyperfect/transport/Endpoint"
import type * as Redacted from "effect/Redacted"

/**
 * How the line is secured, by the names and with the meaning of libpq's `sslmode`.
 *
 * **Details**
 *
 * - `"disable"`: in clear.
 * - `"allow"`: in clear, and with TLS if the server does not let us in like that.
 * - `"prefer"`: with TLS if the server has it, else in clear; also in clear if the handshake fails or the server does not
 *   let us in with TLS.
 * - `"require"`: with TLS, whoever answers.
 * - `"verify-ca"`: with TLS, and somebody with a certificate of a root that we trust.
 * - `"verify-full"`: with TLS, and the owner of such a certificate for the host's name.
 *
 * The certificate is checked as by `"verify-ca"` in every mode in which there is a root certificate. On a Unix socket
 * there is never TLS, whatever the mode.
 *
 * @category models
 * @since 0.1.0
 */
export type SslMode = "disable" | "allow" | "prefer" | "require" | "verify-ca" | "verify-full"

/**
 * What a session must be like to be accepted, by the names of libpq's `target_session_attrs`.
 *
 * **Details**
 *
 * A session is read-only when the server is in hot standby or `default_transaction_read_only` is on. `"prefer-standby"`
 * tries every host for a standby first, and then takes any. Hyper has no standbys, and all its sessions can write.
 *
 * @category models
 * @since 0.1.0
 */
export type TargetSessionAttrs = "any" | "read-write" | "read-only" | "primary" | "standby" | "prefer-standby"

/**
 * A password, or the program that fetches it for each connection, and only when the server asks.
 *
 * @category models
 * @since 0.1.0
 */
export type Password = Login.Password<AuthError.PasswordUnavailable>

/**
 * An OAuth token, or the program that fetches it for each connection, and only when the server asks.
 *
 * @category models
 * @since 0.1.0
 */
export type Token = Login.Token<AuthError.TokenUnavailable>

/**
 * How to reach a server, and as whom.
 *
 * @category models
 * @since 0.1.0
 */
export interface ConnectionConfig extends ProtocolVersion.Range {
  readonly endpoint: Endpoint.Endpoint
  /** More servers that will do as well. They are tried one after the other. */
  readonly alternatives?: ReadonlyArray<Endpoint.Endpoint> | undefined
  /** Whether the servers are tried in a random order, so that clients spread over them; `"disable"` when absent. */
  readonly loadBalanceHosts?: "disable" | "random" | undefined
  /** `"any"` when absent. */
  readonly targetSessionAttrs?: TargetSessionAttrs | undefined
  readonly user: string
  /** Of a program that needs more than this, or fails otherwise, `ConnectionConfig.withPassword` makes one. */
  readonly password?: Password | undefined
  /** The password for one of several servers that have different ones; `password` for a server that has none there. */
  readonly passwordOf?: ((endpoint: Endpoint.Endpoint) => Password | undefined) | undefined
  /** What SCRAM can be done with in place of the password: keys that were derived with this server's salt. */
  readonly scramKeys?: ScramVerifier.SecretKeys | undefined
  /** For a server that asks for OAuth. */
  readonly token?: Token | undefined
  /**
   * What gets tokens in place of `token`, and new ones for those that the server refuses. It has all the time that it
   * takes, beside the one for connecting. `ConnectionConfig.withTokenProvider` takes it from the context.
   */
  readonly tokenProvider?: OAuthBearer.TokenProvider["Service"] | undefined
  /**
   * What makes and reads the tokens of GSSAPI or SSPI for a server that asks for them; its principal is usually
   * `postgres/` and the host's name. Without one, such a server is refused.
   */
  readonly gss?: ((endpoint: Endpoint.Endpoint) => GssProvider.Provider<AuthError.GssUnavailable>) | undefined
  /** The database to work in: on PostgreSQL the user's name when absent, on Hyper then none. */
  readonly database?: string | undefined
  /** `"prefer"` when absent, as in libpq. */
  readonly sslMode?: SslMode | undefined
  /**
   * Whether to ask for TLS as the protocol has it (`"postgres"`, when absent), or to begin with the handshake at once,
   * which PostgreSQL 17 and later understand (`"direct"`). Hyper does not.
   */
  readonly sslNegotiation?: "postgres" | "direct" | undefined
  /** Trusted roots in PEM, in place of the runtime's own. */
  readonly rootCertificates?: string | undefined
  /** Certificates that were revoked, as lists in PEM; then there must be one of every authority in the chain. */
  readonly revocationList?: string | undefined
  /** Our own certificate chain in PEM, its key, and what the key is encrypted with. */
  readonly certificate?: string | undefined
  readonly key?: Redacted.Redacted<string> | undefined
  readonly keyPassword?: Redacted.Redacted<string> | undefined
  /** The versions of TLS to speak; from 1.2 on when absent. */
  readonly minTlsVersion?: Connection.TlsVersion | undefined
  readonly maxTlsVersion?: Connection.TlsVersion | undefined
  /** Whether to tell the host's name (SNI); true when absent. */
  readonly sslSni?: boolean | undefined
  /** What the server's logs and views call this program; `hyperfect` when absent. */
  readonly applicationName?: string | undefined
  /** The start-up parameter `options`, such as `-c statement_timeout=5s`. */
  readonly options?: string | undefined
  /** Further start-up parameters. Hyper ignores those that it does not know. */
  readonly parameters?: Readonly<Record<string, string>> | undefined
  /** Milliseconds for opening, securing and logging in, for each host; 15,000 when absent, 0 for no limit. */
  readonly connectTimeout?: number | undefined
  /** Whether the kernel probes an idle line, and after how many milliseconds; as the transport has it when absent. */
  readonly keepAlive?: boolean | undefined
  readonly keepAliveInitialDelay?: number | undefined
  /** How a password that is not plain ASCII is prepared: in full for PostgreSQL, the default; `"mapping"` for Hyper. */
  readonly saslPrep?: SaslPrep.Profile | undefined
  /** What the server may ask for as proof of who we are. */
  readonly policy?: Policy.Policy | undefined
  /**
   * How many prepared statements a session keeps; 256 when absent. With 0 nothing is prepared under a name, which is what
   * poolers want that lend a server for one transaction or statement. On Hyper none are kept.
   */
  readonly statementCacheSize?: number | undefined
  /**
   * Milliseconds for each query, from when it is asked until its result is there; no limit when absent. `Query.timeout`
   * sets another one. Streams, COPY and whole transactions are not limited by it.
   */
  readonly queryTimeout?: number | undefined
  /**
   * Milliseconds that the server may be silent while it owes an answer, before the session is given up; no limit when
   * absent. PostgreSQL says nothing while a statement runs, so this has to be longer than any; Hyper gives a sign of life
   * every five seconds.
   */
  readonly silenceTimeout?: number | undefined
}
