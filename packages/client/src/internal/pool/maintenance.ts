/**
 * Maintenance of a pool's sessions: checks, reset, closing.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Predicate from "effect/Predicate"
import * as Scope from "effect/Scope"
import type { QueryError } from "../../QueryError.ts"
import type { OpenSession } from "../client/openSession.ts"
import { withoutComment } from "../model/comment.ts"
import { timeoutDetached } from "../session/deadline.ts"
import { sessionState } from "../session/state.ts"
import { minCheckAfter } from "../session/timing.ts"
import { unreserve } from "./acquireQueue.ts"
import { load, maintenanceTimeout, type PoolState } from "./state.ts"
import type { Slot } from "./waiterList.ts"

/** The time in milliseconds that a session may take to close before it no longer counts. */
const closeTimeout = 5_000

/** The interval in milliseconds of eviction. */
const evictInterval = 1_000

/** @internal */
export class Maintenance {
  /** Sessions in maintenance, which become available again if it succeeds. */
  inMaintenance = 0
  /** Sessions that are being closed. */
  closing = 0
  private readonly state: PoolState
  private checking = 0
  private onEmpty: (() => void) | undefined

  constructor(members: PoolState) {
    this.state = members
  }

  /**
   * Runs `onConnect` on a new or reset session. Resources that it acquires are released before the next reset, or with
   * the session.
   */
  runOnConnect({ runner, session }: OpenSession, scope: Scope.Scope): Effect.Effect<Scope.Closeable, QueryError> {
    return Effect.gen({ self: this }, function*() {
      const own = yield* Scope.fork(scope)
      const standby = session.parameters().get("in_hot_standby")
      yield* Scope.provide(this.state.settings.onConnect(session), own)
      // Changes made by the hook are not reset; one of the server's role is not the hook's.
      runner.engine.changes.clear()
      if (session.parameters().get("in_hot_standby") !== standby) runner.engine.changes.mark(sessionState.dirty)
      return own
    })
  }

  /** True if an idle session may be lent as it is; after a long idle time it is checked first. */
  isFresh(slot: Slot, waiting: number, now: number): boolean {
    const freshFor = Math.max(this.state.settings.checkAfter, minCheckAfter)
    if (now - Math.max(slot.idleSince, slot.checkedAt) < freshFor) return true
    // Checks only as many as are wanted: unneeded sessions stay idle until they are evicted.
    if (this.checking === 0 || this.checking < waiting) {
      this.checking++
      this.maintain(slot, Effect.ensuring(slot.session.simple(""), Effect.sync(() => void this.checking--)))
    }
    return false
  }

  /** Decides what happens to a session that was released. */
  recycle(slot: Slot, now = this.state.now()): void {
    const { isClosed, slots } = this.state
    if (!slots.has(slot) || slot.isExclusive || slot.inFlight > 0) return
    const { engine, session } = slot
    // A session that expires before it can be lent would be replaced by another one, without end.
    const isOver = isClosed || slot.isRetired || (slot.hasServed && now >= slot.expiresAt)
    // Nothing can unload code or free a name.
    const isSpoilt = engine.changes.state === sessionState.unresettable ||
      (engine.changes.state !== sessionState.clean && engine.dialect.reset === undefined)
    if (engine.closeReason !== undefined || isOver || isSpoilt) this.retire(slot)
    else if (engine.status !== "I" || engine.changes.state !== sessionState.clean) this.maintain(slot, this.reset(slot))
    else if (engine.queue.load > 0) this.maintain(slot, session.simple(""))
  }

  /**
   * Rolls back and resets settings. An abandoned statement that is still running ends first, or the reset times out.
   */
  private reset(slot: Slot): Effect.Effect<void, QueryError> {
    return Effect.gen({ self: this }, function*() {
      const { engine, scope, session } = slot
      // An interrupted transaction sends its ROLLBACK without waiting for the response.
      if (engine.queue.load > 0) yield* Effect.ignore(session.simple(""))
      if (engine.status !== "I") yield* withoutComment(session.simple("ROLLBACK"))
      if (engine.changes.state === sessionState.clean) return
      yield* Scope.close(slot.hookScope, Exit.void)
      const commands = [engine.dialect.reset, engine.afterReset].filter(Predicate.isNotUndefined)
      yield* withoutComment(session.simple(commands.join("; ")))
      // Only now are the reported settings the server's own.
      slot.isRetired ||= engine.role?.fits() === false
      if (!slot.isRetired) slot.hookScope = yield* this.runOnConnect(slot, scope)
    })
  }

  /** Takes a session exclusively for maintenance. If that fails or times out, the session is closed. */
  private maintain(slot: Slot, effect: Effect.Effect<unknown, QueryError>): void {
    slot.isExclusive = true
    this.inMaintenance++
    this.state.fork(Effect.map(timeoutDetached(effect, maintenanceTimeout), (exit) => {
      slot.isExclusive = false
      this.inMaintenance--
      slot.checkedAt = this.state.now()
      if (exit?._tag !== "Success" || slot.engine.status !== "I") slot.isRetired = true
      this.recycle(slot)
      this.state.dispatch()
    }))
  }

  /** Removes a session from the pool and closes it. */
  retire(slot: Slot): void {
    const { counts, dispatch, fork, slots } = this.state
    if (!slots.delete(slot)) return
    slot.isRetired = true
    unreserve(slot)
    this.closing++
    fork(Effect.map(timeoutDetached(Scope.close(slot.scope, Exit.void), closeTimeout), () => {
      this.closing--
      counts.closed++
      if (slots.size + this.closing === 0) this.onEmpty?.()
      dispatch()
    }))
  }

  /** Evicts idle and expired sessions. */
  private readonly evictOnce: Effect.Effect<void> = Effect.sync(() => {
    const { dispatch, now, settings, slots } = this.state
    const time = now()
    // The newest first, so that sessions opened for a burst are closed and the regularly used ones remain.
    for (const slot of [...slots].toReversed()) {
      if (time >= slot.expiresAt) slot.isRetired = true
      if (slot.isExclusive || load(slot) > 0) continue
      // The server can report a change of its settings at any time.
      if (slot.engine.changes.state !== sessionState.clean) this.recycle(slot)
      const isIdle = time - slot.idleSince >= settings.idleTimeout && slots.size > settings.min
      if (!slot.isExclusive && (isIdle || slot.isRetired)) this.retire(slot)
    }
    dispatch()
  })

  /** Evicts idle and expired sessions periodically. */
  readonly evictLoop: Effect.Effect<never> = Effect.forever(Effect.andThen(Effect.sleep(evictInterval), this.evictOnce))

  /** Waits for sessions in use, then cancels their work, and closes all sessions. */
  readonly drain: Effect.Effect<void> = Effect.gen({ self: this }, function*() {
    const { settings, slots } = this.state
    for (const slot of slots) this.recycle(slot)
    const empty = Effect.callback<void>((resume) => {
      this.onEmpty = () => resume(Effect.void)
      if (slots.size + this.closing === 0) resume(Effect.void)
    })
    yield* Effect.timeoutOption(empty, settings.drainTimeout)
    const cancel = Effect.forEach([...slots], ({ engine }) => engine.cancellation.cancelCurrent, {
      concurrency: "unbounded",
      discard: true
    })
    yield* Effect.timeoutOption(Effect.andThen(cancel, empty), cancelTimeout)
    for (const slot of slots) this.retire(slot)
    yield* Effect.timeoutOption(empty, closeTimeout)
  })
}

/** The time in milliseconds that cancelled work may take to end. */
const cancelTimeout = 500
