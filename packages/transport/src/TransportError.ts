/**
 * Errors of a connection: opening, TLS, reading and writing.
 *
 * @since 0.1.0
 */
import { TaggedError, TaggedReason } from "@hyperfect/protocol/ProtocolError"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

const suffix = (hint: string | undefined): string => hint === undefined ? "" : `; ${hint}`

/**
 * The connection could not be opened.
 *
 * @category errors
 * @since 0.1.0
 */
export class OpenFailed extends TaggedReason<OpenFailed>()("OpenFailed", {
  endpoint: Schema.String,
  /** The operating system's code, such as `ECONNREFUSED`, if there is one. */
  code: Schema.optionalKey(Schema.String),
  cause: Schema.optionalKey(Schema.Defect())
}, ({ code, endpoint }) => `cannot connect to ${endpoint}${code === undefined ? "" : ` (${code})`}`) {}

/**
 * The connection was not opened in time.
 *
 * @category errors
 * @since 0.1.0
 */
export class OpenTimeout extends TaggedReason<OpenTimeout>()("OpenTimeout", {
  endpoint: Schema.String,
  milliseconds: Schema.Number,
  /** The request that the server accepted the connection but did not answer, such as `the TLS request`. */
  unanswered: Schema.optionalKey(Schema.String)
}, ({ endpoint, milliseconds, unanswered }) =>
  unanswered === undefined
    ? `no connection to ${endpoint} within ${milliseconds} ms`
    : `${endpoint} accepted the connection but did not answer ${unanswered} within ${milliseconds} ms`)
{}

/**
 * The peer or this side closed the connection.
 *
 * @category errors
 * @since 0.1.0
 */
export class Closed extends TaggedReason<Closed>()("Closed", {
  /** The side that closed it: `"peer"` for an orderly end of the stream, `"local"` after closing on this side. */
  by: Schema.Literals(["peer", "local"]),
  /** The number of queries in flight, if there was more than one. */
  inFlight: Schema.optionalKey(Schema.Number),
  /** The reason for which this side closed it, if it is known. */
  why: Schema.optionalKey(Schema.String)
}, ({ by, inFlight, why }) => {
  if (why !== undefined) return why
  const who = by === "peer" ? "the other end closed the connection" : "the connection was closed on this end"
  return by === "local" || inFlight === undefined
    ? who
    : `${who} while ${inFlight} queries were in flight; if it is a pooler that cuts clients which send before they ` +
      "were answered, send one at a time (`depth: 1` of the pool)"
}) {}

/**
 * Reading failed, for example because the connection was reset.
 *
 * @category errors
 * @since 0.1.0
 */
export class ReadFailed extends TaggedReason<ReadFailed>()("ReadFailed", {
  code: Schema.optionalKey(Schema.String),
  cause: Schema.optionalKey(Schema.Defect())
}, ({ code }) => `reading from the connection failed${code === undefined ? "" : ` (${code})`}`) {}

/**
 * Writing failed, for example because the connection was reset.
 *
 * @category errors
 * @since 0.1.0
 */
export class WriteFailed extends TaggedReason<WriteFailed>()("WriteFailed", {
  code: Schema.optionalKey(Schema.String),
  cause: Schema.optionalKey(Schema.Defect())
}, ({ code }) => `writing to the connection failed${code === undefined ? "" : ` (${code})`}`) {}

/**
 * The peer did not respond in time, and the connection was abandoned.
 *
 * @category errors
 * @since 0.1.0
 */
export class Unresponsive extends TaggedReason<Unresponsive>()("Unresponsive", {
  /** The expected response. */
  wanted: Schema.String,
  milliseconds: Schema.Number
}, ({ milliseconds, wanted }) => `the connection was abandoned: no ${wanted} within ${milliseconds} ms`) {}

/**
 * The `answer` of `TlsRefused` for a server that has failed before it could answer.
 *
 * @internal
 */
export const failed = "with an error"

/**
 * The server does not support TLS, although the caller requires it, or did not answer whether it does.
 *
 * @category errors
 * @since 0.1.0
 */
