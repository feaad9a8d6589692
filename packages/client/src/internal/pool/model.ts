/**
 * The options and the members of a pool.
 *
 * @since 0.1.0
 */
import type * as Backend from "@hyperfect/protocol/Backend"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type * as Notifications from "../../Notifications.ts"
import type * as PoolError from "../../PoolError.ts"
import type { Stats } from "../../PoolStats.ts"
import type { Queries } from "../../Queries.ts"
import type { QueryError } from "../../QueryError.ts"
import type * as Session from "../../Session.ts"

/**
 * Options of a pool.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * The number of sessions that are always kept; 0 when absent. They are opened one after the other in the background.
   */
  readonly min?: number | undefined
  /** True to make the constructor wait until `min` sessions are open, and fail if one cannot be; false when absent. */
  readonly warmUp?: boolean | undefined
  /** The maximum number of sessions, including those being closed; 10 when absent. */
  readonly max?: number | undefined
  /**
   * The maximum number of queries in flight per session; 32 when absent. With 1, each query has a session of its own
   * and none is sent before the previous response is complete: needed behind poolers that disconnect clients that
   * pipeline.
   */
  readonly depth?: number | undefined
  /**
   * The choice of session for a single query. `"even"`, the default: the least loaded session, preferably an idle or a
   * new one, so that the server runs as many queries in parallel as it can. `"packed"`: the first session with fewer
   * than `depth` queries, unless it has not responded for 50 ms, so that short, cheap queries share few sessions. A
   * query that arrives within those 50 ms waits behind a slow one even if other sessions are idle.
   */
  readonly sharing?: "even" | "packed" | undefined
  /** The maximum wait for a session, after which the caller fails with `AcquireTimeout`; 30 seconds when absent. */
  readonly acquireTimeout?: Duration.Input | undefined
  /** The maximum number of waiting callers, beyond which a caller fails with `QueueFull`; unlimited when absent. */
  readonly maxWaiting?: number | undefined
  /**
   * The time without a session, in which none could be opened because the server is unreachable, after which callers fail
   * with `Unavailable` instead of waiting. The pool then tries to open one session at a time, after the delays of
   * `hostRecheck`, until it succeeds. Never when absent.
   */
  readonly failFastAfter?: Duration.Input | undefined
  /** The time after which an idle session beyond `min` is closed; 10 minutes when absent. */
  readonly idleTimeout?: Duration.Input | undefined
  /**
   * The maximum age of a session; 30 minutes when absent. Randomly reduced by up to a fifth. With 0 each session is closed
   * after its first use.
   */
  readonly lifetime?: Duration.Input | undefined
  /**
   * The idle time after which a session is checked with the server before reuse; 30 seconds when absent. With 0 it is
   * checked before each reuse, unless it was used less than 10 ms before.
   */
  readonly checkAfter?: Duration.Input | undefined
  /**
   * The condition for resetting a session: `"changed"`, the default, after a known change of its state; `"always"`
   * after every exclusive use. On Hyper, which has no reset, the session is closed instead.
   */
  readonly reset?: "changed" | "always" | undefined
  /** The time that closing waits for running work before it cancels it; 5 seconds when absent. */
  readonly drainTimeout?: Duration.Input | undefined
  /**
   * Runs on each new session, and again after each reset. Settings that it makes persist. Its scope is the session's;
   * finalizers run before the session ends.
   */
  readonly onConnect?: ((session: Session.Session) => Effect.Effect<unknown, QueryError, Scope.Scope>) | undefined
  /**
   * Runs in the borrower on each session that it acquires. Every query then acquires a session exclusively, since
   * settings made for one caller must not affect another.
   */
  readonly onAcquire?: ((session: Session.Session) => Effect.Effect<unknown, QueryError>) | undefined
  /**
   * The delays before new attempts, which bound the time that a promotion goes unnoticed: between attempts to open a
   * session, from 100 ms to 10 seconds when absent; and, of several hosts or addresses, between background checks of
   * those that could not be reached, from 1 to 10 seconds when absent. Where the schedule ends, the delays between attempts
   * are the default ones, and the pool forgets that servers were down.
   */
  readonly hostRecheck?: Schedule.Schedule<unknown, unknown> | undefined
  /**
   * Options of the session that listens to channels. It is opened for the first subscriber and does not count towards
   * the pool.
   */
  readonly notifications?: Notifications.Options | undefined
}

/** The members of a pool. */
export interface Pool
  extends Queries<PoolError.PoolError>, Notifications.Listening, Pick<Session.Info, "server" | "authentication">
{
  /** Acquires a session for exclusive use until the scope closes. It must not be used after that. */
  readonly session: Effect.Effect<Session.Session, PoolError.PoolError | QueryError, Scope.Scope>
  /**
   * Acquires the only session of the pool until the scope closes: waits for work in progress, closes the other sessions,
   * and opens none meanwhile. If they do not end within `acquireTimeout`, because of a stream that is not read for
   * example, it fails with `AcquireTimeout`; in a transaction of the pool it fails with an `UnsupportedError`.
   */
  readonly soleSession: Effect.Effect<Session.Session, PoolError.PoolError | QueryError, Scope.Scope>
  /**
   * Replaces all sessions: idle ones are closed at once, others when they are released, without disturbing their work.
   *
   * **When to use**
   *
   * Use after a change that sessions do not notice: of a certificate or password, of a role's settings or memberships,
   * or of the server to which the host's name refers. Hosts that were down are tried in their order again, without
   * further delay. The session that listens to channels is replaced at once, and its subscribers continue with a `Gap`.
   */
  readonly refresh: Effect.Effect<void>
  readonly stats: () => Stats
  /**
   * Warnings and other notices of the server on all sessions of the pool, including those of the login, from the moment
   * of subscription. The oldest are dropped for a slow subscriber. It ends with the pool.
   */
  readonly notices: Stream.Stream<PoolNotice>
}

/**
 * A notice that the server sent on a session of the pool.
 *
 * @category models
 * @since 0.1.0
 */
export interface PoolNotice {
  /** The backend process, as `processId` of `Session`. */
  readonly processId: number | undefined
  readonly notice: Backend.NoticeResponse
}
