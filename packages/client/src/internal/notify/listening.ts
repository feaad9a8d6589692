/**
 * The constructor of a service that listens, and of its refresh.
 *
 * @internal
 */
import type * as Authenticate from "@hyperfect/auth/Authenticate"
import * as Utf8 from "@hyperfect/protocol/Utf8"
import type { Transport } from "@hyperfect/transport/Transport"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { ConnectionConfig } from "../../ConnectionConfig.ts"
import { ChannelInvalid, type Event, type ListenError } from "../../Notification.ts"
import { openSession } from "../client/openSession.ts"
import { minCheckAfter } from "../session/timing.ts"
import { makeListener } from "./listener.ts"

/** PostgreSQL's NAMEDATALEN minus the terminating zero byte. */
const maxNameBytes = 63

/** Fails for a name that the server would refuse or truncate. */
export const checkName = (channel: string): Effect.Effect<void, ChannelInvalid> => {
  const problem = channel === ""
    ? "empty"
    : channel.includes("\0")
    ? "contains a zero byte"
    : Utf8.byteLength(channel) > maxNameBytes
    ? `longer than ${maxNameBytes} bytes`
    : undefined
  return problem === undefined ? Effect.void : Effect.fail(new ChannelInvalid({ channel, problem }))
}

/**
 * Subscribing to channels.
 *
 * @category models
 * @since 0.1.0
 */
export interface Listening {
  /**
   * The notifications of a channel, from the moment the server listens.
   *
   * The name is used as if it were in double quotes. On the first subscription to a channel, notifications may arrive
   * slightly before the server's confirmation that it listens.
   */
  readonly listen: (channel: string) => Stream.Stream<Event, ListenError>
  /**
   * Works as `listen`, for callers that need to know when the server listens: it does once the effect has completed. A
   * second concurrent consumer of the stream gets a subscription of its own, starting then. The stream ends with the
   * scope.
   */
  readonly subscribe: (
    channel: string
  ) => Effect.Effect<Stream.Stream<Event, ListenError>, ListenError, Scope.Scope>
}

/**
 * Options of the listening session and its subscribers.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * The number of notifications buffered per subscriber; 1,024 when absent. Notifications that exceed it are dropped
   * and counted by a `Gap`; neither the server nor other subscribers wait for a slow one.
   */
  readonly capacity?: number | undefined
  /**
   * The time without data after which the session is checked with a query; 30 seconds when absent. A session without
   * subscribers is closed after that time.
   */
  readonly checkAfter?: Duration.Input | undefined
}

/** Makes a service that listens on a session of this configuration, opened on demand; `refresh` replaces the session. */
export const makeListening = Effect.fnUntraced(function*(config: ConnectionConfig, options: Options = {}) {
  const context = yield* Effect.context<Scope.Scope | Transport | Authenticate.Services>()
  const scope = yield* Scope.make()
  const run = Effect.runForkWith(context)
  const listener = makeListener(
    {
      capacity: Math.max(1, options.capacity ?? 1024),
      checkAfter: Math.max(
        minCheckAfter,
        Duration.toMillis(Duration.fromInputUnsafe(options.checkAfter ?? "30 seconds"))
      )
    },
    Effect.provide(openSession(config), Context.omit(Scope.Scope)(context)),
    (effect) => run(Effect.forkIn(effect, scope, { startImmediately: true }))
  )
  yield* Effect.addFinalizer((exit) => {
    listener.close()
    return Scope.close(scope, exit)
  })
  const subscribe: Listening["subscribe"] = (channel) =>
    Effect.andThen(
      checkName(channel),
      Effect.map(listener.subscribe(channel), (first) => {
        let isTaken = false
        const take = Effect.acquireRelease(
          Effect.sync(() => {
            isTaken = true
            return first
          }),
          () =>
            Effect.sync(() => {
              isTaken = false
            })
        )
        const subscriber = Effect.suspend(() => isTaken ? listener.subscribe(channel) : take)
        return Stream.unwrap(Effect.map(subscriber, ({ pull }) => Stream.fromPull(Effect.succeed(pull))))
      })
    )
  const listening: Listening = { subscribe, listen: (channel) => Stream.unwrap(subscribe(channel)) }
  return { listening, refresh: Effect.sync(() => listener.refresh()) }
})
