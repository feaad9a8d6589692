/**
 * State shared by the parts of a pool.
 *
 * @internal
 */
import type * as Effect from "effect/Effect"
import type { Settings } from "./settings.ts"
import type { Slot } from "./waiterList.ts"

/** The sessions of a pool, and the operations that change them. */
export interface PoolState {
  readonly settings: Settings
  readonly slots: Set<Slot>
  readonly counts: Record<"opened" | "closed" | "connectFailures" | "timeouts" | "refused", number>
  /** The session that is to be the only one: no other is opened until it is released. */
  sole: Slot | undefined
  /** The number of refreshes; a session that was begun before the last one is not kept. */
  refreshes: number
  /** True once no more sessions can be acquired. */
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
