/**
 * The configuration of a connection and its parts.
 *
 * @since 0.1.0
 */
import type * as AuthError from "@hyperfect/auth/AuthError"
import type * as GssProvider from "@hyperfect/auth/GssProvider"
import type * as Login from "@hyperfect/auth/Login"
import type * as OAuthBearer from "@hyperfect/auth/mechanisms/OAuthBearer"
import type * as OAuthFlow from "@hyperfect/auth/OAuthFlow"
import type * as Policy from "@hyperfect/auth/Policy"
import type * as ProtocolVersion from "@hyperfect/auth/ProtocolVersion"
import type * as SaslPrep from "@hyperfect/auth/SaslPrep"
import type * as ScramVerifier from "@hyperfect/auth/ScramVerifier"
import type * as Connection from "@hyperfect/transport/Connection"
import type * as Endpoint from "@hyperfect/transport/Endpoint"
import type * as Duration from "effect/Duration"
import type * as Redacted from "effect/Redacted"
import type * as Dialect from "../../Dialect.ts"

/**
 * The encryption of the connection, with the names and meaning of libpq's `sslmode`.
 *
 * **Details**
 *
 * - `"disable"`: no TLS.
 * - `"allow"`: no TLS, then with TLS if the server refuses the login without it.
 * - `"prefer"`: TLS if the server offers it, else none; also none if the handshake fails or the server refuses the
 *   login with TLS.
 * - `"require"`: TLS, without verifying the server's identity.
 * - `"verify-ca"`: TLS, with a certificate from a trusted root.
 * - `"verify-full"`: TLS, with a certificate from a trusted root that matches the host's name.
 *
 * If a root certificate is given, the certificate is checked in every mode as by `"verify-ca"`. TLS is never used on a
 * Unix socket, whatever the mode.
 *
 * @category models
 * @since 0.1.0
 */
export type SslMode = "disable" | "allow" | "prefer" | "require" | "verify-ca" | "verify-full"

/**
 * The required kind of session, with the names of libpq's `target_session_attrs`.
 *
 * **Details**
 *
 * A session is read-only if the server is in hot standby or `default_transaction_read_only` is on. `"prefer-standby"`
 * first tries every host for a standby, then accepts any. Hyper has no standbys, and all its sessions can write.
 *
 * @category models
 * @since 0.1.0
 */
export type TargetSessionAttrs = "any" | "read-write" | "read-only" | "primary" | "standby" | "prefer-standby"

/**
 * A password, or an effect that fetches it for each connection when the server requests it. A plain string is a
 * `ConnectionConfigError`, which does not contain it: wrap it in `Redacted.make`, which keeps it from being printed.
 *
 * @category models
 * @since 0.1.0
 */
export type Password = Login.Password<AuthError.PasswordUnavailable>

/**
 * An OAuth token, or an effect that fetches it for each connection when the server requests it.
 *
 * @category models
 * @since 0.1.0
 */
export type Token = Login.Token<AuthError.TokenUnavailable>

/**
 * The servers to connect to, the credentials, and the options of the connection.
 *
 * @category models
 * @since 0.1.0
 */
