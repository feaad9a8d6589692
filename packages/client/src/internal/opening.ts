/**
 * How a pool opens sessions: one at a time, and ever more slowly while the server refuses them.
 *
 * @internal
 */
import * as TransportError from "@hyperfect/transport/TransportError"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Random from "effect/Random"
import * as Scope from "effect/Scope"
import * as PoolError from "../PoolError.ts"
import type { Session } from "../Session.ts"
import type { Caring } from "./caring.ts"
import { engineOf } from "./engine.ts"
import type { Slot } from "./line.ts"
import { careTimeout, type Members, patience } from "./members.ts"
import { mayPass, type OpenError, pauseAfter } from "./reconnecting.ts"
import type { Waiting } from "./waiting.ts"

/** How much of a lifetime chance may take off, so that sessions opened together do not all end together. */
const lifetimeJitter = 0.2

const onConnectTimedOut = Effect.fail(TransportError.fromReason(
  new TransportError.Unresponsive({ wanted: "end of onConnect", milliseconds: careTimeout })
))

/** @internal */
export class Opening {
  /** When the attempt began that is under way. */
  since: number | undefined
  /** Why no session could be opened, since one could be. */
  lastFailure: OpenError | undefined
  /** The last session that was opened. */
  last: Session | undefined
  private readonly members: Members
  private readonly connect: Effect.Effect<Session, OpenError, Scope.Scope>
  private readonly waiting: Waiting
  private readonly caring: Caring
  private failures = 0
  private retryAt = 0

  constructor(
    members: Members,
    connect: Effect.Effect<Session, OpenError, Scope.Scope>,
    waiting: Waiting,
    caring: Caring
  ) {
    this.members = members
    this.connect = connect
    this.waiting = waiting
    this.caring = caring
  }

  private isFull(): boolean {
    return this.members.slots.size + this.caring.closing >= this.members.settings.max
  }

  /** Whether a new session can be expected soon. */
  canOpen(): boolean {
    const now = this.members.now()
    return !this.isFull() && now >= this.retryAt && (this.since === undefined || now - this.since < patience)
  }

  private isWanted(): boolean {
    const { isClosed, settings, slots } = this.members
    return !isClosed && !this.isFull() && (this.waiting.count > 0 || slots.size < settings.min)
  }

  /** Opens sessions for as long as more are wanted. */
  start(): void {
    if (this.since !== undefined || !this.isWanted()) return
    this.since = this.members.now()
    // Those that are being checked or cleaned are as good as there, unless it takes long.
    const isLikely = this.caring.busy > 0 && this.caring.busy >= this.waiting.count
    this.members.fork(isLikely ? Effect.andThen(Effect.sleep(patience), this.loop) : this.loop)
  }

  private readonly loop: Effect.Effect<void> = Effect.suspend(() => {
    if (!this.isWanted()) {
      this.since = undefined
      return Effect.void
    }
    const now = this.members.now()
    if (now < this.retryAt) return Effect.flatMap(Effect.sleep(this.retryAt - now), () => this.loop)
    this.since = now
    return Effect.flatMap(
      Effect.exit(this.open),
      (exit) =>
        Effect.flatMap(Exit.isSuccess(exit) ? Effect.void : this.failed(exit.cause), () => {
          this.members.dispatch()
          return this.loop
        })
    )
  })

  private failed(cause: Cause.Cause<OpenError>): Effect.Effect<void> {
    const failure = cause.reasons.find(Cause.isFailReason)
    const log = failure === undefined ? Effect.logError("opening a session of the pool died", cause) : Effect.void
    return Effect.flatMap(Effect.andThen(log, Random.next), (chance) => {
      this.members.counts.connectFailures++
      this.retryAt = this.members.now() + pauseAfter(++this.failures, chance)
      this.lastFailure = failure?.error
      if (failure !== undefined && !mayPass(failure.error) && this.members.slots.size === 0) {
        this.waiting.refuseAll(new PoolError.ConnectFailed({ cause: failure.error }))
      }
      return Effect.void
    })
  }

  /** Opens a session and adds it. */
  readonly open: Effect.Effect<void, OpenError> = Effect.uninterruptibleMask((restore) =>
    Effect.gen({ self: this }, function*() {
      const scope = yield* Scope.make()
      const opened = this.connect.pipe(
        Scope.provide(scope),
        Effect.tap((session) =>
          Effect.timeoutOrElse(this.caring.prepare(session, scope), {
            duration: careTimeout,
            orElse: () => onConnectTimedOut
          })
        )
      )
      const exit = yield* Effect.exit(restore(opened))
      if (Exit.isFailure(exit)) {
        yield* Scope.close(scope, exit)
        return yield* Effect.failCause(exit.cause)
      }
      this.add(exit.value, scope, yield* Random.next)
    })
  )

  private add(session: Session, scope: Scope.Closeable, chance: number): void {
    const { counts, dispatch, now, settings, slots } = this.members
    const engine = engineOf.get(session)!
    const time = now()
    const slot: Slot = {
      session,
      engine,
      scope,
      expiresAt: time + settings.lifetime * (1 - chance * lifetimeJitter),
      users: 0,
      taken: false,
      reservedFor: undefined,
      idleSince: time,
      checkedAt: time,
      movedAt: time,
      retired: false
    }
    counts.opened++
    this.failures = 0
    this.retryAt = 0
    this.lastFailure = undefined
    this.last = session
    slots.add(slot)
    engine.onDeath = () => {
      this.caring.retire(slot)
      dispatch()
    }
    this.caring.settle(slot)
  }
}
