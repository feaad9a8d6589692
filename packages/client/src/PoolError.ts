/**
 * Why a pool gave no session.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import type { QueryError } from "./QueryError.ts"
import type { ConnectError } from "./Session.ts"

/**
 * No session became free in time.
 *
 * @category errors
 * @since 0.1.0
 */
export class AcquireTimeout extends Data.TaggedError("AcquireTimeout")<{
  readonly milliseconds: number
  /** Why the pool could not open another session meanwhile, when that is the reason. */
  readonly cause?: ConnectError | QueryError | undefined
}> {
  override get message(): string {
    const why = this.cause === undefined ? "" : `: ${this.cause.message}`
    return `no session of the pool became free within ${this.milliseconds} ms${why}`
  }
}

/**
 * As many wait for a session as may.
 *
 * @category errors
 * @since 0.1.0
 */
export class QueueFull extends Data.TaggedError("QueueFull")<{ readonly limit: number }> {
  override get message(): string {
    return `${this.limit} others wait for a session of the pool already`
  }
}

/**
 * The pool is closed, or about to be.
 *
 * @category errors
 * @since 0.1.0
 */
export class Closed extends Data.TaggedError("Closed")<{}> {
  override get message(): string {
    return "the pool is closed"
  }
}

/**
 * The pool has no session, and to try again would be of no use: a wrong password, a missing database, a server without
 * TLS.
 *
 * @category errors
 * @since 0.1.0
 */
export class ConnectFailed extends Data.TaggedError("ConnectFailed")<{
  readonly cause: ConnectError | QueryError
}> {
  override get message(): string {
    return `the pool cannot open a session: ${this.cause.message}`
  }
}

/**
 * A statement began a transaction outside `transaction`. It was rolled back, for the next statement may run on another
 * session.
 *
 * @category errors
 * @since 0.1.0
 */
export class TransactionLeftOpen extends Data.TaggedError("TransactionLeftOpen")<{}> {
  override get message(): string {
    return "the statement left a transaction open, which was rolled back; use `transaction`, or a session of one's own"
  }
}

/**
 * Why a pool has no session to give.
 *
 * @category errors
 * @since 0.1.0
 */
export type Reason = AcquireTimeout | QueueFull | Closed | ConnectFailed | TransactionLeftOpen

/**
 * A pool that gave no session, or took one back that it cannot leave as it is.
 *
 * @category errors
 * @since 0.1.0
 */
export class PoolError extends Data.TaggedError("PoolError")<{ readonly reason: Reason }> {
  override get message(): string {
    return this.reason.message
  }

  /** Whether the same work may succeed later; nothing of it was sent. */
  get isRetryable(): boolean {
    return this.reason._tag === "AcquireTimeout" || this.reason._tag === "QueueFull"
  }
}

/**
 * Wraps a reason.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromReason = (reason: Reason): PoolError => new PoolError({ reason })
