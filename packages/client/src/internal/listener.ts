/**
 * The session that listens for all subscribers.
 *
 * What is wanted (the channels that somebody subscribes to) and what is (those that the session listens to) are two sets.
 * One fiber, which runs while anybody subscribes, brings the second in line with the first, asks a session that is silent
 * whether it is still there, and opens another one when it is not.
 *
 * @internal
 */
import type * as Backend from "@hyperfect/protocol/Backend"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import type { ConnectError } from "../ConnectError.ts"
import type { ListenError } from "../Notification.ts"
import { type Failure, UnsupportedError } from "../QueryError.ts"
import type { Session } from "../Session.ts"
import { identifier } from "../Statement.ts"
import { within } from "./deadline.ts"
import { engineOf } from "./engine.ts"
import { mayPass, pauseAfter } from "./reconnecting.ts"
import { Subscriber } from "./subscriber.ts"

/** All durations in milliseconds. */
export interface Settings {
  /** How many events may wait for one subscriber. */
  readonly capacity: number
  /** How long the session may have nothing to do before it is checked, or closed when nobody subscribes any more. */
  readonly checkAfter: number
}

/** How long the server may take over a command of ours. */
const answerTimeout = 5_000

/** @internal */
export class Listener {
  /** Those who subscribe, by their channels. */
  private readonly channels = new Map<string, Set<Subscriber>>()
  /** The channels that the session of now listens to. */
  private readonly listening = new Set<string>()
  private readonly settings: Settings
  private readonly connect: Effect.Effect<Session, ConnectError, Scope.Scope>
  /** Runs a fiber for as long as the listener lives. */
  private readonly fork: (effect: Effect.Effect<unknown>) => void
  private isKept = false
  private closed = false
  private failures = 0
  private isStirred = false
  private wake: () => void = () => {}

  constructor(
    settings: Settings,
    connect: Effect.Effect<Session, ConnectError, Scope.Scope>,
    fork: (effect: Effect.Effect<unknown>) => void
  ) {
    this.settings = settings
    this.connect = connect
    this.fork = fork
  }

