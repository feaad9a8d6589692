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
import { Listener } from "./listener.ts"

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

type Events = Stream.Stream<Event, ListenError>

interface Options {
  readonly capacity?: number | undefined
  readonly checkAfter?: Duration.Input | undefined
}

/** A service that listens, and the effect that replaces its session. */
interface RefreshableListening {
  readonly listening: {
    readonly listen: (channel: string) => Events
    readonly subscribe: (channel: string) => Effect.Effect<Events, ListenError, Scope.Scope>
  }
  readonly refresh: Effect.Effect<void>
}

/** Makes a service that listens on a session of this configuration, opened on demand. */
export const makeListening = Effect.fnUntraced(function*(
  config: ConnectionConfig,
  options: Options = {}
): Effect.fn.Return<RefreshableListening, never, Scope.Scope | Transport | Authenticate.Services> {
  const context = yield* Effect.context<Scope.Scope | Transport | Authenticate.Services>()
  const scope = yield* Scope.make()
  const run = Effect.runForkWith(context)
  const listener = new Listener(
    {
      capacity: Math.max(1, options.capacity ?? 1024),
      checkAfter: Duration.toMillis(Duration.fromInputUnsafe(options.checkAfter ?? "30 seconds"))
    },
    Effect.provide(openSession(config), Context.omit(Scope.Scope)(context)),
    (effect) => run(Effect.forkIn(effect, scope, { startImmediately: true }))
  )
  yield* Effect.addFinalizer((exit) => {
    listener.close()
    return Scope.close(scope, exit)
  })
  const subscribe: RefreshableListening["listening"]["subscribe"] = (channel) =>
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
  return {
    listening: { subscribe, listen: (channel) => Stream.unwrap(subscribe(channel)) },
    refresh: Effect.sync(() => listener.refresh())
  }
})
