/**
 * Login errors of the client and the server.
 *
 * No reason contains a secret: neither a password, nor a proof, nor the contents of a mechanism's messages. The
 * contents of an ErrorResponse are passed on unchanged.
 *
 * @since 0.1.0
 */
import * as ErrorField from "@hyperfect/protocol/ErrorField"
import { TaggedError, TaggedReason } from "@hyperfect/protocol/ProtocolError"
import * as Schema from "effect/Schema"
import * as Struct from "effect/Struct"
import { ProtocolVersion } from "./ProtocolVersion.ts"

/**
 * The problem text for a value that is not a secret, such as a plain string, which must not be printed.
 *
 * @internal
 */
export const noSecret = "it is not a Redacted string, or belongs to another copy of effect"

const { printable } = ErrorField
const fields = Schema.Array(ErrorField.ErrorField)

/**
 * The server requires a password, and there is none, or an empty one.
 *
 * @category errors
 * @since 0.1.0
 */
export class PasswordMissing extends TaggedReason<PasswordMissing>()(
  "PasswordMissing",
  {
    user: Schema.String,
    /** The method that requires it, such as `scram-sha-256`. */
    method: Schema.String
  },
  ({ method, user }) => `the server asks for the password of ${JSON.stringify(user)} (${method}), but none was given`
) {}

/**
 * The effect that fetches the password failed.
 *
 * @category errors
 * @since 0.1.0
 */
export class PasswordUnavailable extends TaggedReason<PasswordUnavailable>()("PasswordUnavailable", {
  /** Part of the printed message; keep secrets out of it. */
  problem: Schema.String,
  /** The underlying failure; keep secrets out of it, too. */
  cause: Schema.optionalKey(Schema.Defect())
}, ({ problem }) => `could not obtain a password: ${problem}`) {}

/**
 * The password is text that cannot be sent to a server.
 *
 * @category errors
 * @since 0.1.0
 */
export class PasswordInvalid extends TaggedReason<PasswordInvalid>()("PasswordInvalid", {
  problem: Schema.Literals(["it contains a NUL character", "it contains an unpaired surrogate", noSecret])
}, ({ problem }) => `the password cannot be sent: ${problem}`) {}

/**
 * The OAuth token is malformed. Nothing was sent.
 *
 * @category errors
 * @since 0.1.0
 */
export class TokenInvalid extends TaggedReason<TokenInvalid>()("TokenInvalid", {
  problem: Schema.Literals(["it is empty", "it has characters that no bearer token has", noSecret])
}, ({ problem }) => `the OAuth token cannot be sent: ${problem}`) {}

/**
 * The server rejected the OAuth token, or requires one and there is none.
 *
 * **Gotchas**
 *
 * The server reports where tokens can be obtained, and it may lie. Compare the address with the expected one before
 * sending a secret there.
 *
 * @category errors
 * @since 0.1.0
 */
export class TokenRefused extends TaggedReason<TokenRefused>()("TokenRefused", {
  user: Schema.String,
  /** True if a token was sent. */
  sent: Schema.Boolean,
  /** The server's status, such as `invalid_token` (RFC 6750, section 3.1). */
  status: Schema.String,
  /** The address of the discovery document for obtaining a token, if the server sent it. */
  discoveryUrl: Schema.UndefinedOr(Schema.String),
  /** The required scope of the token, if the server sent it. */
  scope: Schema.UndefinedOr(Schema.String)
}, ({ discoveryUrl, scope, sent, status, user }) => {
  const what = sent
    ? `the server refused the OAuth token of ${JSON.stringify(user)} (${status})`
    : `the server asks for an OAuth token of ${JSON.stringify(user)}, but none was given`
  const where = discoveryUrl === undefined ? "" : `; ${discoveryUrl} says where to get one`
  return printable(what + where + (scope === undefined ? "" : `, for the scope ${JSON.stringify(scope)}`))
}) {}

/**
 * The provider of OAuth tokens could not obtain one.
 *
 * @category errors
 * @since 0.1.0
 */
