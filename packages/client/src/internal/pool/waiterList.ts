/**
 * The waiters for a session, in order of arrival.
 *
 * @internal
 */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { PoolError } from "../../PoolError.ts"
import type { Session } from "../../Session.ts"
import type { Engine } from "../engine/engine.ts"
import type { QueryRunner } from "../query/runner.ts"

/** One session of the pool. */
export interface Slot {
  readonly session: Session
  readonly runner: QueryRunner
  readonly engine: Engine
  readonly scope: Scope.Closeable
  /** The scope of the resources that `onConnect` has acquired since the last reset. */
  hookScope: Scope.Closeable
  readonly openedAt: number
  /** The end of its lifetime. */
  readonly expiresAt: number
  /** The number of single queries in flight on it. */
  inFlight: number
  /** True while a caller or the pool itself has it exclusively. */
  isExclusive: boolean
  /** The fiber that has it exclusively. */
  holder: number | undefined
  /** The waiter that it is reserved for; it accepts nothing new meanwhile. */
  reservedFor: Waiter | undefined
  idleSince: number
  /** The time of the last successful check. */
  checkedAt: number
  /** The time at which it last began or ended work. */
  lastActivityAt: number
  /** True once it has been released alive. */
  hasServed: boolean
  /** True if it is to be closed as soon as it is not in use. */
  isRetired: boolean
}

/** A waiter. The session assigned to it stays its own until released, even if its fiber has ended meanwhile. */
export class Waiter {
  /** True if it requires a session exclusively. */
  readonly exclusive: boolean
  /** Its position in the order of arrival. */
  readonly sequence: number
  readonly deadline: number
  /** The fiber that waits. */
  readonly fiberId: number
  /** The session assigned to it. */
  slot: Slot | undefined
  /** The session reserved for it. */
  reserved: Slot | undefined
  /** Ends the wait. */
  wake: (outcome: Effect.Effect<void, PoolError>) => void = () => {}
  isWaiting = false
  previous: Waiter | undefined
  next: Waiter | undefined

  constructor(alone: boolean, fiberId: number, number: number, deadline: number) {
    this.exclusive = alone
    this.fiberId = fiberId
    this.sequence = number
    this.deadline = deadline
  }
}

/** A queue with removal at any position. */
export class WaiterList {
  first: Waiter | undefined
  private last: Waiter | undefined

  add(waiter: Waiter): void {
    waiter.isWaiting = true
    waiter.previous = this.last
    if (this.last === undefined) this.first = waiter
    else this.last.next = waiter
    this.last = waiter
  }

  remove(waiter: Waiter): void {
    waiter.isWaiting = false
    if (waiter.previous === undefined) this.first = waiter.next
    else waiter.previous.next = waiter.next
    if (waiter.next === undefined) this.last = waiter.previous
    else waiter.next.previous = waiter.previous
    waiter.previous = undefined
    waiter.next = undefined
  }
}