export class TlsRefused extends TaggedReason<TlsRefused>()("TlsRefused", {
  /** The answer received instead of the `S` that accepts TLS. */
  answer: Schema.String,
  endpoint: Schema.optionalKey(Schema.String),
  hint: Schema.optionalKey(Schema.String)
}, ({ answer, endpoint, hint }) => {
  const at = endpoint === undefined ? "" : ` at ${endpoint}`
  return answer === failed
    ? `the server${at} answered the request for TLS ${answer}${suffix(hint)}`
    : `TLS is required, but the server${at} answered ${answer}${suffix(hint)}`
}) {}

/**
 * The TLS handshake failed, or the certificate is not trusted.
 *
 * @category errors
 * @since 0.1.0
 */
export class TlsFailed extends TaggedReason<TlsFailed>()("TlsFailed", {
  /** The TLS library's code, such as `DEPTH_ZERO_SELF_SIGNED_CERT` or `ERR_TLS_CERT_ALTNAME_INVALID`. */
  code: Schema.optionalKey(Schema.String),
  cause: Schema.optionalKey(Schema.Defect()),
  endpoint: Schema.optionalKey(Schema.String),
  /** The cause of the failure, such as `its certificate has expired`. */
  problem: Schema.optionalKey(Schema.String),
  hint: Schema.optionalKey(Schema.String)
}, ({ code, endpoint, hint, problem }) => {
  const at = endpoint === undefined ? "" : ` with ${endpoint}`
  const why = problem === undefined ? "" : `: ${problem}`
  return `the TLS handshake${at} failed${why}${code === undefined ? "" : ` (${code})`}${suffix(hint)}`
}) {}

/**
 * The server's process has exited and will not be restarted.
 *
 * **Details**
 *
 * No transport reports this itself: it is for code that has started the server and knows its state.
 *
 * @category errors
 * @since 0.1.0
 */
export class ServerExited extends TaggedReason<ServerExited>()("ServerExited", {
  endpoint: Schema.String,
  cause: Schema.Defect()
}, ({ cause, endpoint }) => {
  const why = cause instanceof Error ? cause.message : String(cause)
  return `the server at ${endpoint} has ended: ${why}`
}) {}

const Reason = Schema.Union([
  OpenFailed,
  OpenTimeout,
  Closed,
  ReadFailed,
  WriteFailed,
  Unresponsive,
  TlsRefused,
  TlsFailed,
  ServerExited
])

/**
 * The reason of a failed connection: one tag per kind.
 *
 * @category errors
 * @since 0.1.0
 */
export type Reason = typeof Reason.Type

/**
 * A failure of the connection below the protocol.
 *
 * @category errors
 * @since 0.1.0
 */
export class TransportError extends TaggedError<TransportError, boolean>()("TransportError", { reason: Reason }) {
  /**
   * True if a retry on a new connection can help: false if the server or its certificate was rejected, or the server
   * has exited. A server that shuts down may answer a request for TLS with an error, or cut the handshake.
   */
  override get isRetryable(): boolean {
    const { reason } = this
    return reason._tag === "TlsRefused"
      ? reason.answer === failed
      : reason._tag === "TlsFailed"
      ? reason.code === "ECONNRESET"
      : reason._tag !== "ServerExited"
  }
}

/**
 * Wraps a reason.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromReason = (reason: Reason): TransportError => new TransportError({ reason })

/**
 * Fails with a {@link TransportError}.
 *
 * @category errors
 * @since 0.1.0
 */
export const fail = (reason: Reason): Effect.Effect<never, TransportError> => Effect.fail(fromReason(reason))

const makeClosed = (by: Closed["by"]): TransportError => Object.freeze(fromReason(Object.freeze(new Closed({ by }))))

const closedErrors: { [By in Closed["by"]]?: TransportError } = {}

/**
 * Returns the error for a connection closed by either end.
 *
 * **Details**
 *
 * It is a shared immutable object, because creating errors is expensive and every connection ends with one. Its `stack`
 * is therefore meaningless.
 *
 * @category constructors
 * @since 0.1.0
 */
export const closed = (by: Closed["by"]): TransportError => closedErrors[by] ??= makeClosed(by)