export class TokenUnavailable extends TaggedReason<TokenUnavailable>()("TokenUnavailable", {
  /** Part of the printed message; keep secrets out of it. */
  problem: Schema.String,
  /** The underlying failure; keep secrets out of it, too. */
  cause: Schema.optionalKey(Schema.Defect())
}, ({ problem }) => `could not obtain an OAuth token: ${problem}`) {}

/**
 * The provider of GSSAPI or SSPI could not start or continue a security context.
 *
 * @category errors
 * @since 0.1.0
 */
export class GssUnavailable extends TaggedReason<GssUnavailable>()("GssUnavailable", {
  /** Part of the printed message; keep secrets out of it. */
  problem: Schema.String,
  /** The provider's failure; keep secrets out of it, too. */
  cause: Schema.optionalKey(Schema.Defect())
}, ({ problem }) => `could not establish a security context: ${problem}`) {}

/**
 * The server requested a method that the client's policy does not allow. Nothing was sent.
 *
 * @category errors
 * @since 0.1.0
 */
export class MethodRefused extends TaggedReason<MethodRefused>()("MethodRefused", {
  method: Schema.String,
  /**
   * - `"method"`: it is not one of the allowed methods.
   * - `"cleartext"`: it would send the password or the token itself over a connection without TLS.
   * - `"md5"`: it would send a hash of the password, from which it can be guessed, over a connection without TLS.
   */
  rule: Schema.Literals(["method", "cleartext", "md5"]),
  /** The allowed methods. */
  allowed: Schema.Array(Schema.String)
}, (self) => {
  if (self.rule === "cleartext") {
    const [secret, setting] = self.method === "oauth"
      ? ["an OAuth token", ""]
      : ["the password in clear text", " (require_auth=password in a connection string)"]
    return `the server asks for ${secret} over a connection without TLS; use TLS, or allow it with ` +
      `\`allowCleartextWithoutTls\`${setting} on a network where traffic cannot be intercepted`
  }
  if (self.rule === "md5") {
    return "the server asks for an MD5 hash of the password over a connection without TLS, from which an eavesdropper " +
      "can guess the password; use TLS, let the server ask for scram-sha-256, or allow it with `allowMd5WithoutTls` " +
      "(require_auth=md5 in a connection string) on a network where traffic cannot be intercepted"
  }
  const asked = self.method === "trust" ? "asks for no proof of identity" : `asks for ${self.method}`
  const allowed = self.allowed.length === 0 ? "no method is allowed" : `only ${self.allowed.join(", ")} is allowed`
  return `the server ${asked}, but ${allowed}; allow it with \`methods\`, or change what the server asks for`
}) {}

/**
 * The server requested a method that this library does not support, or that requires a provider which was not supplied.
 *
 * @category errors
 * @since 0.1.0
 */
export class MethodUnsupported extends TaggedReason<MethodUnsupported>()("MethodUnsupported", {
  /** The requested method: `gss`, `sspi`, `kerberos`, or the names of the offered SASL mechanisms. */
  offered: Schema.Array(Schema.String)
}, (self) => {
  const offered = self.offered.length === 0
    ? "a SASL exchange without a mechanism"
    : printable(self.offered.join(", "))
  return `the server asks for ${offered}, which is not supported; let it ask this user for scram-sha-256`
}) {}

/** The message and hint for each problem. */
const bindingProblems = {
  "no-tls": "it is required, but the connection has no TLS; use TLS",
  "not-offered": "it is required, but the server does not ask for SCRAM-SHA-256-PLUS; a man in the middle may have " +
    "removed the offer, or the server does not support it",
  "offered-without-tls":
    "the server offers it over a connection without TLS, so it believes that TLS is on; a man in " +
    "the middle may have removed it",
  "no-certificate": "it is required, but the server's certificate is not known",
  "certificate-malformed": "the server's certificate cannot be read",
  "no-hash":
    "the server's certificate is signed in a way that has no hash for it; give the server another certificate, " +
    "such as one signed with RSA or ECDSA, or do without with `channelBinding: \"disable\"`"
} as const

/**
 * The login could not be bound to the TLS session. Nothing secret was sent.
 *
 * @category errors
 * @since 0.1.0
 */
