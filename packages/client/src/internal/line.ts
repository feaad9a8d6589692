/**
 * Those who wait for a session, in the order in which they came.
 *
 * @internal
 */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { PoolError } from "../PoolError.ts"
import type { Session } from "../Session.ts"
import type { Engine } from "./engine.ts"

/** One session of the pool. */
export interface Slot {
  readonly session: Session
  readonly engine: Engine
  readonly scope: Scope.Closeable
  /** When it has lived long enough. */
  readonly expiresAt: number
  /** How many one-shot queries it carries. */
  users: number
  /** Somebody has it alone: a borrower, or the pool itself. */
  taken: boolean
  /** The one for whom it takes nothing new. */
  reservedFor: Waiter | undefined
  idleSince: number
  /** When the pool last found it well. */
  checkedAt: number
  /** When it last began or ended something. */
  movedAt: number
  /** To be closed as soon as nobody uses it. */
  retired: boolean
}

/** One who waits. What it is given stays its own until it gives it back, whatever becomes of the fiber meanwhile. */
export class Waiter {
  /** Whether it wants a session of its own. */
  readonly alone: boolean
  /** Its place among all who wait. */
  readonly number: number
  readonly deadline: number
  /** What it was given. */
  slot: Slot | undefined
  /** The session that is kept free for it. */
  reserved: Slot | undefined
  /** Ends the waiting. */
  wake: (outcome: Effect.Effect<void, PoolError>) => void = () => {}
  isWaiting = false
  previous: Waiter | undefined
  next: Waiter | undefined

  constructor(alone: boolean, number: number, deadline: number) {
    this.alone = alone
    this.number = number
    this.deadline = deadline
  }
}

/** A queue that can be left from anywhere. */
export class Line {
  first: Waiter | undefined
  private last: Waiter | undefined

  join(waiter: Waiter): void {
    waiter.isWaiting = true
    waiter.previous = this.last
    if (this.last === undefined) this.first = waiter
    else this.last.next = waiter
    this.last = waiter
  }

  leave(waiter: Waiter): void {
    waiter.isWaiting = false
    if (waiter.previous === undefined) this.first = waiter.next
    else waiter.previous.next = waiter.next
    if (waiter.next === undefined) this.last = waiter.previous
    else waiter.next.previous = waiter.previous
    waiter.previous = undefined
    waiter.next = undefined
  }
}
