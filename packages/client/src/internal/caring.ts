/**
 * What a pool does about its sessions when nobody has them: checking, cleaning, closing.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { QueryError } from "../QueryError.ts"
import type { Session } from "../Session.ts"
import { within } from "./deadline.ts"
import { engineOf } from "./engine.ts"
import type { Slot } from "./line.ts"
import { careTimeout, load, type Members } from "./members.ts"
import { discard, traces } from "./traces.ts"
import { release } from "./waiting.ts"

/** How long a session may take to close before it does not count any more. */
const closeTimeout = 5_000

/** How often idle and old sessions are looked for. */
const sweepInterval = 1_000

/** @internal */
export class Caring {
  /** Sessions that are looked after, and will be lent again when they are well. */
  busy = 0
  /** Sessions that are being closed. */
  closing = 0
  private readonly members: Members
  private checking = 0
  private onEmpty: (() => void) | undefined

  constructor(members: Members) {
    this.members = members
  }

  /** Makes a session, new or as good as new, what the pool's owner wants it to be. */
  prepare(session: Session, scope: Scope.Scope): Effect.Effect<void, QueryError> {
    const engine = engineOf.get(session)!
    return Effect.map(Scope.provide(this.members.settings.onConnect(session), scope), () => {
      // What the hook sets is there to stay.
      engine.traces = traces.none
    })
  }

  /** Whether an idle session may be lent as it is; if it was idle for long, it is checked first. */
  isFresh(slot: Slot, waiting: number): boolean {
    const { now, settings } = this.members
    if (now() - Math.max(slot.idleSince, slot.checkedAt) < settings.checkAfter) return true
    // No more than are wanted: those that nobody needs shall be idle until they are closed.
    if (this.checking === 0 || this.checking < waiting) {
      this.checking++
      this.care(slot, Effect.ensuring(slot.session.simple(""), Effect.sync(() => void this.checking--)))
    }
    return false
  }

  /** Decides what becomes of a session that somebody has left. */
  settle(slot: Slot): void {
    const { isClosed, now, slots } = this.members
    if (!slots.has(slot) || slot.taken || slot.users > 0) return
    const { engine, session } = slot
    const isOver = isClosed || slot.retired || now() >= slot.expiresAt
    // Hyper has no way to put a session back into its first state, and nothing can unload code or free a name.
    const isSpoilt = engine.traces === traces.names ||
      (engine.traces !== traces.none && session.server.kind === "hyper")
    if (engine.dead !== undefined || isOver || isSpoilt) this.retire(slot)
    else if (engine.status !== "I" || engine.traces !== traces.none) this.care(slot, this.clean(slot))
    else if (engine.load() > 0) this.care(slot, session.simple(""))
  }

  /** Rolls back and forgets settings. An abandoned statement that still runs ends before, or nothing does in time. */
  private clean({ engine, scope, session }: Slot): Effect.Effect<unknown, QueryError> {
    const rollback = Effect.suspend(() => (engine.status === "I" ? Effect.void : session.simple("ROLLBACK")))
    const reset = Effect.suspend(() =>
      engine.traces === traces.none
        ? Effect.void
        : Effect.andThen(session.simple(discard), this.prepare(session, scope))
    )
    return Effect.andThen(rollback, reset)
  }

  /** Has a session for itself while it does something about it; one that does not get well in time is closed. */
  private care(slot: Slot, effect: Effect.Effect<unknown, QueryError>): void {
    slot.taken = true
    this.busy++
    this.members.fork(Effect.map(within(effect, careTimeout), (exit) => {
      slot.taken = false
      this.busy--
      slot.checkedAt = this.members.now()
      if (exit?._tag !== "Success" || slot.engine.status !== "I") slot.retired = true
      this.settle(slot)
      this.members.dispatch()
    }))
  }

  /** Takes a session out of the pool and closes it. */
  retire(slot: Slot): void {
    const { counts, dispatch, fork, slots } = this.members
    if (!slots.delete(slot)) return
    slot.retired = true
    release(slot)
    this.closing++
    fork(Effect.map(within(Scope.close(slot.scope, Exit.void), closeTimeout), () => {
      this.closing--
      counts.closed++
      if (slots.size + this.closing === 0) this.onEmpty?.()
      dispatch()
    }))
  }

  /** Looks for idle and old sessions. */
  private readonly sweepOnce: Effect.Effect<void> = Effect.sync(() => {
    const { dispatch, now, settings, slots } = this.members
    const time = now()
    // The newest first: those that were opened for a rush go, those that are always used stay.
    for (const slot of [...slots].toReversed()) {
      if (time >= slot.expiresAt) slot.retired = true
      if (slot.taken || load(slot) > 0) continue
      // The server can report a change of its settings at any time.
      if (slot.engine.traces !== traces.none) this.settle(slot)
      const isIdle = time - slot.idleSince >= settings.idleTimeout && slots.size > settings.min
      if (!slot.taken && (isIdle || slot.retired)) this.retire(slot)
    }
    dispatch()
  })

  /** Looks after idle and old sessions, for ever. */
  readonly sweep: Effect.Effect<never> = Effect.forever(
    Effect.andThen(Effect.sleep(sweepInterval), this.sweepOnce)
  )

  /** Waits for what is lent, then cancels it, and closes everything. */
  readonly drain: Effect.Effect<void> = Effect.suspend(() => {
    const { settings, slots } = this.members
    for (const slot of slots) this.settle(slot)
    const empty = Effect.callback<void>((resume) => {
      this.onEmpty = () => resume(Effect.void)
      if (slots.size + this.closing === 0) resume(Effect.void)
    })
    const cancel = Effect.suspend(() =>
      Effect.forEach(slots, ({ engine }) => engine.cancelCurrent, { concurrency: "unbounded", discard: true })
    )
    const closeAll = Effect.suspend(() => {
      for (const slot of slots) this.retire(slot)
      return Effect.timeoutOption(empty, closeTimeout)
    })
    return Effect.timeoutOption(empty, settings.drainTimeout).pipe(
      Effect.andThen(Effect.timeoutOption(Effect.andThen(cancel, empty), cancelled)),
      Effect.andThen(closeAll),
      Effect.asVoid
    )
  })
}

/** How long what was cancelled may take to end. */
const cancelled = 500