export class ChannelBindingUnavailable extends TaggedReason<ChannelBindingUnavailable>()("ChannelBindingUnavailable", {
  /**
   * - `"no-tls"`: channel binding is required, and there is no TLS.
   * - `"not-offered"`: channel binding is required, and the server requested another method.
   * - `"offered-without-tls"`: the server offers channel binding although there is no TLS.
   * - `"no-certificate"`: channel binding is required, and the transport does not know the server's certificate.
   * - `"certificate-malformed"`: the server's certificate cannot be parsed.
   * - `"no-hash"`: the certificate's signature has no hash function, or an unknown one.
   */
  problem: Schema.Literals(Struct.keys(bindingProblems)),
  /** The object identifier of the certificate's signature algorithm, for `"no-hash"`. */
  algorithm: Schema.optionalKey(Schema.String)
}, (self) => {
  const algorithm = self.algorithm === undefined ? "" : ` (signature algorithm ${self.algorithm})`
  return `no channel binding: ${bindingProblems[self.problem]}${algorithm}`
}) {}

/**
 * The server failed to prove its identity or that it knows the password: it may be an impostor.
 *
 * @category errors
 * @since 0.1.0
 */
export class ServerNotAuthentic extends TaggedReason<ServerNotAuthentic>()("ServerNotAuthentic", {
  /**
   * - `"nonce"`: its nonce does not begin with the client's, or adds nothing to it.
   * - `"signature"`: its signature is not the one derived from the password.
   * - `"signature-missing"`: it reported success without having sent a signature.
   * - `"context-incomplete"`: it reported success before GSSAPI had authenticated it.
   */
  flaw: Schema.Literals(["nonce", "signature", "signature-missing", "context-incomplete"])
}, (self) => {
  const flaw = {
    nonce: "its nonce does not extend the client's",
    signature: "its signature is wrong",
    "signature-missing": "it sent no signature",
    "context-incomplete": "it accepted the login too early"
  }[self.flaw]
  return `the server did not prove its identity: ${flaw}; there may be a man in the middle`
}) {}

/**
 * The server detected that the login was proved in another TLS session than its own: channel binding failed. The TLS
 * connection ends at an intermediary, which can read and change the data.
 *
 * @category errors
 * @since 0.1.0
 */
export class ChannelBindingMismatch extends TaggedReason<ChannelBindingMismatch>()(
  "ChannelBindingMismatch",
  {
    user: Schema.String,
    /** The SQLSTATE; empty if there is none, as for an error inside a mechanism, which has only a text. */
    sqlState: Schema.String,
    /** The server's message. */
    text: Schema.String,
    /** Every field of the ErrorResponse. */
    fields
  },
  ({ text }) =>
    `there may be a man in the middle: the server says that the TLS session is not its own ` +
    `(${printable(text)}); do not trust this connection, check the server's certificate (sslmode=verify-full), and ` +
    "use `channelBinding: \"disable\"` only where a proxy of your own ends TLS"
) {}

/**
 * A message of an authentication mechanism violates the mechanism's grammar.
 *
 * @category errors
 * @since 0.1.0
 */
export class MechanismMalformed extends TaggedReason<MechanismMalformed>()("MechanismMalformed", {
  /** The mechanism, such as `SCRAM-SHA-256`. */
  mechanism: Schema.String,
  /** The message's name in the mechanism's specification, such as `server-first-message`. */
  messageName: Schema.String,
  problem: Schema.String
}, ({ mechanism, messageName, problem }) => printable(`the ${messageName} of ${mechanism} is malformed: ${problem}`)) {}

/**
 * The server's SCRAM iteration count is outside the bounds of the client's policy. No proof was sent.
 *
 * @category errors
 * @since 0.1.0
 */
