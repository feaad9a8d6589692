/**
 * The sessions of a pool, and who gets which.
 *
 * All decisions are plain synchronous code, so that no interruption can come between a decision and its record: whoever
 * is given a session holds it from that moment, and gives it back by a finalizer. What takes time (opening, checking,
 * cleaning, closing) is done by fibers of the pool, each of which has an end within bounded time; until then its session
 * counts as one of the pool's, but is lent to nobody.
 *
 * @internal
 */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import * as PoolError from "../PoolError.ts"
import type { Stats } from "../PoolStats.ts"
import type { Session } from "../Session.ts"
import { Caring } from "./caring.ts"
import type { Slot, Waiter } from "./line.ts"
import { load, type Members, patience, type Settings } from "./members.ts"
import { Opening } from "./opening.ts"
import type { OpenError } from "./reconnecting.ts"
import { traces } from "./traces.ts"
import { release, Waiting } from "./waiting.ts"

/** @internal */
export class Sessions {
  private readonly members: Members
  private readonly waiting: Waiting
  private readonly caring: Caring
  private readonly opening: Opening
  private dispatching: "no" | "yes" | "again" = "no"

  constructor(
    settings: Settings,
    connect: Effect.Effect<Session, OpenError, Scope.Scope>,
    clock: Clock.Clock,
    fork: (effect: Effect.Effect<unknown>) => void
  ) {
    this.members = {
      settings,
      slots: new Set(),
      counts: { opened: 0, closed: 0, connectFailures: 0, timeouts: 0, refused: 0 },
      isClosed: false,
      now: () => clock.currentTimeMillisUnsafe(),
      fork,
      dispatch: () => this.dispatch()
    }
    this.waiting = new Waiting(this.members, () => this.opening.lastFailure)
    this.caring = new Caring(this.members)
    this.opening = new Opening(this.members, connect, this.waiting, this.caring)
  }

  /** The last session that was opened. There is one as soon as the pool is made. */
  get last(): Session {
    return this.opening.last!
  }

  stats(): Stats {
    const { counts, slots } = this.members
    let [idle, taken, queries] = [0, 0, 0]
    for (const slot of slots) {
      if (slot.taken) taken++
      else if (slot.users === 0) idle++
      queries += slot.users
    }
    return {
      size: slots.size,
      idle,
      taken,
      queries,
      isOpening: this.opening.since !== undefined,
      closing: this.caring.closing,
      waiting: this.waiting.count,
      ...counts
    }
  }

  /** Opens a session, whether or not one is wanted. */
  get openOne(): Effect.Effect<void, OpenError> {
    return this.opening.open
  }

  /** What goes on for as long as the pool lives. */
  readonly run: Effect.Effect<never> = Effect.suspend(() => {
    this.opening.start()
    return this.caring.sweep
  })

  /** Gives a session at once, or not at all. */
  takeUnsafe(alone: boolean): Slot | undefined {
    if (this.members.isClosed || this.waiting.count > 0) return undefined
    const slot = alone ? this.pickAlone() : this.pickShared()
    if (slot !== undefined) this.lend(slot, alone)
    return slot
  }

  /** Waits for a session. Only the waiting can be interrupted. */
  wait(
    alone: boolean,
    restore: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  ): Effect.Effect<Slot, PoolError.PoolError> {
    return Effect.suspend(() => {
      const { counts, isClosed, settings: { maxWaiting } } = this.members
      if (isClosed) return Effect.fail(PoolError.fromReason(new PoolError.Closed()))
      if (this.waiting.count >= maxWaiting) {
        counts.refused++
        return Effect.fail(PoolError.fromReason(new PoolError.QueueFull({ limit: maxWaiting })))
      }
      const waiter = this.waiting.make(alone)
      const waiting = Effect.callback<void, PoolError.PoolError>((resume) => {
        waiter.wake = resume
        this.waiting.join(waiter)
        this.dispatch()
      })
      return Effect.flatMap(Effect.exit(restore(waiting)), (exit): Effect.Effect<Slot, PoolError.PoolError> => {
        if (Exit.isSuccess(exit)) return Effect.succeed(waiter.slot!)
        this.waiting.leave(waiter)
        if (waiter.slot !== undefined) this.giveBack(waiter.slot, alone)
        return Effect.failCause(exit.cause)
      })
    })
  }

