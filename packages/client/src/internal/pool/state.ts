/**
 * State shared by the parts of a pool.
 *
 * @internal
 */
import type * as Effect from "effect/Effect"
import type * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { QueryError } from "../../QueryError.ts"
import type { Session } from "../../Session.ts"
import type { Slot } from "./waiterList.ts"

/** All durations in milliseconds. */
export interface Settings {
  readonly min: number
  readonly max: number
  readonly depth: number
  /** True if a session is filled before another one is used. */
  readonly isPacked: boolean
  readonly acquireTimeout: number
  readonly maxWaiting: number
  readonly failFastAfter: number
  /** The delays between attempts to open a session. */
  readonly reconnect: Schedule.Schedule<unknown, unknown> | undefined
  readonly idleTimeout: number
  readonly lifetime: number
  readonly checkAfter: number
  readonly resetAlways: boolean
  readonly drainTimeout: number
  readonly onConnect: (session: Session) => Effect.Effect<unknown, QueryError, Scope.Scope>
  readonly onAcquire: ((session: Session) => Effect.Effect<unknown, QueryError>) | undefined
}

/** The sessions of a pool, and the operations that change them. */
export interface PoolState {
  readonly settings: Settings
  readonly slots: Set<Slot>
  readonly counts: {
    opened: number
    closed: number
    connectFailures: number
    timeouts: number
    refused: number
  }
  /** The session that is to be the only one: no other is opened until it is released. */
  sole: Slot | undefined
  /** The number of refreshes; a session that was begun before the last one is not kept. */
  refreshes: number
  /** True once the pool lends no more sessions. */
  isClosed: boolean
  readonly now: () => number
  /** Runs a fiber for as long as the pool lives. */
  readonly fork: (effect: Effect.Effect<unknown>) => void
  /** Assigns available sessions to the waiters; called whenever there may be more than before. */
  readonly dispatch: () => void
}

/** The work ahead of a new query, including abandoned exchanges. */
export const load = ({ engine, inFlight }: Slot): number => Math.max(inFlight, engine.queue.load)

/** The time in milliseconds that a check, a reset or the hook of a new session may take. */
export const maintenanceTimeout = 5_000
