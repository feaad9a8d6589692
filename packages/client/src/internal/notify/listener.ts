/**
 * The session that listens for all subscribers.
 *
 * The wanted channels (those with subscribers) and the active ones (those that the session listens to) are two sets.
 * One fiber, which runs while there are subscribers, synchronises the second with the first, checks the session when it
 * is silent, and replaces it when it is lost.
 *
 * @internal
 */
import type * as Backend from "@hyperfect/protocol/Backend"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import type { ConnectError } from "../../ConnectError.ts"
import type { ListenError } from "../../Notification.ts"
import type { Failure, UnsupportedError } from "../../QueryError.ts"
import { identifier } from "../../Statement.ts"
import type { OpenSession } from "../client/openSession.ts"
import { Backoff, canReconnect } from "../connect/backoff.ts"
import { withoutComment } from "../model/comment.ts"
import { timeoutDetached } from "../session/deadline.ts"
import { releasedOnFailure } from "../session/ownScope.ts"
import { unsupported } from "../session/queryError.ts"
import { Subscriber } from "./subscriber.ts"

/** All durations in milliseconds. */
export interface Settings {
  /** The number of events buffered per subscriber. */
  readonly capacity: number
  /** The idle time after which the session is checked, or closed if there are no subscribers. */
  readonly checkAfter: number
}

/** The time in milliseconds that the server may take to answer a command. */
const answerTimeout = 5_000

/** The wall clock can be set back. */
const monotonicMillis = Effect.map(Clock.monotonicTimeNanos, (now) => Number(now) / 1e6)

/** @internal */
export class Listener {
  /** Subscribers by channel. */
  private readonly subscribersByChannel = new Map<string, Set<Subscriber>>()
  /** The channels that the current session listens to. */
  private readonly activeChannels = new Set<string>()
  private readonly settings: Settings
  private readonly connect: Effect.Effect<OpenSession, ConnectError, Scope.Scope>
  /** Runs a fiber for as long as the listener lives. */
  private readonly fork: (effect: Effect.Effect<unknown>) => void
  private isRunning = false
  private isClosed = false
  private readonly backoff = new Backoff()
  /** The time at which the current session was opened, in milliseconds of the monotonic clock. */
  private openedAt: number | undefined
  /** True if the session that is open, or being opened, is to be replaced. */
  /** Open once the session is to be replaced, without the delay before the next one. */
  private readonly refreshed = Latch.makeUnsafe(false)
  /** Open while there is something to do. */
  private readonly signal = Latch.makeUnsafe(false)

  constructor(
    settings: Settings,
    connect: Effect.Effect<OpenSession, ConnectError, Scope.Scope>,
    fork: (effect: Effect.Effect<unknown>) => void
  ) {
    this.settings = settings
    this.connect = connect
    this.fork = fork
  }

