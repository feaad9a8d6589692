/**
 * Errors of acquiring a session from a pool and of returning it.
 *
 * @since 0.1.0
 */
import { TaggedError, TaggedReason } from "@hyperfect/protocol/ProtocolError"
import * as ValueError from "@hyperfect/values/ValueError"
import * as Schema from "effect/Schema"
import * as ConnectError from "./ConnectError.ts"
import { ConnectionConfigError } from "./ConnectionConfigError.ts"
import { QueryTimeout, TransactionCommandRefused, TransactionEnded, UnsupportedError } from "./QueryError.ts"
import { ServerError } from "./ServerError.ts"

/** The failures to open a session: of the connection, or of a query that prepares it. */
const Cause = Schema.Union([
  ...ConnectError.Cause.members,
  ConnectError.NoServerFound,
  ConnectionConfigError,
  ServerError,
  ValueError.ValueError,
  UnsupportedError,
  QueryTimeout,
  TransactionEnded,
  TransactionCommandRefused
])

/**
 * No session became free in time.
 *
 * @category errors
 * @since 0.1.0
 */
export class AcquireTimeout extends TaggedReason<AcquireTimeout>()("AcquireTimeout", {
  milliseconds: Schema.Number,
  /**
   * The number of sessions that the waiting fiber already holds exclusively: by `session`, a stream, a COPY or a
   * transaction.
   */
  held: Schema.optional(Schema.Number),
  /** The number of sessions that the pool has open, all of them in use. */
  open: Schema.optional(Schema.Number),
  /** The pool's `max`. */
  limit: Schema.optional(Schema.Number),
  /** The number of waiters when the time was over, including this one. */
  waiting: Schema.optional(Schema.Number),
  /** The error that prevented the pool from opening another session meanwhile, if there was one. */
  cause: Schema.optional(Cause)
}, (self) => {
  const why = self.cause === undefined ? "" : `: ${self.cause.message}`
  const held = self.held === undefined || self.held === 0
    ? ""
    : `; this fiber holds ${self.held === 1 ? "one" : self.held} of them itself while it waits`
  const { limit, open, waiting } = self
  const load = limit === undefined
    ? ""
    : ` (${open ?? 0} of ${limit} open, ${waiting ?? 0} waiting); raise max or acquireTimeout`
  return `no session of the pool became free within ${self.milliseconds} ms${load}${why}${held}`
}) {}

/**
 * The wait queue is full.
 *
 * @category errors
 * @since 0.1.0
 */
export class QueueFull extends TaggedReason<QueueFull>()(
  "QueueFull",
  { limit: Schema.Number },
  ({ limit }) =>
    `the wait queue of the pool is full: ${limit} ${
      limit === 1 ? "query waits" : "queries wait"
    } for a session; raise max or maxWaiting`
) {}

/**
 * The pool is closed or closing.
 *
 * @category errors
 * @since 0.1.0
 */
export class Closed extends TaggedReason<Closed>()("Closed", {}, () => "the pool is closed") {}

/**
 * The pool has no session, and retrying cannot succeed: a wrong password, a missing database, a server without TLS.
 *
 * @category errors
 * @since 0.1.0
 */
export class ConnectFailed extends TaggedReason<ConnectFailed>()(
  "ConnectFailed",
  { cause: Cause },
  ({ cause }) => `the pool cannot open a session: ${cause.message}`
) {}

/**
 * The server has been unreachable for `failFastAfter`. Callers fail without waiting until the pool has reached it again.
 *
 * @category errors
 * @since 0.1.0
 */
export class Unavailable extends Schema.TaggedError<Unavailable>()("Unavailable", {
  /** The time since the pool has first failed to open a session. */
  milliseconds: Schema.Number,
  /** The most recent failure. */
  cause: Cause
}) {
  override get message(): string {
    return `the server has been unavailable for ${Math.round(this.milliseconds)} ms: ${this.cause.message}`
  }
}

/**
 * A statement began a transaction outside `transaction`. It was rolled back, since the next statement may run on
 * another session.
 *
 * @category errors
 * @since 0.1.0
 */
export class TransactionLeftOpen extends TaggedReason<TransactionLeftOpen>()(
  "TransactionLeftOpen",
  {},
  () => "the statement left a transaction open, which was rolled back; use `transaction`, or acquire a session"
) {}

const Reason = Schema.Union([AcquireTimeout, QueueFull, Closed, ConnectFailed, Unavailable, TransactionLeftOpen])

const retryable: ReadonlySet<Reason["_tag"]> = new Set<Reason["_tag"]>(["AcquireTimeout", "QueueFull", "Unavailable"])

/**
 * The reason of a `PoolError`.
 *
 * @category errors
 * @since 0.1.0
 */
export type Reason = typeof Reason.Type

/**
 * A pool could not provide a session, or received one back with an open transaction.
 *
 * @category errors
 * @since 0.1.0
 */
export class PoolError extends TaggedError<PoolError, boolean>()("PoolError", { reason: Reason }) {
  /** True if the same work may succeed later; nothing of it was sent. */
  override get isRetryable(): boolean {
    return retryable.has(this.reason._tag)
  }
}

/**
 * Wraps a reason.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromReason = (reason: Reason): PoolError => new PoolError({ reason })
