/**
 * Those who wait for a session of a pool, and for how long.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as PoolError from "../PoolError.ts"
import { Line, type Slot, Waiter } from "./line.ts"
import type { Members } from "./members.ts"
import type { OpenError } from "./reconnecting.ts"

/** Lets a session be lent to others again that was kept for one who waits. */
export const release = (slot: Slot): void => {
  if (slot.reservedFor === undefined) return
  slot.reservedFor.reserved = undefined
  slot.reservedFor = undefined
}

/** @internal */
export class Waiting {
  readonly shared = new Line()
  readonly alone = new Line()
  /** How many wait. */
  count = 0
  private readonly members: Members
  /** Why no session could be opened lately. */
  private readonly lastFailure: () => OpenError | undefined
  private number = 0
  private isWatched = false

  constructor(members: Members, lastFailure: () => OpenError | undefined) {
    this.members = members
    this.lastFailure = lastFailure
  }

  make(alone: boolean): Waiter {
    return new Waiter(alone, this.number++, this.members.now() + this.members.settings.acquireTimeout)
  }

  join(waiter: Waiter): void {
    const line = waiter.alone ? this.alone : this.shared
    line.join(waiter)
    this.count++
    this.watch()
  }

  leave(waiter: Waiter): void {
    if (!waiter.isWaiting) return
    const line = waiter.alone ? this.alone : this.shared
    line.leave(waiter)
    this.count--
    if (waiter.reserved !== undefined) release(waiter.reserved)
  }

  private refuse(waiter: Waiter, reason: PoolError.Reason): void {
    if (!waiter.isWaiting) return
    this.leave(waiter)
    waiter.wake(Effect.fail(PoolError.fromReason(reason)))
  }

  refuseAll(reason: PoolError.Reason): void {
    const waiters: Array<Waiter> = []
    for (const line of [this.shared, this.alone]) {
      for (let waiter = line.first; waiter !== undefined; waiter = waiter.next) waiters.push(waiter)
    }
    // Whoever is woken may come again in the same step.
    for (const waiter of waiters) this.refuse(waiter, reason)
  }

  /** All wait equally long, so that whoever came first is the first to give up: one fiber watches the heads. */
  private watch(): void {
    if (this.isWatched) return
    this.isWatched = true
    const { counts, now, settings } = this.members
    const next = () => {
      const heads = [this.shared.first, this.alone.first].filter((waiter) => waiter !== undefined)
      return heads.toSorted((a, b) => a.deadline - b.deadline)[0]
    }
    const loop: Effect.Effect<void> = Effect.suspend(() => {
      const time = now()
      let waiter = next()
      for (; waiter !== undefined && waiter.deadline <= time; waiter = next()) {
        counts.timeouts++
        const milliseconds = settings.acquireTimeout
        this.refuse(waiter, new PoolError.AcquireTimeout({ milliseconds, cause: this.lastFailure() }))
      }
      if (waiter === undefined) {
        this.isWatched = false
        return Effect.void
      }
      return Effect.flatMap(Effect.sleep(waiter.deadline - time), () => loop)
    })
    this.members.fork(loop)
  }
}