  /** Subscribes until the scope closes; done when the server listens. */
  readonly subscribe = (channel: string): Effect.Effect<Subscriber, ListenError, Scope.Scope> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(
        Effect.acquireRelease(
          Effect.sync(() => this.join(new Subscriber(channel, this.settings.capacity))),
          (subscriber) => Effect.sync(() => this.leave(subscriber))
        ),
        (subscriber) => Effect.as(restore(subscriber.established), subscriber)
      )
    )

  private join(subscriber: Subscriber): Subscriber {
    if (this.closed) {
      subscriber.end(Exit.void)
      return subscriber
    }
    const { channel } = subscriber
    const others = this.channels.get(channel)
    if (others === undefined) this.channels.set(channel, new Set([subscriber]))
    else others.add(subscriber)
    if (this.listening.has(channel)) subscriber.establish()
    else this.stir()
    if (!this.isKept) {
      this.isKept = true
      this.fork(this.keep)
    }
    return subscriber
  }

  private leave(subscriber: Subscriber): void {
    subscriber.leave()
    const others = this.channels.get(subscriber.channel)
    if (others?.delete(subscriber) !== true || others.size > 0) return
    this.channels.delete(subscriber.channel)
    this.stir()
  }

  /** Ends every subscription, with what was heard until now. */
  close(): void {
    this.closed = true
    this.endAll(Exit.void)
  }

  private endAll(exit: Exit.Exit<void, ListenError>): void {
    const channels = Array.from(this.channels.keys())
    for (const channel of channels) this.end(channel, exit)
  }

  private end(channel: string, exit: Exit.Exit<void, ListenError>): void {
    const subscribers = this.channels.get(channel) ?? []
    this.channels.delete(channel)
    for (const subscriber of subscribers) subscriber.end(exit)
  }

  /** The subscribers of this moment: one who is told something may bring others in the same step. */
  private of(channel: string): ReadonlyArray<Subscriber> {
    return [...this.channels.get(channel) ?? []]
  }

  private all(): ReadonlyArray<Subscriber> {
    return [...this.channels.values()].flatMap((subscribers) => [...subscribers])
  }

  private hear({ channel, payload, processId }: Backend.NotificationResponse): void {
    const notification = { _tag: "Notification", channel, payload, processId } as const
    for (const subscriber of this.of(channel)) subscriber.hear(notification)
  }

  private stir(): void {
    this.isStirred = true
    this.wake()
  }

  /** Waits until there is something to do. */
  private readonly stirred: Effect.Effect<void> = Effect.callback<void>((resume) => {
    this.wake = () => resume(Effect.void)
    if (this.isStirred) this.wake()
    return Effect.sync(() => {
      this.wake = () => {}
    })
  })

  /** Has a session for as long as anybody subscribes. */
  private readonly keep: Effect.Effect<void> = Effect.suspend(() => {
    if (this.channels.size === 0) {
      this.isKept = false
      return Effect.void
    }
    return Effect.flatMap(Effect.exit(Effect.scoped(this.visit)), (exit) => {
      this.listening.clear()
      for (const subscriber of this.all()) subscriber.cutOff()
      if (Exit.isFailure(exit)) this.refuse(exit.cause)
      if (this.channels.size === 0) return this.keep
      this.failures++
      return Effect.flatMap(
        Random.next,
        (chance) => Effect.andThen(Effect.sleep(pauseAfter(this.failures, chance)), this.keep)
      )
    })
  })

  /** There was no session. Who was heard before waits for the next one, unless there never will be one. */
  private refuse(cause: Cause.Cause<ConnectError | UnsupportedError>): void {
    const error = cause.reasons.find(Cause.isFailReason)?.error
    const exit = Exit.failCause(cause)
    if (error === undefined || !mayPass(error)) return this.endAll(exit)
    const newcomers = this.all().filter((subscriber) => !subscriber.hasBegun())
    for (const subscriber of newcomers) {
      this.leave(subscriber)
      subscriber.end(exit)
    }
  }

  /** Opens a session and listens on it, until it is lost or nobody subscribes any more. */
  private readonly visit: Effect.Effect<void, ConnectError | UnsupportedError, Scope.Scope> = Effect.suspend(() =>
    Effect.flatMap(this.connect, (session) => {
      if (session.server.kind === "hyper") {
        return Effect.fail(new UnsupportedError({ feature: "LISTEN", server: "hyper" }))
      }
      const engine = engineOf.get(session)!
      engine.onNotification = (notification) => this.hear(notification)
      engine.onDeath = () => this.stir()
      const loop: Effect.Effect<void> = Effect.suspend(() => {
        this.isStirred = false
        return Effect.flatMap(within(this.agree(session), answerTimeout), (agreed) => {
          if (agreed === undefined || Exit.isFailure(agreed)) return Effect.void
          this.failures = 0
          return Effect.flatMap(Effect.timeoutOption(this.stirred, this.settings.checkAfter), (stirred) => {
            if (stirred._tag === "Some") return loop
            if (this.channels.size === 0) return Effect.void
            return Effect.flatMap(
              within(session.simple(""), answerTimeout),
              (answered) => answered?._tag === "Success" ? loop : Effect.void
            )
          })
        })
      })
      return loop
    })
  )

  /** Makes the session listen to what is wanted. Fails when the session is dead. */
  private agree(session: Session): Effect.Effect<void, Failure> {
    const left = [...this.listening].filter((channel) => !this.channels.has(channel))
    const joined = [...this.channels.keys()].filter((channel) => !this.listening.has(channel))
    // Who comes from now on is told when it is listened to again.
    for (const channel of left) this.listening.delete(channel)
    const unlisten = (channel: string) => session.simple(`UNLISTEN ${identifier(channel).text}`)
    const listen = (channel: string) =>
      Effect.matchEffect(session.simple(`LISTEN ${identifier(channel).text}`), {
        onSuccess: () =>
          Effect.sync(() => {
            this.listening.add(channel)
            for (const subscriber of this.of(channel)) subscriber.establish()
          }),
        // Such as that a standby does not know LISTEN.
        onFailure: (error) =>
          error._tag === "ServerError" && !error.isFatal
            ? Effect.sync(() => this.end(channel, Exit.fail(error)))
            : Effect.fail(error)
      })
    return Effect.andThen(
      Effect.all([...left.map(unlisten), ...joined.map(listen)], { concurrency: "unbounded", discard: true }),
      Effect.suspend(() => {
        const { dead } = engineOf.get(session)!
        return dead === undefined ? Effect.void : Effect.fail(dead)
      })
    )
  }
}