export class IterationsOutOfBounds extends TaggedReason<IterationsOutOfBounds>()("IterationsOutOfBounds", {
  iterations: Schema.Number,
  minimum: Schema.Number,
  maximum: Schema.Number
}, ({ iterations, maximum, minimum }) => {
  const [bound, why, option] = iterations < minimum
    ? [`at least ${minimum}`, "a low count makes the password easy to guess", "minIterations"]
    : [`at most ${maximum}`, "a high count keeps this machine busy", "maxIterations"]
  return `the server wants ${iterations} SCRAM iterations where ${bound} are allowed: ${why}; ` +
    `set the password anew on the server, or change \`${option}\``
}) {}

/** Hints for server errors during login, by SQLSTATE. */
const hints: Readonly<Record<string, string>> = {
  "28P01": "check the user's name and password",
  "28000": "check the user's name, and what the server's rules (pg_hba.conf) demand of it",
  // Hyper sends it for unknown users and wrong passwords.
  "42501": "check the user's name and password",
  "08000": "connect with TLS if it says so",
  "22023": "check the start-up parameters",
  "42601": "check the start-up parameters",
  "42704": "check the start-up parameters",
  "53300": "close some connections, or try again later",
  "57P03": "it is starting or stopping; try again",
  "0A000": "ask for an older version of the protocol (maxProtocolVersion) if it says so"
}

/** True for lack of resources, and for servers that are starting, shutting down or crashing. */
const isTransient = (sqlState: string): boolean => sqlState.startsWith("53") || /^57P0[123]$/.test(sqlState)

/**
 * The server rejected the session with an ErrorResponse.
 *
 * @category errors
 * @since 0.1.0
 */
export class Rejected extends TaggedReason<Rejected>()("Rejected", {
  user: Schema.String,
  /** The SQLSTATE; empty if there is none, as for an error inside a mechanism, which has only a text. */
  sqlState: Schema.String,
  /** The server's message. */
  text: Schema.String,
  /** Every field of the ErrorResponse. */
  fields
}, ({ sqlState, text, user }) => {
  const code = sqlState === "" ? "" : ` (${sqlState})`
  const hint = hints[sqlState]
  return `the server refused ${JSON.stringify(user)}: ${printable(text + code)}${hint === undefined ? "" : `; ${hint}`}`
}) {
  /** True if the same login may succeed later. */
  get isRetryable(): boolean {
    return isTransient(this.sqlState)
  }
}

/**
 * The server rejected the session because the database does not exist, or its file cannot be opened.
 *
 * @category errors
 * @since 0.1.0
 */
export class DatabaseMissing extends TaggedReason<DatabaseMissing>()(
  "DatabaseMissing",
  {
    /** The requested database; the user's name if none was requested, by PostgreSQL's rule. */
    database: Schema.String,
    sqlState: Schema.String,
    /** The server's message. */
    text: Schema.String,
    /** Every field of the ErrorResponse. */
    fields
  },
  ({ database, sqlState, text }) =>
    `the server has no database ${JSON.stringify(database)}: ${printable(text)} (${sqlState}); ` +
    "create it, or check its name"
) {}

/**
 * The server supports no protocol version that is new enough. Nothing secret was sent.
 *
 * @category errors
 * @since 0.1.0
 */
export class VersionUnsupported extends TaggedReason<VersionUnsupported>()(
  "VersionUnsupported",
  {
    /** The oldest acceptable version. */
    wanted: ProtocolVersion,
    /** The newest version that the server supports. */
    offered: ProtocolVersion
  },
  ({ offered, wanted }) =>
    `the server speaks the protocol up to version ${offered}, but at least ${wanted} is wanted; ` +
    "connect to a newer server, or lower `minProtocolVersion`"
) {}

/**
 * The server closed the connection before the session was ready, without an error message.
 *
 * @category errors
 * @since 0.1.0
 */
export class ServerClosed extends TaggedReason<ServerClosed>()("ServerClosed", {
  /** The last message that the client sent. */
  after: Schema.String
}, ({ after }) => {
  // Hyper sends nothing about an unknown version (H-01), a missing user, or more than 4096 bytes (H-02).
  const why = after === "StartupMessage"
    ? "; it may be stopping, or not a PostgreSQL or Hyper server; Hyper does so when the start-up parameters are " +
      "longer than 4,096 bytes, or when another version of the protocol than 3.0 is asked for"
    : "; its log may say why"
  return `the server closed the connection after our ${after}, without a reason${why}`
}) {}

