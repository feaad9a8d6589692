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
import * as TransportError from "@hyperfect/transport/TransportError"
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Random from "effect/Random"
import * as Scope from "effect/Scope"
import * as PoolError from "../PoolError.ts"
import type { Stats } from "../PoolStats.ts"
import type { QueryError } from "../QueryError.ts"
import type { Server, Session } from "../Session.ts"
import { within } from "./deadline.ts"
import { engineOf } from "./engine.ts"
import { Line, type Slot, Waiter } from "./line.ts"
import { mayPass, type OpenError, pauseAfter } from "./reconnecting.ts"
import { discard, traces } from "./traces.ts"

/** All durations in milliseconds. */
export interface Settings {
  readonly min: number
  readonly max: number
  readonly depth: number
  readonly acquireTimeout: number
  readonly maxWaiting: number
  readonly idleTimeout: number
  readonly lifetime: number
  readonly checkAfter: number
  readonly resetAlways: boolean
  readonly drainTimeout: number
  readonly onConnect: (session: Session) => Effect.Effect<unknown, QueryError>
}

/** A session that has moved nothing for as long is busy with something slow: a query waits elsewhere than behind it. */
const patience = 50

/** How long a check, a clean-up or the hook of a new session may take. */
const careTimeout = 5_000

/** How long a session may take to close before it does not count any more. */
const closeTimeout = 5_000

/** How often idle and old sessions are looked for. */
const sweepInterval = 1_000

/** How much of a lifetime chance may take off, so that sessions opened together do not all end together. */
const lifetimeJitter = 0.2

/** @internal */
export class Sessions {
  private readonly slots = new Set<Slot>()
  private readonly counts = { opened: 0, closed: 0, connectFailures: 0, timeouts: 0, refused: 0 }
  server: Server
  authentication: Session["authentication"] = "trust"
  private waiting = 0
  private checking = 0
  private caring = 0
  private closing = 0
  private readonly settings: Settings
  private readonly connect: Effect.Effect<Session, OpenError, Scope.Scope>
  private readonly clock: Clock.Clock
  /** Runs a fiber for as long as the pool lives. */
  private readonly fork: (effect: Effect.Effect<unknown>) => void
  private readonly shared = new Line()
  private readonly alone = new Line()
  private number = 0
  private dispatching: "no" | "yes" | "again" = "no"
  private expiring = false
  private openingSince: number | undefined
  private failures = 0
  private retryAt = 0
  private lastFailure: OpenError | undefined
  private closed = false
  private onEmpty: (() => void) | undefined

  constructor(
    settings: Settings,
    connect: Effect.Effect<Session, OpenError, Scope.Scope>,
    clock: Clock.Clock,
    fork: (effect: Effect.Effect<unknown>) => void
  ) {
    this.settings = settings
    this.connect = connect
    this.clock = clock
    this.fork = fork
    this.server = { kind: "postgres", version: "" }
  }

  stats(): Stats {
    let [idle, taken, queries] = [0, 0, 0]
    for (const slot of this.slots) {
      if (slot.taken) taken++
      else if (slot.users === 0) idle++
      queries += slot.users
    }
    return {
      size: this.slots.size,
      idle,
      taken,
      queries,
      isOpening: this.openingSince !== undefined,
      closing: this.closing,
      waiting: this.waiting,
      ...this.counts
    }
  }

  private now(): number {
    return this.clock.currentTimeMillisUnsafe()
  }

  // Lending

