/**
 * The acquire queue of a pool, and its timeouts.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as PoolError from "../../PoolError.ts"
import type { OpenError } from "../connect/backoff.ts"
import type { PoolState } from "./state.ts"
import { type Slot, Waiter, WaiterList } from "./waiterList.ts"

/** Releases the reservation of a session for a waiter, so that others may acquire it. */
export const unreserve = (slot: Slot): void => {
  if (slot.reservedFor === undefined) return
  slot.reservedFor.reserved = undefined
  slot.reservedFor = undefined
}

/** @internal */
export class AcquireQueue {
  readonly shared = new WaiterList()
  readonly exclusive = new WaiterList()
  /** The number of waiters. */
  count = 0
  private readonly state: PoolState
  /** The most recent failure to open a session. */
  private readonly lastFailure: () => OpenError | undefined
  private nextSequence = 0
  private isWatching = false

  constructor(members: PoolState, lastFailure: () => OpenError | undefined) {
    this.state = members
    this.lastFailure = lastFailure
  }

  makeWaiter(alone: boolean, fiberId: number): Waiter {
    return new Waiter(alone, fiberId, this.nextSequence++, this.state.now() + this.state.settings.acquireTimeout)
  }

  enqueue(waiter: Waiter): void {
    const line = waiter.exclusive ? this.exclusive : this.shared
    line.add(waiter)
    this.count++
    this.watchDeadlines()
  }

  remove(waiter: Waiter): void {
    if (!waiter.isWaiting) return
    const line = waiter.exclusive ? this.exclusive : this.shared
    line.remove(waiter)
    this.count--
    if (waiter.reserved !== undefined) unreserve(waiter.reserved)
  }

  private reject(waiter: Waiter, reason: PoolError.Reason): void {
    if (!waiter.isWaiting) return
    this.remove(waiter)
    waiter.wake(Effect.fail(PoolError.fromReason(reason)))
  }

  rejectAll(reason: PoolError.Reason): void {
    const waiters: Array<Waiter> = []
    for (const line of [this.shared, this.exclusive]) {
      for (let waiter = line.first; waiter !== undefined; waiter = waiter.next) waiters.push(waiter)
    }
    // A woken caller may enqueue again in the same step.
    for (const waiter of waiters) this.reject(waiter, reason)
  }

  timeoutOf({ fiberId }: Pick<Waiter, "fiberId">): PoolError.AcquireTimeout {
    let held = 0
    for (const { holder } of this.state.slots) if (holder === fiberId) held++
    const { acquireTimeout: milliseconds, max: limit } = this.state.settings
    return new PoolError.AcquireTimeout({
      milliseconds,
      held,
      open: this.state.slots.size,
      limit,
      waiting: this.count,
      cause: this.lastFailure()
    })
  }

  /** All waiters have the same timeout, so they expire in order of arrival: one fiber watches the heads. */
  private watchDeadlines(): void {
    if (this.isWatching) return
    this.isWatching = true
    const { counts, now } = this.state
    const next = () => {
      const heads = [this.shared.first, this.exclusive.first].filter((waiter) => waiter !== undefined)
      return heads.toSorted((a, b) => a.deadline - b.deadline)[0]
    }
    this.state.fork(Effect.gen({ self: this }, function*() {
      for (let waiter = next(); waiter !== undefined; waiter = next()) {
        const left = waiter.deadline - now()
        if (left > 0) {
          yield* Effect.sleep(left)
          continue
        }
        counts.timeouts++
        this.reject(waiter, this.timeoutOf(waiter))
      }
      this.isWatching = false
    }))
  }
}
