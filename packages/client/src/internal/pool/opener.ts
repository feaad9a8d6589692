/**
 * Opening of a pool's sessions: one at a time, with backoff while the server refuses them.
 *
 * @internal
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Pull from "effect/Pull"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as PoolError from "../../PoolError.ts"
import type { Failure } from "../../QueryError.ts"
import type { Session } from "../../Session.ts"
import type { OpenSession } from "../client/openSession.ts"
import { Backoff, canReconnect, isFinal, type OpenError } from "../connect/backoff.ts"
import { unresponsive } from "../engine/queue.ts"
import { slowThreshold } from "../session/timing.ts"
import type { AcquireQueue } from "./acquireQueue.ts"
import type { Maintenance } from "./maintenance.ts"
import { maintenanceTimeout, type PoolState } from "./state.ts"
import type { Slot } from "./waiterList.ts"

/** The maximum random reduction of a lifetime, so that sessions opened together do not all expire together. */
const lifetimeJitter = 0.2

type Step = (now: number, input: unknown) => Pull.Pull<[unknown, Duration.Duration], never, unknown>

/** True if the server ended a session because it was idle. */
const wasIdle = (reason: Failure | undefined): boolean =>
  reason?._tag === "ServerError" && reason.reason._tag === "IdleSessionTimeout"

/** @internal */
export class Opener {
  /** The start of the current attempt. */
  startedAt: number | undefined
  /** The most recent failure to open a session; cleared by a success. */
  lastFailure: OpenError | undefined
  /** The most recently opened session. Once the pool has been made there is always one. */
  lastSession: Session | undefined
  /** The start of the first of the attempts that have failed in a row. */
  private failingSince: number | undefined
  private readonly state: PoolState
  private readonly connect: Effect.Effect<OpenSession, OpenError, Scope.Scope>
  private readonly queue: AcquireQueue
  private readonly maintenance: Maintenance
  private readonly backoff = new Backoff()
  /** The steps of the schedule since the last success; absent before the first failure. */
  private step: Step | undefined
  /** Ends the pause before the next attempt. */
  private wake = () => {}
  /** True while opening is postponed for a short time, because sessions in maintenance will soon be available. */
  private isPatient = false

  constructor(
    members: PoolState,
    connect: Effect.Effect<OpenSession, OpenError, Scope.Scope>,
    waiting: AcquireQueue,
    maintenance: Maintenance
  ) {
    this.state = members
    this.connect = connect
    this.queue = waiting
    this.maintenance = maintenance
  }

  private isFull(): boolean {
    const { settings, slots, sole } = this.state
    return sole !== undefined || slots.size + this.maintenance.closing >= settings.max
  }

  /** True if a new session can be expected soon. */
  canOpen(): boolean {
    if (this.isFull()) return false
    const now = this.state.now()
    return now >= this.backoff.retryAt &&
      (this.startedAt === undefined || now - this.startedAt < slowThreshold)
  }

  private isNeeded(): boolean {
    const { isClosed, settings, slots } = this.state
    return !isClosed && !this.isFull() && (this.queue.count > 0 || slots.size < settings.min || this.isProbing())
  }

  /** True if attempts continue although no caller waits, since callers fail until one succeeds. */
  private isProbing(): boolean {
    const { settings, slots } = this.state
    return settings.failFastAfter < Infinity && slots.size === 0 && this.lastFailure !== undefined &&
      canReconnect(this.lastFailure) && !isFinal(this.lastFailure)
  }

  /** The time from which callers fail at once. */
  private get failFastAt(): number {
    const { failingSince } = this
    return failingSince === undefined || !this.isProbing() ? Infinity : failingSince + this.state.settings.failFastAfter
  }

  /** The reason why no caller can be given a session, now or ever. */
  get refusal(): PoolError.Reason | undefined {
    const { failingSince = 0, lastFailure: cause } = this
    if (cause === undefined || this.state.slots.size > 0) return undefined
    if (isFinal(cause)) return new PoolError.ConnectFailed({ cause })
    const now = this.state.now()
    return now < this.failFastAt ? undefined : new PoolError.Unavailable({ milliseconds: now - failingSince, cause })
  }

  /** Opens sessions while more are needed. */
  start(): void {
    if (this.startedAt !== undefined || !this.isNeeded()) return
    // Called again when one of them is ready, or another caller arrives.
    const { inMaintenance } = this.maintenance
    if (inMaintenance > 0 && inMaintenance >= this.queue.count) return this.retryLater()
    this.run()
  }

  private run(): void {
    this.startedAt = this.state.now()
    this.state.fork(this.loop)
  }

  /** Opens a session nevertheless if maintenance takes long. */
  private retryLater(): void {
    if (this.isPatient) return
    this.isPatient = true
    this.state.fork(Effect.map(Effect.sleep(slowThreshold), () => {
      this.isPatient = false
      if (this.startedAt === undefined && this.isNeeded()) this.run()
    }))
  }

