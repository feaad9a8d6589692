/**
 * The sessions of a pool, and their assignment to callers.
 *
 * All decisions are synchronous code, so that no interruption can come between a decision and its record: a caller
 * holds its session from that moment, and a finalizer releases it. Slow work (opening, checking, resetting, closing)
 * runs in fibers of the pool, each of them with a time limit; until it is done the session counts towards the pool, but
 * is not lent.
 *
 * @internal
 */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import * as PoolError from "../../PoolError.ts"
import type { Stats } from "../../PoolStats.ts"
import type { OpenSession } from "../client/openSession.ts"
import type { OpenError } from "../connect/backoff.ts"
import { sessionState } from "../session/state.ts"
import { slowThreshold } from "../session/timing.ts"
import { AcquireQueue, unreserve } from "./acquireQueue.ts"
import { Maintenance } from "./maintenance.ts"
import { Opener } from "./opener.ts"
import type { Settings } from "./settings.ts"
import { load, type PoolState } from "./state.ts"
import type { Slot, Waiter } from "./waiterList.ts"

/** @internal */
export class SessionPool {
  private readonly state: PoolState
  private readonly queue: AcquireQueue
  private readonly maintenance: Maintenance
  readonly opener: Opener
  private dispatching: "no" | "yes" | "again" = "no"
  private onSole: (() => void) | undefined

  constructor(
    settings: Settings,
    connect: Effect.Effect<OpenSession, OpenError, Scope.Scope>,
    clock: Clock.Clock,
    fork: (effect: Effect.Effect<unknown>) => void
  ) {
    this.state = {
      settings,
      slots: new Set(),
      counts: { opened: 0, closed: 0, connectFailures: 0, timeouts: 0, refused: 0 },
      sole: undefined,
      refreshes: 0,
      isClosed: false,
      // The wall clock can be set back.
      now: () => Number(clock.monotonicTimeNanosUnsafe()) / 1e6,
      fork,
      dispatch: () => this.dispatch()
    }
    this.queue = new AcquireQueue(this.state, () => this.opener.lastFailure)
    this.maintenance = new Maintenance(this.state)
    this.opener = new Opener(this.state, connect, this.queue, this.maintenance)
  }

  stats(): Stats {
    const { counts, slots } = this.state
    let [idle, taken, queries] = [0, 0, 0]
    for (const slot of slots) {
      if (slot.isExclusive) taken++
      else if (slot.inFlight === 0) idle++
      queries += slot.inFlight
    }
    return {
      size: slots.size,
      idle,
      taken,
      queries,
      isOpening: this.opener.startedAt !== undefined,
      closing: this.maintenance.closing,
      waiting: this.queue.count,
      ...counts
    }
  }

  /** The background work of the pool, for as long as it lives. */
  readonly run: Effect.Effect<never> = Effect.suspend(() => {
    this.opener.start()
    return this.maintenance.evictLoop
  })

  /** Acquires a session without waiting; `undefined` if none is available. */
  acquireUnsafe(alone: boolean, fiberId: number): Slot | undefined {
    if (this.state.isClosed || this.queue.count > 0) return undefined
    const now = this.state.now()
    const slot = alone ? this.pickExclusive(now) : this.pickShared(now)
    if (slot !== undefined) this.assign(slot, alone, fiberId, now)
    return slot
  }

  /** Waits for a session. Only the wait can be interrupted. */
  acquire(
    alone: boolean,
    fiberId: number,
    restore: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  ): Effect.Effect<Slot, PoolError.PoolError> {
    return Effect.suspend(() => {
      const { counts, isClosed, settings: { maxWaiting } } = this.state
      if (isClosed) return Effect.fail(PoolError.fromReason(new PoolError.Closed()))
      const { refusal } = this.opener
      if (refusal !== undefined) return Effect.fail(PoolError.fromReason(refusal))
      if (this.queue.count >= maxWaiting) {
        counts.refused++
        return Effect.fail(PoolError.fromReason(new PoolError.QueueFull({ limit: maxWaiting })))
      }
      const waiter = this.queue.makeWaiter(alone, fiberId)
      const waiting = Effect.callback<void, PoolError.PoolError>((resume) => {
        waiter.wake = resume
        this.queue.enqueue(waiter)
        this.dispatch()
      })
      return Effect.flatMap(Effect.exit(restore(waiting)), (exit): Effect.Effect<Slot, PoolError.PoolError> => {
        if (Exit.isSuccess(exit)) return Effect.succeed(waiter.slot!)
        this.queue.remove(waiter)
        if (waiter.slot !== undefined) this.release(waiter.slot, alone)
        return Effect.failCause(exit.cause)
      })
    })
  }

  /** Makes a session that is held exclusively the only one of the pool, unless there is such a session already. */
  claimSole(slot: Slot): boolean {
    this.state.sole ??= slot
    return this.state.sole === slot
  }