  /** Gives a session at once, or not at all. */
  takeUnsafe(alone: boolean): Slot | undefined {
    if (this.closed || this.waiting > 0) return undefined
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
      if (this.closed) return Effect.fail(PoolError.fromReason(new PoolError.Closed()))
      if (this.waiting >= this.settings.maxWaiting) {
        this.counts.refused++
        return Effect.fail(PoolError.fromReason(new PoolError.QueueFull({ limit: this.settings.maxWaiting })))
      }
      const waiter = new Waiter(alone, this.number++, this.now() + this.settings.acquireTimeout)
      const waiting = Effect.callback<void, PoolError.PoolError>((resume) => {
        waiter.wake = resume
        this.join(waiter)
      })
      return Effect.flatMap(Effect.exit(restore(waiting)), (exit): Effect.Effect<Slot, PoolError.PoolError> => {
        if (Exit.isSuccess(exit)) return Effect.succeed(waiter.slot!)
        this.leave(waiter)
        if (waiter.slot !== undefined) this.giveBack(waiter.slot, alone)
        return Effect.failCause(exit.cause)
      })
    })
  }

  giveBack(slot: Slot, alone: boolean): void {
    if (alone) {
      slot.taken = false
      if (this.settings.resetAlways) slot.engine.leave(traces.settings)
    } else {
      slot.users--
    }
    slot.movedAt = this.now()
    slot.idleSince = slot.movedAt
    this.settle(slot)
    this.dispatch()
  }

  private lend(slot: Slot, alone: boolean): void {
    // The first in the line takes what is free, also when it was kept for a later one.
    this.release(slot)
    if (alone) slot.taken = true
    else slot.users++
    if (slot.users <= 1) slot.movedAt = this.now()
  }

  private isLendable(slot: Slot): boolean {
    const { engine } = slot
    return !slot.taken && !slot.retired && engine.dead === undefined && engine.traces === traces.none
  }

  /** How much there is before a new query; what nobody waits for any more counts too. */
  private load({ engine, users }: Slot): number {
    return Math.max(users, engine.load())
  }

  /** Whether an idle session may be lent as it is; if it was idle for long, it is checked first. */
  private isFresh(slot: Slot): boolean {
    if (this.now() - Math.max(slot.idleSince, slot.checkedAt) < this.settings.checkAfter) return true
    // No more than are wanted: those that nobody needs shall be idle until they are closed.
    if (this.checking === 0 || this.checking < this.waiting) {
      this.checking++
      this.care(slot, Effect.ensuring(slot.session.simple(""), Effect.sync(() => void this.checking--)))
    }
    return false
  }

  /** The least loaded session. While another one can be opened, none that is busy. */
  private pickShared(): Slot | undefined {
    const now = this.now()
    let best: Slot | undefined
    let least = this.settings.depth
    for (const slot of this.slots) {
      if (slot.reservedFor !== undefined || !this.isLendable(slot)) continue
      const load = this.load(slot)
      if (load === 0) {
        if (this.isFresh(slot)) return slot
      } else if (load < least && now - slot.movedAt < patience) {
        best = slot
        least = load
      }
    }
    return this.canOpen(now) ? undefined : best
  }

  private pickAlone(): Slot | undefined {
    for (const slot of this.slots) {
      if (this.isLendable(slot) && this.load(slot) === 0 && this.isFresh(slot)) return slot
    }
    return undefined
  }

  /** Keeps new queries off as many sessions as are wanted alone, the least loaded ones, until they are free. */
  private reserve(): void {
    if (this.canOpen(this.now())) return
    for (let waiter = this.alone.first; waiter !== undefined; waiter = waiter.next) {
      if (waiter.reserved !== undefined) continue
      let best: Slot | undefined
      for (const slot of this.slots) {
        if (slot.reservedFor !== undefined || !this.isLendable(slot)) continue
        if (best === undefined || this.load(slot) < this.load(best)) best = slot
      }
      if (best === undefined) return
      best.reservedFor = waiter
      waiter.reserved = best
    }
  }

  private release(slot: Slot): void {
    if (slot.reservedFor === undefined) return
    slot.reservedFor.reserved = undefined
    slot.reservedFor = undefined
  }

  private join(waiter: Waiter): void {
    const line = waiter.alone ? this.alone : this.shared
    line.join(waiter)
    this.waiting++
    this.expire()
    this.dispatch()
  }

  private leave(waiter: Waiter): void {
    if (!waiter.isWaiting) return
    const line = waiter.alone ? this.alone : this.shared
    line.leave(waiter)
    this.waiting--
    if (waiter.reserved !== undefined) this.release(waiter.reserved)
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
    this.open()
  }

  private dispatchOnce(): void {
    let isSharedLeft = true
    let isAloneLeft = true
    while (true) {
      const shared = isSharedLeft ? this.shared.first : undefined
      const alone = isAloneLeft ? this.alone.first : undefined
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
    this.leave(waiter)
    this.lend(slot, waiter.alone)
    waiter.slot = slot
    waiter.wake(Effect.void)
  }

  /** All wait equally long, so that whoever came first is the first to give up: one fiber watches the heads. */
  private expire(): void {
    if (this.expiring) return
    this.expiring = true
    const next = () => {
      const heads = [this.shared.first, this.alone.first].filter((waiter) => waiter !== undefined)
      return heads.toSorted((a, b) => a.deadline - b.deadline)[0]
    }
    const loop: Effect.Effect<void> = Effect.suspend(() => {
      const now = this.now()
      let waiter = next()
      for (; waiter !== undefined && waiter.deadline <= now; waiter = next()) {
        this.counts.timeouts++
        const milliseconds = this.settings.acquireTimeout
        this.refuse(
          waiter,
          PoolError.fromReason(new PoolError.AcquireTimeout({ milliseconds, cause: this.lastFailure }))
        )
      }
      if (waiter === undefined) {
        this.expiring = false
        return Effect.void
      }
      return Effect.flatMap(Effect.sleep(waiter.deadline - now), () => loop)
    })
    this.fork(loop)
  }

  private refuse(waiter: Waiter, error: PoolError.PoolError): void {
    if (!waiter.isWaiting) return
    this.leave(waiter)
    waiter.wake(Effect.fail(error))
  }

  private refuseAll(reason: PoolError.Reason): void {
    const waiters: Array<Waiter> = []
    for (const line of [this.shared, this.alone]) {
      for (let waiter = line.first; waiter !== undefined; waiter = waiter.next) waiters.push(waiter)
    }
    // Whoever is woken may come again in the same step.
    for (const waiter of waiters) this.refuse(waiter, PoolError.fromReason(reason))
  }

  // Taking back

  /** Decides what becomes of a session that somebody has left. */
  private settle(slot: Slot): void {
    if (!this.slots.has(slot) || slot.taken || slot.users > 0) return
    const { engine } = slot
    const isOver = this.closed || slot.retired || this.now() >= slot.expiresAt
    // Hyper has no way to put a session back into its first state, and nothing can unload code or free a name.
    const isSpoilt = engine.traces === traces.names || (engine.traces !== traces.none && this.server.kind === "hyper")
    if (engine.dead !== undefined || isOver || isSpoilt) this.retire(slot)
    else if (engine.status !== "I" || engine.traces !== traces.none) this.care(slot, this.clean(slot))
    else if (engine.load() > 0) this.care(slot, slot.session.simple(""))
  }

  /** Rolls back and forgets settings. An abandoned statement that still runs ends before, or nothing does in time. */
  private clean({ engine, session }: Slot): Effect.Effect<unknown, QueryError> {
    const rollback = Effect.suspend(() => (engine.status === "I" ? Effect.void : session.simple("ROLLBACK")))
    const reset = Effect.suspend(() =>
      engine.traces === traces.none ? Effect.void : Effect.andThen(session.simple(discard), this.prepare(session))
    )
    return Effect.andThen(rollback, reset)
  }

  /** Makes a session, new or as good as new, what the pool's owner wants it to be. */
  private prepare(session: Session): Effect.Effect<void, QueryError> {
    const engine = engineOf.get(session)!
    return Effect.map(this.settings.onConnect(session), () => {
      // What the hook sets is there to stay.
      engine.traces = traces.none
    })
  }

  /** Has a session for itself while it does something about it; one that does not get well in time is closed. */
  private care(slot: Slot, effect: Effect.Effect<unknown, QueryError>): void {
    slot.taken = true
    this.caring++
    this.fork(Effect.map(within(effect, careTimeout), (exit) => {
      slot.taken = false
      this.caring--
      slot.checkedAt = this.now()
      if (exit?._tag !== "Success" || slot.engine.status !== "I") slot.retired = true
      this.settle(slot)
      this.dispatch()
    }))
  }

  /** Takes a session out of the pool and closes it. */
  private retire(slot: Slot): void {
    if (!this.slots.delete(slot)) return
    slot.retired = true
    this.release(slot)
    this.closing++
    this.fork(Effect.map(within(Scope.close(slot.scope, Exit.void), closeTimeout), () => {
      this.closing--
      this.counts.closed++
      if (this.slots.size + this.closing === 0) this.onEmpty?.()
      this.dispatch()
    }))
  }

  // Opening

  private size(): number {
    return this.slots.size + this.closing
  }

  /** Whether a new session can be expected soon. */
  private canOpen(now: number): boolean {
    return this.size() < this.settings.max && now >= this.retryAt &&
      (this.openingSince === undefined || now - this.openingSince < patience)
  }

  private isWanted(): boolean {
    return !this.closed && this.size() < this.settings.max && (this.waiting > 0 || this.slots.size < this.settings.min)
  }

  /** Opens sessions for as long as more are wanted: one at a time, and ever slower while the server refuses them. */
  open(): void {
    if (this.openingSince !== undefined || !this.isWanted()) return
    this.openingSince = this.now()
    // Those that are being checked or cleaned are as good as there, unless it takes long.
    const isLikely = this.caring > 0 && this.caring >= this.waiting
    const loop: Effect.Effect<void> = Effect.suspend(() => {
      if (!this.isWanted()) {
        this.openingSince = undefined
        return Effect.void
      }
      const now = this.now()
      if (now < this.retryAt) return Effect.flatMap(Effect.sleep(this.retryAt - now), () => loop)
      this.openingSince = now
      return Effect.flatMap(
        Effect.exit(this.openOne),
        (exit) =>
          Effect.flatMap(Exit.isSuccess(exit) ? Effect.void : this.failed(exit.cause), () => {
            this.dispatch()
            return loop
          })
      )
    })
    this.fork(isLikely ? Effect.andThen(Effect.sleep(patience), loop) : loop)
  }

  private failed(cause: Cause.Cause<OpenError>): Effect.Effect<void> {
    const failure = cause.reasons.find(Cause.isFailReason)
    const log = failure === undefined ? Effect.logError("opening a session of the pool died", cause) : Effect.void
    return Effect.flatMap(Effect.andThen(log, Random.next), (chance) => {
      this.counts.connectFailures++
      this.retryAt = this.now() + pauseAfter(++this.failures, chance)
      this.lastFailure = failure?.error
      if (failure !== undefined && !mayPass(failure.error) && this.slots.size === 0) {
        this.refuseAll(new PoolError.ConnectFailed({ cause: failure.error }))
      }
      return Effect.void
    })
  }

  /** Opens a session and adds it. */
  readonly openOne: Effect.Effect<void, OpenError> = Effect.uninterruptibleMask((restore) =>
    Effect.gen({ self: this }, function*() {
      const scope = yield* Scope.make()
      const opened = this.connect.pipe(
        Scope.provide(scope),
        Effect.tap((session) =>
          Effect.timeoutOrElse(this.prepare(session), {
            duration: careTimeout,
            orElse: () =>
              Effect.fail(TransportError.fromReason(
                new TransportError.Unresponsive({ wanted: "end of onConnect", milliseconds: careTimeout })
              ))
          })
        )
      )
      const exit = yield* Effect.exit(restore(opened))
      if (Exit.isFailure(exit)) {
        yield* Scope.close(scope, exit)
        return yield* Effect.failCause(exit.cause)
      }
      const session = exit.value
      const engine = engineOf.get(session)!
      const now = this.now()
      const slot: Slot = {
        session,
        engine,
        scope,
        expiresAt: now + this.settings.lifetime * (1 - (yield* Random.next) * lifetimeJitter),
        users: 0,
        taken: false,
        reservedFor: undefined,
        idleSince: now,
        checkedAt: now,
        movedAt: now,
        retired: false
      }
      this.counts.opened++
      this.failures = 0
      this.retryAt = 0
      this.lastFailure = undefined
      this.server = session.server
      this.authentication = session.authentication
      this.slots.add(slot)
      engine.onDeath = () => {
        this.retire(slot)
        this.dispatch()
      }
      this.settle(slot)
    })
  )

  // The pool's life

  /** Looks after idle and old sessions, for ever. */
  readonly sweep: Effect.Effect<never> = Effect.forever(Effect.andThen(
    Effect.sleep(sweepInterval),
    Effect.sync(() => {
      const now = this.now()
      // The newest first: those that were opened for a rush go, those that are always used stay.
      for (const slot of [...this.slots].toReversed()) {
        if (now >= slot.expiresAt) slot.retired = true
        if (slot.taken || this.load(slot) > 0) continue
        // The server can report a change of its settings at any time.
        if (slot.engine.traces !== traces.none) this.settle(slot)
        const isIdle = now - slot.idleSince >= this.settings.idleTimeout && this.slots.size > this.settings.min
        if (!slot.taken && (isIdle || slot.retired)) this.retire(slot)
      }
      this.dispatch()
    })
  ))

  /** Lends nothing more, waits for what is lent, then cancels it, and closes everything. */
  readonly drain: Effect.Effect<void> = Effect.suspend(() => {
    this.closed = true
    this.refuseAll(new PoolError.Closed())
    for (const slot of this.slots) this.settle(slot)
    const empty = Effect.callback<void>((resume) => {
      this.onEmpty = () => resume(Effect.void)
      if (this.slots.size + this.closing === 0) resume(Effect.void)
    })
    const cancel = Effect.suspend(() =>
      Effect.forEach(this.slots, ({ engine }) => engine.cancelCurrent, { concurrency: "unbounded", discard: true })
    )
    const closeAll = Effect.suspend(() => {
      for (const slot of this.slots) this.retire(slot)
      return Effect.timeoutOption(empty, closeTimeout)
    })
    return Effect.timeoutOption(empty, this.settings.drainTimeout).pipe(
      Effect.andThen(Effect.timeoutOption(Effect.andThen(cancel, empty), patience * 10)),
      Effect.andThen(closeAll),
      Effect.asVoid
    )
  })
}