  private readonly loop: Effect.Effect<void> = Effect.gen({ self: this }, function*() {
    while (this.isNeeded()) {
      const now = this.state.now()
      const { refusal } = this
      if (refusal !== undefined) this.queue.rejectAll(refusal)
      const { retryAt } = this.backoff
      if (now < retryAt) {
        const next = refusal === undefined ? Math.min(retryAt, this.failFastAt) : retryAt
        const woken = Effect.callback<void>((resume) => {
          this.wake = () => resume(Effect.void)
        })
        yield* Effect.timeoutOption(woken, next - now)
        continue
      }
      this.startedAt = now
      const exit = yield* Effect.exit(this.open)
      if (Exit.isFailure(exit)) yield* this.onFailure(exit.cause)
      this.state.dispatch()
    }
    this.startedAt = undefined
    this.state.dispatch()
  })

  private readonly onFailure = Effect.fnUntraced({ self: this }, function*(cause: Cause.Cause<OpenError>) {
    const failure = cause.reasons.find(Cause.isFailReason)
    if (Cause.hasDies(cause)) yield* Effect.logError("opening a session of the pool died", cause)
    const chance = yield* Random.next
    const delay = yield* this.nextDelay
    const now = this.state.now()
    this.state.counts.connectFailures++
    for (const { openedAt } of this.state.slots) this.backoff.onAlive(openedAt, now)
    this.backoff.onFailure(now, chance, delay)
    this.lastFailure = failure?.error
    this.failingSince ??= this.startedAt ?? now
    if (failure !== undefined && !canReconnect(failure.error) && this.state.slots.size === 0) {
      this.queue.rejectAll(new PoolError.ConnectFailed({ cause: failure.error }))
    }
  })

  /** The delay in milliseconds that the schedule wants before the next attempt; absent without one, or at its end. */
  private readonly nextDelay: Effect.Effect<number | undefined> = Effect.gen({ self: this }, function*() {
    const { reconnect } = this.state.settings
    if (reconnect === undefined) return undefined
    const step = this.step ??= yield* Schedule.toStep(reconnect)
    const next = yield* Effect.exit(step(yield* Clock.currentTimeMillis, undefined))
    return Exit.isSuccess(next) ? Duration.toMillis(next.value[1]) : undefined
  })

  /** Makes the next attempt without further delay, because it is likely to succeed now. */
  retryNow(): void {
    this.backoff.retryAt = -Infinity
    this.wake()
  }

  /** Opens a session and adds it to the pool, even if none is needed. */
  readonly open: Effect.Effect<void, OpenError> = Effect.uninterruptibleMask((restore) =>
    Effect.gen({ self: this }, function*() {
      const scope = yield* Scope.make()
      const { refreshes } = this.state
      const opened = Effect.flatMap(Scope.provide(this.connect, scope), (opened) =>
        Effect.map(
          Effect.timeoutOrElse(this.maintenance.runOnConnect(opened, scope), {
            duration: maintenanceTimeout,
            orElse: () => Effect.fail(unresponsive("end of onConnect", maintenanceTimeout))
          }),
          (hookScope) => ({ ...opened, hookScope })
        ))
      const exit = yield* Effect.exit(restore(opened))
      if (Exit.isFailure(exit)) {
        // A failure to release what `onConnect` acquired must not hide the original error.
        const closed = yield* Effect.exit(Scope.close(scope, exit))
        return yield* Effect.failCause(Exit.isFailure(closed) ? Cause.combine(exit.cause, closed.cause) : exit.cause)
      }
      const isRetired = this.state.sole !== undefined || refreshes !== this.state.refreshes
      this.add(exit.value, scope, yield* Random.next, isRetired)
    })
  )

  private add(
    { hookScope, runner, session }: OpenSession & { readonly hookScope: Scope.Closeable },
    scope: Scope.Closeable,
    chance: number,
    isRetired: boolean
  ): void {
    const { counts, dispatch, now, settings, slots } = this.state
    const { engine } = runner
    const time = now()
    const slot: Slot = {
      session,
      runner,
      engine,
      scope,
      hookScope,
      openedAt: time,
      expiresAt: time + settings.lifetime * (1 - chance * lifetimeJitter),
      inFlight: 0,
      isExclusive: false,
      holder: undefined,
      reservedFor: undefined,
      idleSince: time,
      checkedAt: time,
      lastActivityAt: time,
      hasServed: false,
      isRetired
    }
    counts.opened++
    this.lastFailure = undefined
    this.failingSince = undefined
    this.step = undefined
    this.lastSession = session
    slots.add(slot)
    engine.onClose = () => {
      // Not if the pool closed it, if the server ended it because it was idle, or if it had been used successfully.
      if (slots.has(slot) && !slot.hasServed && !wasIdle(engine.closeReason)) this.backoff.onLost(time, now(), chance)
      this.maintenance.retire(slot)
      dispatch()
    }
    if (engine.closeReason === undefined) this.maintenance.recycle(slot)
    else engine.onClose()
  }
}