  /** Closes all sessions but the only one, each at the end of its work. */
  awaitSole(fiberId: number): Effect.Effect<void, PoolError.PoolError> {
    const { counts, settings, slots, sole } = this.state
    const closed = Effect.callback<void>((resume) => {
      this.retireAll(sole)
      this.onSole = () => {
        if (slots.size > 1 || this.maintenance.closing > 0 || this.opener.startedAt !== undefined) return
        this.onSole = undefined
        resume(Effect.void)
      }
      this.dispatch()
    })
    return Effect.timeoutOrElse(closed, {
      duration: settings.acquireTimeout,
      orElse: () => {
        counts.timeouts++
        return Effect.fail(PoolError.fromReason(this.queue.timeoutOf({ fiberId })))
      }
    })
  }

  /** Closes all sessions, each at the end of its work, and those that are being opened. */
  refresh(): void {
    this.state.refreshes++
    this.retireAll()
    this.opener.retryNow()
    this.dispatch()
  }

  private retireAll(except?: Slot): void {
    for (const slot of this.state.slots) {
      if (slot === except) continue
      slot.isRetired = true
      unreserve(slot)
      this.maintenance.recycle(slot)
    }
  }

  release(slot: Slot, alone: boolean): void {
    if (alone) {
      if (this.state.sole === slot) {
        this.state.sole = undefined
        this.onSole = undefined
      }
      slot.isExclusive = false
      slot.holder = undefined
      if (this.state.settings.resetAlways) slot.engine.changes.mark(sessionState.dirty)
    } else {
      slot.inFlight--
    }
    if (slot.engine.closeReason === undefined) slot.hasServed = true
    slot.lastActivityAt = this.state.now()
    slot.idleSince = slot.lastActivityAt
    this.maintenance.recycle(slot, slot.lastActivityAt)
    this.dispatch()
  }

  private assign(slot: Slot, alone: boolean, fiberId: number, now: number): void {
    // The first waiter takes what is free, even if it was reserved for a later one.
    unreserve(slot)
    if (alone) {
      slot.isExclusive = true
      slot.holder = fiberId
    } else slot.inFlight++
    if (slot.inFlight <= 1) slot.lastActivityAt = now
  }

  private isAvailable(slot: Slot): boolean {
    const { engine } = slot
    return !slot.isExclusive && !slot.isRetired && engine.closeReason === undefined &&
      engine.changes.state === sessionState.clean
  }

  /** Picks the least loaded session, but no busy one while another can be opened. When packed, the first with room. */
  private pickShared(now: number): Slot | undefined {
    const { depth, isPacked } = this.state.settings
    let best: Slot | undefined
    let least = depth
    for (const slot of this.state.slots) {
      if (slot.reservedFor !== undefined || !this.isAvailable(slot)) continue
      const queries = load(slot)
      if (queries === 0) {
        if (this.maintenance.isFresh(slot, this.queue.count, now)) return slot
      } else if (queries < least && now - slot.lastActivityAt < slowThreshold) {
        if (isPacked) return slot
        best = slot
        least = queries
      }
    }
    return this.opener.canOpen() ? undefined : best
  }

  private pickExclusive(now: number): Slot | undefined {
    for (const slot of this.state.slots) {
      if (this.isAvailable(slot) && load(slot) === 0 && this.maintenance.isFresh(slot, this.queue.count, now)) {
        return slot
      }
    }
    return undefined
  }

  /**
   * Reserves as many sessions as are wanted exclusively, the least loaded ones: they accept no new queries and become
   * free.
   */
  private reserve(): void {
    if (this.opener.canOpen()) return
    for (let waiter = this.queue.exclusive.first; waiter !== undefined; waiter = waiter.next) {
      if (waiter.reserved !== undefined) continue
      let best: Slot | undefined
      for (const slot of this.state.slots) {
        if (slot.reservedFor !== undefined || !this.isAvailable(slot)) continue
        if (best === undefined || load(slot) < load(best)) best = slot
      }
      if (best === undefined) return
      best.reservedFor = waiter
      waiter.reserved = best
    }
  }

  /** Assigns available sessions to the waiters, first come, first served. */
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
    this.opener.start()
    this.onSole?.()
  }

  private dispatchOnce(): void {
    let isSharedLeft = true
    let isAloneLeft = true
    while (true) {
      const shared = isSharedLeft ? this.queue.shared.first : undefined
      const alone = isAloneLeft ? this.queue.exclusive.first : undefined
      if (alone !== undefined && (shared === undefined || alone.sequence < shared.sequence)) {
        const now = this.state.now()
        const slot = this.pickExclusive(now)
        if (slot !== undefined) this.grant(alone, slot, now)
        else {
          isAloneLeft = false
          this.reserve()
        }
      } else if (shared !== undefined) {
        const now = this.state.now()
        const slot = this.pickShared(now)
        if (slot !== undefined) this.grant(shared, slot, now)
        else isSharedLeft = false
      } else {
        return
      }
    }
  }

  private grant(waiter: Waiter, slot: Slot, now: number): void {
    this.queue.remove(waiter)
    this.assign(slot, waiter.exclusive, waiter.fiberId, now)
    waiter.slot = slot
    waiter.wake(Effect.void)
  }

  /** Refuses new callers, waits for sessions in use, then cancels their work, and closes all sessions. */
  readonly drain: Effect.Effect<void> = Effect.suspend(() => {
    this.state.isClosed = true
    this.queue.rejectAll(new PoolError.Closed())
    return this.maintenance.drain
  })
}
