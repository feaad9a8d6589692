/**
 * What the parts of a pool share.
 *
 * @internal
 */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { QueryError } from "../QueryError.ts"
import type { Session } from "../Session.ts"
import type { Slot } from "./line.ts"

/** All durations in milliseconds. */
export interface Settings {
  readonly min: number
  readonly max: number
  readonly depth: number
  /** Whether a session is filled before another one is used. */
  readonly packed: boolean
  readonly acquireTimeout: number
  readonly maxWaiting: number
  readonly idleTimeout: number
  readonly lifetime: number
  readonly checkAfter: number
  readonly resetAlways: boolean
  readonly drainTimeout: number
  readonly onConnect: (session: Session) => Effect.Effect<unknown, QueryError, Scope.Scope>
}

/** The sessions of a pool, and who changes something about them. */
export interface Members {
  readonly settings: Settings
  readonly slots: Set<Slot>
  readonly counts: {
    opened: number
    closed: number
    connectFailures: number
    timeouts: number
    refused: number
  }
  /** Nothing is lent any more. */
  isClosed: boolean
  readonly now: () => number
  /** Runs a fiber for as long as the pool lives. */
  readonly fork: (effect: Effect.Effect<unknown>) => void
  /** Gives what there is to those who wait; called whenever there may be more than before. */
  readonly dispatch: () => void
}

/** How much there is before a new query; what nobody waits for any more counts too. */
export const load = ({ engine, users }: Slot): number => Math.max(users, engine.load())

/** A session that has moved nothing for as long is busy with something slow: a query waits elsewhere than behind it. */
export const patience = 50

/** How long a check, a clean-up or the hook of a new session may take. */
export const careTimeout = 5_000