/**
 * The runtime's cryptography failed.
 *
 * @category errors
 * @since 0.1.0
 */
export class CryptoFailed extends TaggedReason<CryptoFailed>()("CryptoFailed", {
  cause: Schema.Defect()
}, () => "the runtime cannot compute what the authentication method needs") {}

/**
 * The reasons of a failed login: one tag per kind.
 *
 * @category errors
 * @since 0.1.0
 */
export const Reason = Schema.Union([
  VersionUnsupported,
  PasswordMissing,
  PasswordUnavailable,
  PasswordInvalid,
  TokenInvalid,
  TokenRefused,
  TokenUnavailable,
  GssUnavailable,
  MethodRefused,
  MethodUnsupported,
  ChannelBindingUnavailable,
  ServerNotAuthentic,
  ChannelBindingMismatch,
  MechanismMalformed,
  IterationsOutOfBounds,
  Rejected,
  DatabaseMissing,
  ServerClosed,
  CryptoFailed
])

/**
 * The reason of a failed login: one tag per kind.
 *
 * @category errors
 * @since 0.1.0
 */
export type Reason = typeof Reason.Type

/**
 * A failed login.
 *
 * **Example** (Distinguishing the reasons)
 *
 * ```ts
 * import { AuthError } from "@hyperfect/auth"
 * import { Effect } from "effect"
 * import { strict as assert } from "node:assert"
 *
 * const login = Effect.fail(AuthError.fromReason(new AuthError.PasswordMissing({ user: "app", method: "md5" })))
 * const missing = login.pipe(
 *   Effect.catchReason("AuthError", "PasswordMissing", (reason) => Effect.succeed(reason.user))
 * )
 * assert.equal(Effect.runSync(missing), "app")
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class AuthError extends TaggedError<AuthError, boolean>()("AuthError", { reason: Reason }) {
  /** True if the same login, on a new connection, may succeed. */
  override get isRetryable(): boolean {
    // The provider of a secret was unavailable, which may be temporary.
    return ["ServerClosed", "PasswordUnavailable", "TokenUnavailable", "GssUnavailable"].includes(this.reason._tag) ||
      (this.reason._tag === "Rejected" && this.reason.isRetryable)
  }
}

/**
 * Wraps a reason.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromReason = (reason: Reason): AuthError => new AuthError({ reason })

/** True for Hyper's code for a missing database file, and PostgreSQL's for a missing database. */
const isDatabaseMissing = (sqlState: string): boolean => sqlState === "58S01" || sqlState === "3D000"

/**
 * The PostgreSQL functions that report a channel binding failure; their names are not translated, unlike error texts.
 */
const alarmRoutines: ReadonlySet<string | undefined> = new Set([
  "read_client_first_message",
  "read_client_final_message"
])

/**
 * True if the server's error reports a channel binding failure, including a mismatch of the client's flag that claims
 * the server has no support for it.
 */
const isBindingAlarm = (sqlState: string, text: string, routine: string | undefined): boolean =>
  sqlState === "28000" &&
  (alarmRoutines.has(routine) || /^SCRAM channel binding (?:check failed|negotiation error)/.test(text))

/**
 * Creates the error for a server's ErrorResponse to the login of a user to a database.
 *
 * @internal
 */
export const fromErrorResponse = (
  response: { readonly fields: ReadonlyArray<ErrorField.ErrorField> },
  user: string,
  database: string
): AuthError => {
  const { fields } = response
  const sqlState = ErrorField.get(fields, "sqlState") ?? ""
  const text = ErrorField.get(fields, "message") ?? "no message"
  return fromReason(
    isDatabaseMissing(sqlState)
      ? new DatabaseMissing({ database, sqlState, text, fields })
      : isBindingAlarm(sqlState, text, ErrorField.get(fields, "routine"))
      ? new ChannelBindingMismatch({ user, sqlState, text, fields })
      : new Rejected({ user, sqlState, text, fields })
  )
}
