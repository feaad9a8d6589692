/**
 * Why a log-in failed, on the client's side or the server's.
 *
 * No reason holds a secret: neither a password nor a proof nor the contents of a mechanism's messages. What the server
 * says in an ErrorResponse is passed on as it came.
 *
 * @since 0.1.0
 */
import * as ErrorField from "@hyperfect/protocol/ErrorField"
import * as Schema from "effect/Schema"
import { ProtocolVersion } from "./ProtocolVersion.ts"

const fields = Schema.Array(ErrorField.ErrorField)

/**
 * The server wants a password, and there is none, or an empty one.
 *
 * @category errors
 * @since 0.1.0
 */
export class PasswordMissing extends Schema.TaggedError<PasswordMissing>()("PasswordMissing", {
  user: Schema.String,
  /** The method that wants it, such as `scram-sha-256`. */
  method: Schema.String
}) {
  override get message(): string {
    return `the server asks for the password of ${JSON.stringify(this.user)} (${this.method}), but none was given`
  }
}

/**
 * The program that fetches the password could not get it.
 *
 * @category errors
 * @since 0.1.0
 */
export class PasswordUnavailable extends Schema.TaggedError<PasswordUnavailable>()("PasswordUnavailable", {
  /** It is printed; keep secrets out of it. */
  problem: Schema.String,
  /** What the program failed with; keep secrets out of it, too. */
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message(): string {
    return `there is no password to be had: ${this.problem}`
  }
}

/**
 * The password is a text that no server can hold.
 *
 * @category errors
 * @since 0.1.0
 */
export class PasswordInvalid extends Schema.TaggedError<PasswordInvalid>()("PasswordInvalid", {
  problem: Schema.Literals(["it contains a NUL character", "it contains an unpaired surrogate"])
}) {
  override get message(): string {
    return `the password cannot be sent: ${this.problem}`
  }
}

/**
 * The OAuth token is a text that is none. Nothing was sent.
 *
 * @category errors
 * @since 0.1.0
 */
export class TokenInvalid extends Schema.TaggedError<TokenInvalid>()("TokenInvalid", {
  problem: Schema.Literals(["it is empty", "it has characters that no bearer token has"])
}) {
  override get message(): string {
    return `the OAuth token cannot be sent: ${this.problem}`
  }
}

/**
 * The server does not take the OAuth token, or wants one and there is none.
 *
 * **Gotchas**
 *
 * The server says where tokens come from, and it may lie. Before anything secret goes there, compare the address with
 * the one that is expected.
 *
 * @category errors
 * @since 0.1.0
 */
export class TokenRefused extends Schema.TaggedError<TokenRefused>()("TokenRefused", {
  user: Schema.String,
  /** Whether a token was sent. */
  sent: Schema.Boolean,
  /** What the server said of it, such as `invalid_token` (RFC 6750, section 3.1). */
  status: Schema.String,
  /** Where the document lies that says how to get a token, if the server told. */
  discoveryUrl: Schema.UndefinedOr(Schema.String),
  /** What the token must be good for, if the server told. */
  scope: Schema.UndefinedOr(Schema.String)
}) {
  override get message(): string {
    const what = this.sent
      ? `the server refused the OAuth token of ${JSON.stringify(this.user)} (${this.status})`
      : `the server asks for an OAuth token of ${JSON.stringify(this.user)}, but none was given`
    const where = this.discoveryUrl === undefined ? "" : `; ${this.discoveryUrl} says where to get one`
    return what + where + (this.scope === undefined ? "" : `, for the scope ${JSON.stringify(this.scope)}`)
  }
}

/**
 * The provider of OAuth tokens could not get one.
 *
 * @category errors
 * @since 0.1.0
 */
export class TokenUnavailable extends Schema.TaggedError<TokenUnavailable>()("TokenUnavailable", {
  /** It is printed; keep secrets out of it. */
  problem: Schema.String,
  /** What the program failed with; keep secrets out of it, too. */
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message(): string {
    return `there is no OAuth token to be had: ${this.problem}`
  }
}

/**
 * The provider of GSSAPI or SSPI could not begin a security context, or go on with it.
 *
 * @category errors
 * @since 0.1.0
 */
export class GssUnavailable extends Schema.TaggedError<GssUnavailable>()("GssUnavailable", {
  /** It is printed; keep secrets out of it. */
  problem: Schema.String,
  /** What the provider failed with; keep secrets out of it, too. */
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message(): string {
    return `there is no security context to be had: ${this.problem}`
  }
}

/**
 * The server asks for a method that the caller's policy does not allow. Nothing was sent.
 *
 * @category errors
 * @since 0.1.0
 */
export class MethodRefused extends Schema.TaggedError<MethodRefused>()("MethodRefused", {
  method: Schema.String,
  /** `"method"` when it is not among the allowed ones, `"cleartext"` when the line is not secured for it. */
  rule: Schema.Literals(["method", "cleartext"]),
  /** The methods that are allowed. */
  allowed: Schema.Array(Schema.String)
}) {
  override get message(): string {
    if (this.rule === "cleartext") {
      const secret = this.method === "oauth" ? "an OAuth token" : "the password in clear text"
      return `the server asks for ${secret} on a line without TLS; use TLS, or allow it with ` +
        "`allowCleartextWithoutTls` where nobody can listen"
    }
    const asked = this.method === "trust" ? "asks for no proof of identity" : `asks for ${this.method}`
    const allowed = this.allowed.length === 0 ? "no method is allowed" : `only ${this.allowed.join(", ")} is allowed`
    return `the server ${asked}, but ${allowed}; allow it with \`methods\`, or change what the server asks for`
  }
}

/**
 * The server asks for a method that is not implemented here, or not without a provider that was not given.
 *
 * @category errors
 * @since 0.1.0
 */
export class MethodUnsupported extends Schema.TaggedError<MethodUnsupported>()("MethodUnsupported", {
  /** What it asks for: `gss`, `sspi`, `kerberos`, or the names of the SASL mechanisms on offer. */
  offered: Schema.Array(Schema.String)
}) {
  override get message(): string {
    const offered = this.offered.length === 0 ? "a SASL exchange without a mechanism" : this.offered.join(", ")
    return `the server asks for ${offered}, which is not supported; let it ask this user for scram-sha-256`
  }
}

/** What is said of each, and what to do about it. */
const bindingProblems = {
  "no-tls": "it is required, but the line has no TLS; use TLS",
  "not-offered": "it is required, but the server does not ask for SCRAM-SHA-256-PLUS; somebody may be in between, or " +
    "the server cannot do it",
  "plain-line": "the server offers it on a line without TLS, so it takes the line for a secured one; somebody in " +
    "between may have taken the TLS away",
  "no-certificate": "it is required, but the server's certificate is not known",
  "certificate-malformed": "the server's certificate cannot be read",
  "no-hash":
    "the server's certificate is signed in a way that has no hash for it; give the server another certificate, " +
    "such as one signed with RSA or ECDSA, or do without with `channelBinding: \"disable\"`"
} as const

/**
 * The log-in could not be bound to the TLS session. Nothing secret was sent.
 *
 * @category errors
 * @since 0.1.0
 */
export class ChannelBindingUnavailable
  extends Schema.TaggedError<ChannelBindingUnavailable>()("ChannelBindingUnavailable", {
    /**
     * - `"no-tls"`: it is required, and there is no TLS.
     * - `"not-offered"`: it is required, and the server asks for something else.
     * - `"plain-line"`: the server offers it although there is no TLS.
     * - `"no-certificate"`: it is required, and the transport does not know the server's certificate.
     * - `"certificate-malformed"`: the server's certificate is not one.
     * - `"no-hash"`: the certificate's signature has no hash function, or an unknown one.
     */
    problem: Schema.Literals([
      "no-tls",
      "not-offered",
      "plain-line",
      "no-certificate",
      "certificate-malformed",
      "no-hash"
    ]),
    /** The object identifier of the certificate's signature algorithm, when that is the problem. */
    algorithm: Schema.optionalKey(Schema.String)
  })
{
  override get message(): string {
    const algorithm = this.algorithm === undefined ? "" : ` (signature algorithm ${this.algorithm})`
    return `no channel binding: ${bindingProblems[this.problem]}${algorithm}`
  }
}

/**
 * The server could not prove that it knows the password, or who it is: it may be somebody else.
 *
 * @category errors
 * @since 0.1.0
 */
export class ServerNotAuthentic extends Schema.TaggedError<ServerNotAuthentic>()("ServerNotAuthentic", {
  /**
   * - `"nonce"`: its nonce does not begin with ours, or adds nothing to it.
   * - `"signature"`: its signature is not the one that follows from the password.
   * - `"signature-missing"`: it said that we are in without having sent a signature.
   * - `"context-incomplete"`: it said that we are in before GSSAPI could tell who it is.
   */
  flaw: Schema.Literals(["nonce", "signature", "signature-missing", "context-incomplete"])
}) {
  override get message(): string {
    const flaw = {
      nonce: "its nonce does not extend ours",
      signature: "its signature is wrong",
      "signature-missing": "it sent no signature",
      "context-incomplete": "it let us in too early"
    }[this.flaw]
    return `the server did not prove who it is: ${flaw}; somebody may be in between`
  }
}

/**
 * A message of an authentication mechanism does not follow the mechanism's grammar.
 *
 * @category errors
 * @since 0.1.0
 */
export class MechanismMalformed extends Schema.TaggedError<MechanismMalformed>()("MechanismMalformed", {
  /** Such as `SCRAM-SHA-256`. */
  mechanism: Schema.String,
  /** The message's name in the mechanism's specification, such as `server-first-message`. */
  messageName: Schema.String,
  problem: Schema.String
}) {
  override get message(): string {
    return `the ${this.messageName} of ${this.mechanism} is malformed: ${this.problem}`
  }
}

/**
 * The server wants the password hashed fewer or more times than the caller's policy allows. No proof was sent.
 *
 * @category errors
 * @since 0.1.0
 */
export class IterationsOutOfBounds extends Schema.TaggedError<IterationsOutOfBounds>()("IterationsOutOfBounds", {
  iterations: Schema.Number,
  minimum: Schema.Number,
  maximum: Schema.Number
}) {
  override get message(): string {
    const [bound, why, option] = this.iterations < this.minimum
      ? [`at least ${this.minimum}`, "a low count makes the password easy to guess", "minIterations"]
      : [`at most ${this.maximum}`, "a high count keeps this machine busy", "maxIterations"]
    return `the server wants ${this.iterations} SCRAM iterations where ${bound} are allowed: ${why}; ` +
      `set the password anew on the server, or change \`${option}\``
  }
}

/** What a user can do about an error that a server answers a log-in with, by SQLSTATE. */
const advice: Readonly<Record<string, string>> = {
  "28P01": "check the user's name and password",
  "28000": "check the user's name, and what the server's rules (pg_hba.conf) demand of it",
  // Hyper answers unknown users and wrong passwords with it.
  "42501": "check the user's name and password",
  "08000": "connect with TLS if it says so",
  "22023": "check the start-up parameters",
  "42601": "check the start-up parameters",
  "42704": "check the start-up parameters",
  "53300": "close some connections, or try again later",
  "57P03": "it is starting or stopping; try again",
  "0A000": "ask for an older version of the protocol (maxProtocolVersion) if it says so"
}

/** Lack of resources, and servers that are starting, stopping or crashing. */
const isPassing = (sqlState: string): boolean => sqlState.startsWith("53") || /^57P0[123]$/.test(sqlState)

/**
 * The server refused the session with an ErrorResponse.
 *
 * @category errors
 * @since 0.1.0
 */
export class Rejected extends Schema.TaggedError<Rejected>()("Rejected", {
  user: Schema.String,
  /** Empty when there is none: an error inside a mechanism has only a text. */
  sqlState: Schema.String,
  /** What the server said. */
  text: Schema.String,
  /** Every field of the ErrorResponse. */
  fields
}) {
  override get message(): string {
    const code = this.sqlState === "" ? "" : ` (${this.sqlState})`
    const hint = advice[this.sqlState]
    return `the server refused ${JSON.stringify(this.user)}: ${this.text}${code}${
      hint === undefined ? "" : `; ${hint}`
    }`
  }

  /** Whether the same log-in may succeed later. */
  get isRetryable(): boolean {
    return isPassing(this.sqlState)
  }
}

/**
 * The server refused the session because it does not have the database, or cannot open its file.
 *
 * @category errors
 * @since 0.1.0
 */
export class DatabaseMissing extends Schema.TaggedError<DatabaseMissing>()("DatabaseMissing", {
  /** The database that was asked for; by PostgreSQL's rule the user's name when none was. */
  database: Schema.String,
  sqlState: Schema.String,
  /** What the server said. */
  text: Schema.String,
  /** Every field of the ErrorResponse. */
  fields
}) {
  override get message(): string {
    return `the server has no database ${JSON.stringify(this.database)}: ${this.text} (${this.sqlState}); ` +
      "create it, or check its name"
  }
}

/**
 * The server speaks no version of the protocol that is new enough. Nothing secret was sent.
 *
 * @category errors
 * @since 0.1.0
 */
export class VersionUnsupported extends Schema.TaggedError<VersionUnsupported>()("VersionUnsupported", {
  /** The oldest version that would do. */
  wanted: ProtocolVersion,
  /** The newest one that the server speaks. */
  offered: ProtocolVersion
}) {
  override get message(): string {
    return `the server speaks the protocol up to version ${this.offered}, but at least ${this.wanted} is wanted; ` +
      "connect to a newer server, or lower `minProtocolVersion`"
  }
}

/**
 * The server closed the connection before the session was there, without a word.
 *
 * @category errors
 * @since 0.1.0
 */
export class ServerClosed extends Schema.TaggedError<ServerClosed>()("ServerClosed", {
  /** The message that the client had sent last. */
  after: Schema.String
}) {
  override get message(): string {
    // Measured on hyperd: it says nothing about an unknown version, a missing user, or more than 4096 bytes.
    const why = this.after === "StartupMessage"
      ? "; it may be stopping, or not a PostgreSQL or Hyper server; Hyper does so when the start-up parameters are " +
        "longer than 4,096 bytes, or when another version of the protocol than 3.0 is asked for"
      : "; its log may say why"
    return `the server closed the connection after our ${this.after}, without a reason${why}`
  }
}

/**
 * The runtime's cryptography failed.
 *
 * @category errors
 * @since 0.1.0
 */
export class CryptoFailed extends Schema.TaggedError<CryptoFailed>()("CryptoFailed", {
  cause: Schema.Defect()
}) {
  override get message(): string {
    return "the runtime cannot compute what the authentication method needs"
  }
}

/**
 * Why a log-in failed: one tag for each way.
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
  MechanismMalformed,
  IterationsOutOfBounds,
  Rejected,
  DatabaseMissing,
  ServerClosed,
  CryptoFailed
])

/**
 * Why a log-in failed: one tag for each way.
 *
 * @category errors
 * @since 0.1.0
 */
export type Reason = typeof Reason.Type

/**
 * A log-in that failed.
 *
 * **Example** (Telling the reasons apart)
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
export class AuthError extends Schema.TaggedError<AuthError>()("AuthError", { reason: Reason }) {
  override get message(): string {
    return this.reason.message
  }

  /** Whether the same log-in, on a new connection, may succeed. */
  get isRetryable(): boolean {
    switch (this.reason._tag) {
      case "ServerClosed":
      // Whoever knows the secret could not be asked, which may pass.
      case "PasswordUnavailable":
      case "TokenUnavailable":
      case "GssUnavailable":
        return true
      default:
        return this.reason._tag === "Rejected" && this.reason.isRetryable
    }
  }
}

/**
 * Wraps a reason.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromReason = (reason: Reason): AuthError => new AuthError({ reason })

/** Hyper's own code for a database file that is not there, and PostgreSQL's for a database that is not. */
const isDatabaseMissing = (sqlState: string): boolean => sqlState === "58S01" || sqlState === "3D000"

/**
 * The error for a server's answer to the log-in of a user to a database.
 *
 * @category constructors
 * @since 0.1.0
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
      : new Rejected({ user, sqlState, text, fields })
  )
}
