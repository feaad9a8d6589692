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
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import type { ConnectError } from "../../ConnectError.ts"
import type { ListenError } from "../../Notification.ts"
import type { UnsupportedError } from "../../QueryError.ts"
import { identifier } from "../../Statement.ts"
import type { OpenSession } from "../client/openSession.ts"
import { Backoff, canReconnect } from "../connect/backoff.ts"
import { withoutComment } from "../model/comment.ts"
import { timeoutDetached } from "../session/deadline.ts"
import { releasedOnFailure } from "../session/ownScope.ts"
import { unsupported } from "../session/queryError.ts"
import { monotonicMillis } from "../session/timing.ts"
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

/** Makes a listener; `fork` runs a fiber for as long as it lives. */
export const makeListener = (
  settings: Settings,
  connect: Effect.Effect<OpenSession, ConnectError, Scope.Scope>,
  fork: (effect: Effect.Effect<unknown>) => void
) => {
  /** Subscribers by channel. */
  const subscribersByChannel = new Map<string, Set<Subscriber>>()
  /** The channels that the current session listens to. */
  const activeChannels = new Set<string>()
  const backoff = new Backoff()
  /** Open once the session is to be replaced, without the delay before the next one. */
  const refreshed = Latch.makeUnsafe(false)
  /** Open while there is something to do. */
  const signal = Latch.makeUnsafe(false)
  let isRunning = false
  let isClosed = false
  /** The time at which the current session was opened, in milliseconds of the monotonic clock. */
  let openedAt: number | undefined

  const end = (channel: string, exit: Exit.Exit<void, ListenError>): void => {
    const subscribers = subscribersByChannel.get(channel) ?? []
    subscribersByChannel.delete(channel)
    for (const subscriber of subscribers) subscriber.end(exit)
  }

  const endAll = (exit: Exit.Exit<void, ListenError>): void => {
    const channels = Array.from(subscribersByChannel.keys())
    for (const channel of channels) end(channel, exit)
  }

  /** A snapshot of the subscribers, since an event may add others in the same step. */
  const subscribersOf = (channel: string): ReadonlyArray<Subscriber> => [...subscribersByChannel.get(channel) ?? []]

  const allSubscribers = (): ReadonlyArray<Subscriber> =>
    [...subscribersByChannel.values()].flatMap((subscribers) => [...subscribers])

  const add = (subscriber: Subscriber): Subscriber => {
    if (isClosed) {
      subscriber.end(Exit.void)
      return subscriber
    }
    const { channel } = subscriber
    const others = subscribersByChannel.get(channel)
    if (others === undefined) subscribersByChannel.set(channel, new Set([subscriber]))
    else others.add(subscriber)
    if (activeChannels.has(channel)) subscriber.onListening()
    else signal.openUnsafe()
    if (!isRunning) {
      isRunning = true
      fork(run)
    }
    return subscriber
  }

  const remove = (subscriber: Subscriber): void => {
    subscriber.close()
    const others = subscribersByChannel.get(subscriber.channel)
    if (others?.delete(subscriber) !== true || others.size > 0) return
    subscribersByChannel.delete(subscriber.channel)
    signal.openUnsafe()
  }

  const onNotification = ({ channel, payload, processId }: Backend.NotificationResponse): void => {
    const notification = { _tag: "Notification", channel, payload, processId } as const
    for (const subscriber of subscribersOf(channel)) subscriber.onNotification(notification)
  }

  /**
   * Handles a failure to open a session: established subscribers wait for the next one, unless the failure is
   * permanent.
   */
  const onConnectFailure = (cause: Cause.Cause<ConnectError | UnsupportedError>): void => {
    const error = cause.reasons.find(Cause.isFailReason)?.error
    const exit = Exit.failCause(cause)
    if (error === undefined || !canReconnect(error)) return endAll(exit)
    for (const subscriber of allSubscribers()) {
      if (subscriber.isReady()) continue
      subscriber.end(exit)
      remove(subscriber)
    }
  }

  /** Makes the session listen to the wanted channels. Fails if the session is dead. */
  const syncChannels = Effect.fnUntraced(function*({ runner, session }: OpenSession) {
    const left = [...activeChannels].filter((channel) => !subscribersByChannel.has(channel))
    const joined = [...subscribersByChannel.keys()].filter((channel) => !activeChannels.has(channel))
    // Later subscribers wait until the channel is listened to again.
    for (const channel of left) activeChannels.delete(channel)
    const unlisten = (channel: string) => withoutComment(session.simple(`UNLISTEN ${identifier(channel).text}`))
    const listen = (channel: string) =>
      Effect.matchEffect(withoutComment(session.simple(`LISTEN ${identifier(channel).text}`)), {
        onSuccess: () =>
          Effect.sync(() => {
            activeChannels.add(channel)
            for (const subscriber of subscribersOf(channel)) subscriber.onListening()
          }),
        // For example, a standby does not support LISTEN.
        onFailure: (error) =>
          error._tag === "ServerError" && !error.isFatal
            ? Effect.sync(() => end(channel, Exit.fail(error)))
            : Effect.fail(error)
      })
    yield* Effect.all([...left.map(unlisten), ...joined.map(listen)], { concurrency: "unbounded", discard: true })
    const { closeReason } = runner.engine
    if (closeReason !== undefined) return yield* Effect.fail(closeReason)
  })

  /** Opens a session and listens on it, until it is lost or there are no subscribers. */
  const runSession = Effect.gen(function*() {
    refreshed.closeUnsafe()
    const opened = yield* connect
    openedAt = yield* monotonicMillis
    const { runner: { engine }, session } = opened
    const { dialect } = engine
    if (!dialect.notifications) return yield* unsupported(dialect, "LISTEN")
    engine.onNotification = onNotification
    engine.onClose = () => void signal.openUnsafe()
    while (!refreshed.isOpen()) {
      signal.closeUnsafe()
      const agreed = yield* timeoutDetached(syncChannels(opened), answerTimeout)
      if (agreed?._tag !== "Success") return
      const stirred = yield* Effect.timeoutOption(signal.await, settings.checkAfter)
      if (stirred._tag === "Some") continue
      if (subscribersByChannel.size === 0) return
      const answered = yield* timeoutDetached(session.simple(""), answerTimeout)
      if (answered?._tag !== "Success") return
    }
  })

  /** Keeps a session open while there are subscribers. */
  const run = Effect.gen(function*() {
    while (subscribersByChannel.size > 0) {
      const exit = yield* Effect.exit(Effect.scoped(runSession))
      activeChannels.clear()
      for (const subscriber of allSubscribers()) subscriber.onDisconnect()
      if (Exit.isFailure(exit)) onConnectFailure(exit.cause)
      if (subscribersByChannel.size === 0 || refreshed.isOpen()) continue
      const now = yield* monotonicMillis
      // A session that is soon lost counts as a failed attempt.
      if (openedAt !== undefined) backoff.onAlive(openedAt, now)
      openedAt = undefined
      backoff.onFailure(now, yield* Random.next)
      yield* Effect.timeoutOption(refreshed.await, backoff.retryAt - now)
    }
    isRunning = false
  })

  return {
    /** Subscribes until the scope closes; completes once the server listens. */
    subscribe: (channel: string): Effect.Effect<Subscriber, ListenError, Scope.Scope> =>
      Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(
          Effect.acquireRelease(
            Effect.sync(() => add(new Subscriber(channel, settings.capacity))),
            (subscriber) => Effect.sync(() => remove(subscriber))
          ),
          (subscriber) => Effect.as(restore(subscriber.listening), subscriber)
        )
      ).pipe(releasedOnFailure),

    /** Ends every subscription after the events received so far. */
    close: (): void => {
      isClosed = true
      endAll(Exit.void)
    },

    /** Replaces the session without delay. */
    refresh: (): void => {
      refreshed.openUnsafe()
      signal.openUnsafe()
    }
  }
}