  /** Subscribes until the scope closes; completes once the server listens. */
  readonly subscribe = (channel: string): Effect.Effect<Subscriber, ListenError, Scope.Scope> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(
        Effect.acquireRelease(
          Effect.sync(() => this.add(new Subscriber(channel, this.settings.capacity))),
          (subscriber) => Effect.sync(() => this.remove(subscriber))
        ),
        (subscriber) => Effect.as(restore(subscriber.listening), subscriber)
      )
    ).pipe(releasedOnFailure)

  private add(subscriber: Subscriber): Subscriber {
    if (this.isClosed) {
      subscriber.end(Exit.void)
      return subscriber
    }
    const { channel } = subscriber
    const others = this.subscribersByChannel.get(channel)
    if (others === undefined) this.subscribersByChannel.set(channel, new Set([subscriber]))
    else others.add(subscriber)
    if (this.activeChannels.has(channel)) subscriber.onListening()
    else this.signal.openUnsafe()
    if (!this.isRunning) {
      this.isRunning = true
      this.fork(this.run)
    }
    return subscriber
  }

  private remove(subscriber: Subscriber): void {
    subscriber.close()
    const others = this.subscribersByChannel.get(subscriber.channel)
    if (others?.delete(subscriber) !== true || others.size > 0) return
    this.subscribersByChannel.delete(subscriber.channel)
    this.signal.openUnsafe()
  }

  /** Ends every subscription after the events received so far. */
  close(): void {
    this.isClosed = true
    this.endAll(Exit.void)
  }

  /** Replaces the session without delay. */
  refresh(): void {
    this.refreshed.openUnsafe()
    this.signal.openUnsafe()
  }

  private endAll(exit: Exit.Exit<void, ListenError>): void {
    const channels = Array.from(this.subscribersByChannel.keys())
    for (const channel of channels) this.end(channel, exit)
  }

  private end(channel: string, exit: Exit.Exit<void, ListenError>): void {
    const subscribers = this.subscribersByChannel.get(channel) ?? []
    this.subscribersByChannel.delete(channel)
    for (const subscriber of subscribers) subscriber.end(exit)
  }

  /** A snapshot of the subscribers, since an event may add others in the same step. */
  private subscribersOf(channel: string): ReadonlyArray<Subscriber> {
    return [...this.subscribersByChannel.get(channel) ?? []]
  }

  private allSubscribers(): ReadonlyArray<Subscriber> {
    return [...this.subscribersByChannel.values()].flatMap((subscribers) => [...subscribers])
  }

  private onNotification({ channel, payload, processId }: Backend.NotificationResponse): void {
    const notification = { _tag: "Notification", channel, payload, processId } as const
    for (const subscriber of this.subscribersOf(channel)) subscriber.onNotification(notification)
  }

  /** Keeps a session open while there are subscribers. */
  private readonly run: Effect.Effect<void> = Effect.suspend(() => {
    if (this.subscribersByChannel.size === 0) {
      this.isRunning = false
      return Effect.void
    }
    return Effect.flatMap(Effect.exit(Effect.scoped(this.runSession)), (exit) => {
      this.activeChannels.clear()
      for (const subscriber of this.allSubscribers()) subscriber.onDisconnect()
      if (Exit.isFailure(exit)) this.onConnectFailure(exit.cause)
      if (this.subscribersByChannel.size === 0 || this.refreshed.isOpen()) return this.run
      return Effect.flatMap(Effect.all([monotonicMillis, Random.next]), ([now, chance]) => {
        // A session that is soon lost counts as a failed attempt.
        if (this.openedAt !== undefined) this.backoff.onAlive(this.openedAt, now)
        this.openedAt = undefined
        this.backoff.onFailure(now, chance)
        return Effect.andThen(Effect.timeoutOption(this.refreshed.await, this.backoff.retryAt - now), this.run)
      })
    })
  })

  /**
   * Handles a failure to open a session: established subscribers wait for the next one, unless the failure is
   * permanent.
   */
  private onConnectFailure(cause: Cause.Cause<ConnectError | UnsupportedError>): void {
    const error = cause.reasons.find(Cause.isFailReason)?.error
    const exit = Exit.failCause(cause)
    if (error === undefined || !canReconnect(error)) return this.endAll(exit)
    const newcomers = this.allSubscribers().filter((subscriber) => !subscriber.isReady())
    for (const subscriber of newcomers) {
      subscriber.end(exit)
      this.remove(subscriber)
    }
  }

  /** Opens a session and listens on it, until it is lost or there are no subscribers. */
  private readonly runSession: Effect.Effect<void, ConnectError | UnsupportedError, Scope.Scope> = Effect.suspend(
    () => {
      this.refreshed.closeUnsafe()
      return Effect.flatMap(Effect.all([this.connect, monotonicMillis]), ([opened, now]) => {
        this.openedAt = now
        const { runner: { engine }, session } = opened
        const { dialect } = engine
        if (!dialect.notifications) return Effect.fail(unsupported(dialect, "LISTEN"))
        engine.onNotification = (notification) => this.onNotification(notification)
        engine.onClose = () => void this.signal.openUnsafe()
        const loop: Effect.Effect<void> = Effect.suspend(() => {
          if (this.refreshed.isOpen()) return Effect.void
          this.signal.closeUnsafe()
          return Effect.flatMap(timeoutDetached(this.syncChannels(opened), answerTimeout), (agreed) => {
            if (agreed === undefined || Exit.isFailure(agreed)) return Effect.void
            return Effect.flatMap(Effect.timeoutOption(this.signal.await, this.settings.checkAfter), (stirred) => {
              if (stirred._tag === "Some") return loop
              if (this.subscribersByChannel.size === 0) return Effect.void
              return Effect.flatMap(
                timeoutDetached(session.simple(""), answerTimeout),
                (answered) => answered?._tag === "Success" ? loop : Effect.void
              )
            })
          })
        })
        return loop
      })
    }
  )

  /** Makes the session listen to the wanted channels. Fails if the session is dead. */
  private syncChannels({ runner, session }: OpenSession): Effect.Effect<void, Failure> {
    const left = [...this.activeChannels].filter((channel) => !this.subscribersByChannel.has(channel))
    const joined = [...this.subscribersByChannel.keys()].filter((channel) => !this.activeChannels.has(channel))
    // Later subscribers wait until the channel is listened to again.
    for (const channel of left) this.activeChannels.delete(channel)
    const unlisten = (channel: string) => withoutComment(session.simple(`UNLISTEN ${identifier(channel).text}`))
    const listen = (channel: string) =>
      Effect.matchEffect(withoutComment(session.simple(`LISTEN ${identifier(channel).text}`)), {
        onSuccess: () =>
          Effect.sync(() => {
            this.activeChannels.add(channel)
            for (const subscriber of this.subscribersOf(channel)) subscriber.onListening()
          }),
        // For example, a standby does not support LISTEN.
        onFailure: (error) =>
          error._tag === "ServerError" && !error.isFatal
            ? Effect.sync(() => this.end(channel, Exit.fail(error)))
            : Effect.fail(error)
      })
    return Effect.andThen(
      Effect.all([...left.map(unlisten), ...joined.map(listen)], { concurrency: "unbounded", discard: true }),
      Effect.suspend(() => {
        const { closeReason } = runner.engine
        return closeReason === undefined ? Effect.void : Effect.fail(closeReason)
      })
    )
  }
}
