/**
 * What can go wrong with a line: opening it, securing it, reading from it, writing to it.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * The connection could not be opened.
 *
 * @category errors
 * @since 0.1.0
 */
export class OpenFailed extends Schema.TaggedError<OpenFailed>()("OpenFailed", {
  endpoint: Schema.String,
  /** The operating system's code, such as `ECONNREFUSED`, when there is one. */
  code: Schema.optionalKey(Schema.String),
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message(): string {
    return `cannot connect to ${this.endpoint}${this.code === undefined ? "" : ` (${this.code})`}`
  }
}

/**
 * The connection was not open in time.
 *
 * @category errors
 * @since 0.1.0
 */
export class OpenTimeout extends Schema.TaggedError<OpenTimeout>()("OpenTimeout", {
  endpoint: Schema.String,
  milliseconds: Schema.Number
}) {
  override get message(): string {
    return `no connection to ${this.endpoint} within ${this.milliseconds} ms`
  }
}

/**
 * The other end closed the connection, or this end did.
 *
 * @category errors
 * @since 0.1.0
 */
export class Closed extends Schema.TaggedError<Closed>()("Closed", {
  /** Who ended it: `"peer"` for an orderly end of the stream, `"local"` after our own close. */
  by: Schema.Literals(["peer", "local"])
}) {
  override get message(): string {
    return this.by === "peer" ? "the other end closed the connection" : "the connection was closed on this end"
  }
}

/**
 * Reading failed, for example because the connection was reset.
 *
 * @category errors
 * @since 0.1.0
 */
export class ReadFailed extends Schema.TaggedError<ReadFailed>()("ReadFailed", {
  code: Schema.optionalKey(Schema.String),
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message(): string {
    return `reading from the connection failed${this.code === undefined ? "" : ` (${this.code})`}`
  }
}

/**
 * Writing failed, for example because the connection was reset.
 *
 * @category errors
 * @since 0.1.0
 */
export class WriteFailed extends Schema.TaggedError<WriteFailed>()("WriteFailed", {
  code: Schema.optionalKey(Schema.String),
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message(): string {
    return `writing to the connection failed${this.code === undefined ? "" : ` (${this.code})`}`
  }
}

/**
 * The other end did not do in time what it has to do, and the connection was given up.
 *
 * @category errors
 * @since 0.1.0
 */
export class Unresponsive extends Schema.TaggedError<Unresponsive>()("Unresponsive", {
  /** What was waited for. */
  wanted: Schema.String,
  milliseconds: Schema.Number
}) {
  override get message(): string {
    return `the connection was given up: no ${this.wanted} within ${this.milliseconds} ms`
  }
}

/**
 * The server does not speak TLS, although the caller wants it.
 *
 * @category errors
 * @since 0.1.0
 */
export class TlsRefused extends Schema.TaggedError<TlsRefused>()("TlsRefused", {
  /** What came instead of the `S` that agrees to TLS. */
  answer: Schema.String
}) {
  override get message(): string {
    return `TLS is required, but the server answered ${this.answer}`
  }
}

/**
 * The TLS handshake failed, or the certificate is not one to trust.
 *
 * @category errors
 * @since 0.1.0
 */
export class TlsFailed extends Schema.TaggedError<TlsFailed>()("TlsFailed", {
  /** The TLS library's code, such as `DEPTH_ZERO_SELF_SIGNED_CERT` or `ERR_TLS_CERT_ALTNAME_INVALID`. */
  code: Schema.optionalKey(Schema.String),
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message(): string {
    return `the TLS handshake failed${this.code === undefined ? "" : ` (${this.code})`}`
  }
}

/**
 * Why a line failed: one tag for each way.
 *
 * @category errors
 * @since 0.1.0
 */
export type Reason =
  | OpenFailed
  | OpenTimeout
  | Closed
  | ReadFailed
  | WriteFailed
  | Unresponsive
  | TlsRefused
  | TlsFailed

/**
 * A failure of the line below the protocol.
 *
 * @category errors
 * @since 0.1.0
 */
export class TransportError extends Schema.TaggedError<TransportError>()("TransportError", {
  reason: Schema.Union([OpenFailed, OpenTimeout, Closed, ReadFailed, WriteFailed, Unresponsive, TlsRefused, TlsFailed])
}) {
  override get message(): string {
    return this.reason.message
  }

  /** Whether trying again, on a new connection, can help: true unless the line was refused for what it is. */
  get isRetryable(): boolean {
    return this.reason._tag !== "TlsRefused" && this.reason._tag !== "TlsFailed"
  }
}

/**
 * Wraps a reason.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromReason = (reason: Reason): TransportError => new TransportError({ reason })

const end = (by: Closed["by"]): TransportError => Object.freeze(fromReason(Object.freeze(new Closed({ by }))))

const ends = { peer: end("peer"), local: end("local") }

/**
 * The end of a line, by either end.
 *
 * **Details**
 *
 * It is always the same object, which cannot be changed: it says the same of every line, every line comes to it, and errors
 * are dear to make. Its `stack` says nothing, therefore.
 *
 * @category constructors
 * @since 0.1.0
 */
export const closed = (by: Closed["by"]): TransportError => ends[by]