export interface ConnectionConfig extends ProtocolVersion.Range {
  readonly endpoint: Endpoint.Endpoint
  /** Alternative servers, tried one after the other. */
  readonly alternatives?: ReadonlyArray<Endpoint.Endpoint> | undefined
  /**
   * The order of trying servers: random, to distribute clients over them, or as configured; `"disable"` when absent.
   */
  readonly loadBalanceHosts?: "disable" | "random" | undefined
  /** `"any"` when absent. */
  readonly targetSessionAttrs?: TargetSessionAttrs | undefined
  readonly user: string
  /** To use an effect that requires services or has other errors, see `ConnectionConfig.withPassword`. */
  readonly password?: Password | undefined
  /** Returns the password for one of several servers with different ones; `password` is used for a server without. */
  readonly passwordOf?: ((endpoint: Endpoint.Endpoint) => Password | undefined) | undefined
  /** Keys derived with this server's salt, for SCRAM in place of the password. */
  readonly scramKeys?: ScramVerifier.SecretKeys | undefined
  /** The token for a server that requests OAuth. */
  readonly token?: Token | undefined
  /**
   * Provides tokens in place of `token`, and new ones for those that the server refuses. Its time does not count
   * towards the connect timeout. `ConnectionConfig.withTokenProvider` takes it from the context.
   */
  readonly tokenProvider?: OAuthBearer.TokenProvider["Service"] | undefined
  /**
   * The client at the authorization server, for `ConnectionConfig.withDeviceFlow`, which makes the provider of tokens from
   * it. Without any tokens, a session is refused before it connects.
   */
  readonly oauth?: OAuthFlow.Options | undefined
  /**
   * Makes and processes the tokens of GSSAPI or SSPI for a server that requests them; its principal is usually
   * `postgres/` and the host's name. Without it, such a server is refused.
   */
  readonly gss?: ((endpoint: Endpoint.Endpoint) => GssProvider.Provider<AuthError.GssUnavailable>) | undefined
  /** The database. When absent, the one named after the user on PostgreSQL, and none on Hyper. */
  readonly database?: string | undefined
  /** `"prefer"` when absent, as in libpq. */
  readonly sslMode?: SslMode | undefined
  /**
   * The start of TLS: requested by the protocol's SSLRequest (`"postgres"`, when absent), or directly with the
   * handshake (`"direct"`), which PostgreSQL 17 and later support. Hyper does not.
   */
  readonly sslNegotiation?: "postgres" | "direct" | undefined
  /** Trusted root certificates in PEM, in place of the runtime's. */
  readonly rootCertificates?: string | undefined
  /** Certificate revocation lists in PEM; if given, there must be one of every authority in the chain. */
  readonly revocationList?: string | undefined
  /** The client's certificate chain in PEM, its key, and the passphrase of the key. */
  readonly certificate?: string | undefined
  readonly key?: Redacted.Redacted<string> | undefined
  readonly keyPassword?: Redacted.Redacted<string> | undefined
  /** The range of TLS versions; from 1.2 on when absent. */
  readonly minTlsVersion?: Connection.TlsVersion | undefined
  readonly maxTlsVersion?: Connection.TlsVersion | undefined
  /** True to send the host's name (SNI); true when absent. */
  readonly sslSni?: boolean | undefined
  /** The name of this program in the server's logs and views; `hyperfect` when absent. */
  readonly applicationName?: string | undefined
  /** The start-up parameter `options`, such as `-c statement_timeout=5s`. */
  readonly options?: string | undefined
  /**
   * Further start-up parameters. Hyper ignores unknown ones. The `client_encoding` is UTF8 on every session: statements
   * that set another one are refused, and a session whose server reports another one ends.
   *
   * Before version 12 PostgreSQL prints floating-point numbers without all of their digits: there `extra_float_digits`
   * is set to 3 after the login, unless it is among these parameters or in `options`. With a lower value, numbers sent
   * as text, as by `simple`, may be inexact.
   */
  readonly parameters?: Readonly<Record<string, string>> | undefined
  /**
   * The time limit per host for connecting, securing and logging in; 15 seconds when absent, 0 for no limit. A number,
   * here and below, is one of milliseconds.
   */
  readonly connectTimeout?: Duration.Input | undefined
  /**
   * TCP keepalive probes on an idle connection, and the idle time before the first; the transport's defaults when
   * absent.
   */
  readonly keepAlive?: boolean | undefined
  readonly keepAliveInitialDelay?: Duration.Input | undefined
  /**
   * The time between keepalive probes, and the number of unanswered ones after which the connection is lost; the system's
   * or the transport's defaults when absent. On Node.js since 24.21 and 26.4; refused where the transport cannot set them.
   */
  readonly keepAliveInterval?: Duration.Input | undefined
  readonly keepAliveCount?: number | undefined
  /**
   * The preparation of a password that is not plain ASCII: full SASLprep for PostgreSQL, the default; `"mapping"` for
   * Hyper.
   */
  readonly saslPrep?: SaslPrep.Profile | undefined
  /** The authentication methods that the server may request. */
  readonly policy?: Policy.Policy | undefined
  /**
   * The maximum number of prepared statements kept per session; 256 when absent. On Hyper none are kept. Of the texts
   * with at least 16,384 characters, such as an INSERT of many rows, only those used last are kept: up to 1,048,576
   * characters together, or a longer one alone.
   *
   * With 0 no statement is prepared under a name. This is required by poolers in transaction or statement mode that do
   * not support prepared statements: PgBouncer before 1.21, or with `max_prepared_statements = 0`. With PgBouncer's own
   * prepared statements (since 1.21, the default since 1.24), keep the default.
   */
  readonly statementCacheSize?: number | undefined
  /**
   * Capabilities of the server that differ from those of its kind, which a session detects at login.
   *
   * Poolers and other servers with PostgreSQL's protocol lack some of them: `{ namedStatements: false }` for a pooler
   * without prepared statements, `{ cancel: false }` where cancel requests do not arrive, `{ catalogueLookups: false }`
   * without `pg_catalog`, `{ savepoints: false }`, `{ rowLimits: false }`, `{ reset: "DISCARD ALL" }`. See `Dialect`.
   */
  readonly dialect?: Dialect.Overrides | undefined
  /**
   * The time for which a session relies on the types of its prepared statements; 1 second when absent.
   *
   * PostgreSQL does not notify a session when another one alters a composite type, or the type of a column that a
   * parameter is for. Changes made by sessions of the same pool are known at once. For other changes, composite types
   * are compared with the catalogue before a statement that uses any is run, at most once in this time and for all
   * sessions of a pool together; and statements with undeclared parameter types are described again after a run,
   * without waiting, at most once in this time each. Changes made by another program may thus go unnoticed for this
   * time, and those of a parameter's type for one more run. With 0 both checks precede every run, which takes further
   * round trips.
   */
  readonly typeCheckInterval?: Duration.Input | undefined
  /**
   * The time limit of each query, from the call until its result is complete; no limit when absent.
   * `Query.timeout` overrides it. It does not apply to streams, COPY and whole transactions.
   */
  readonly queryTimeout?: Duration.Input | undefined
  /**
   * The time without data from the server while a response is pending, after which the session is failed; no limit when absent. PostgreSQL sends nothing while a statement runs, so this must exceed the longest
   * statement; Hyper sends a sign of life every five seconds.
   */
  readonly silenceTimeout?: Duration.Input | undefined
}