  giveBack(slot: Slot, alone: boolean): void {
    if (alone) {
      slot.taken = false
      if (this.members.settings.resetAlways) slot.engine.leave(traces.settings)
    } else {
      slot.users--
    }
    slot.movedAt = this.members.now()
    slot.idleSince = slot.movedAt
    this.caring.settle(slot)
    this.dispatch()
  }

  private lend(slot: Slot, alone: boolean): void {
    // The first in the line takes what is free, also when it was kept for a later one.
    release(slot)
    if (alone) slot.taken = true
    else slot.users++
    if (slot.users <= 1) slot.movedAt = this.members.now()
  }

  private isLendable(slot: Slot): boolean {
    const { engine } = slot
    return !slot.taken && !slot.retired && engine.dead === undefined && engine.traces === traces.none
  }

  /** The least loaded session; while another one can be opened, none that is busy. Or the first that has room. */
  private pickShared(): Slot | undefined {
    const now = this.members.now()
    const { depth, packed } = this.members.settings
    let best: Slot | undefined
    let least = depth
    for (const slot of this.members.slots) {
      if (slot.reservedFor !== undefined || !this.isLendable(slot)) continue
      const queries = load(slot)
      if (queries === 0) {
        if (this.caring.isFresh(slot, this.waiting.count)) return slot
      } else if (queries < least && now - slot.movedAt < patience) {
        if (packed) return slot
        best = slot
        least = queries
      }
    }
    return this.opening.canOpen() ? undefined : best
  }

  private pickAlone(): Slot | undefined {
    for (const slot of this.members.slots) {
      if (this.isLendable(slot) && load(slot) === 0 && this.caring.isFresh(slot, this.waiting.count)) return slot
    }
    return undefined
  }

  /** Keeps new queries off as many sessions as are wanted alone, the least loaded ones, until they are free. */
  private reserve(): void {
    if (this.opening.canOpen()) return
    for (let waiter = this.waiting.alone.first; waiter !== undefined; waiter = waiter.next) {
      if (waiter.reserved !== undefined) continue
      let best: Slot | undefined
      for (const slot of this.members.slots) {
        if (slot.reservedFor !== undefined || !this.isLendable(slot)) continue
        if (best === undefined || load(slot) < load(best)) best = slot
      }
      if (best === undefined) return
      best.reservedFor = waiter
      waiter.reserved = best
    }
  }

  /** Gives what there is to those who wait, first come, first served. */
  private dispatch(): void {
    if (this.dispatching !== "no") {
      this.dispatching = "again"
      return
    }
    do {
      this.dispatching = "yes"
      this.dispatchOnce()
    } while ((this.dispatching as string) === "again")
    this.dispatching = "no"
    this.opening.start()
  }

  private dispatchOnce(): void {
    let isSharedLeft = true
    let isAloneLeft = true
    while (true) {
      const shared = isSharedLeft ? this.waiting.shared.first : undefined
      const alone = isAloneLeft ? this.waiting.alone.first : undefined
      if (alone !== undefined && (shared === undefined || alone.number < shared.number)) {
        const slot = this.pickAlone()
        if (slot !== undefined) this.grant(alone, slot)
        else {
          isAloneLeft = false
          this.reserve()
        }
      } else if (shared !== undefined) {
        const slot = this.pickShared()
        if (slot !== undefined) this.grant(shared, slot)
        else isSharedLeft = false
      } else {
        return
      }
    }
  }

  private grant(waiter: Waiter, slot: Slot): void {
    this.waiting.leave(waiter)
    this.lend(slot, waiter.alone)
    waiter.slot = slot
    waiter.wake(Effect.void)
  }

  /** Lends nothing more, waits for what is lent, then cancels it, and closes everything. */
  readonly drain: Effect.Effect<void> = Effect.suspend(() => {
    this.members.isClosed = true
    this.waiting.refuseAll(new PoolError.Closed())
    return this.caring.drain
  })
}
