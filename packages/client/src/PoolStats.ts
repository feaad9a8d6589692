/**
 * Statistics of a pool.
 *
 * @since 0.1.0
 */

/**
 * The current state of a pool, and counts since it was made.
 *
 * @category models
 * @since 0.1.0
 */
export interface Stats {
  /** Open sessions. */
  readonly size: number
  /** Open sessions without a user. */
  readonly idle: number
  /** Sessions in exclusive use, or being checked or reset. */
  readonly taken: number
  /** Queries in flight on shared sessions. */
  readonly queries: number
  readonly isOpening: boolean
  readonly closing: number
  readonly waiting: number
  /** Sessions opened since the pool was made. */
  readonly opened: number
  /** Sessions closed since the pool was made. */
  readonly closed: number
  readonly connectFailures: number
  /** The number of callers that timed out waiting for a session. */
  readonly timeouts: number
  /** The number of callers refused because the wait queue was full. */
  readonly refused: number
}
