/**
 * What a pool counts.
 *
 * @since 0.1.0
 */

/**
 * A pool at one moment, and what has happened to it since it was made.
 *
 * @category models
 * @since 0.1.0
 */
export interface Stats {
  /** Sessions that are open. */
  readonly size: number
  /** Those of them that nobody uses. */
  readonly idle: number
  /** Those that somebody has alone, or that are being checked or cleaned. */
  readonly taken: number
  /** Queries under way on the others. */
  readonly queries: number
  readonly isOpening: boolean
  readonly closing: number
  readonly waiting: number
  /** Sessions opened, ever. */
  readonly opened: number
  /** Sessions closed, ever. */
  readonly closed: number
  readonly connectFailures: number
  /** How often nobody got a session in time. */
  readonly timeouts: number
  /** How often too many were waiting. */
  readonly refused: number
}
