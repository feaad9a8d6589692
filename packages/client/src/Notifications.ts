/**
 * LISTEN and NOTIFY: messages between the programs that use a database.
 *
 * **What it does.** Everybody who listens shares one session, which is opened when the first one comes and is nobody
 * else's: no session of a pool is used up. Several subscribers of a channel share one `LISTEN`; when the last has left, an
 * `UNLISTEN` follows. When the session is lost another one is opened, ever more slowly while the server refuses, and
 * listens to the same channels.
 *
 * **What may be missing.** The server keeps nothing for those who are away. A subscriber is told by a `Gap` when
 * something may have been missed: behind a reconnection, and when he was too slow. What is to be done about it, such as to
 * look at the table again, is his to know. It is not enough to wait for an error: there is none.
 *
 * **Limits.** Hyper has neither command. Behind a pooler that hands sessions around (PgBouncer in transaction or statement
 * mode) LISTEN is lost, and nothing says so: configure a direct line to the server for it.
 *
 * @since 0.1.0
 */
import type * as Authenticate from "@hyperfect/auth/Authenticate"
import * as Utf8 from "@hyperfect/protocol/Utf8"
import type { Transport } from "@hyperfect/transport/Transport"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Client, type ClientError } from "./Client.ts"
import type { ConfigError } from "./ConfigError.ts"
import * as ConnectionConfig from "./ConnectionConfig.ts"
import { fail } from "./internal/circumstances.ts"
import { Listener } from "./internal/listener.ts"
import {
  ChannelInvalid,
  type Event,
  type Gap,
  type ListenError,
  type Malformed,
  type Notification
} from "./Notification.ts"
import { UnsupportedError } from "./QueryError.ts"
import * as Session from "./Session.ts"
import { sql } from "./Statement.ts"

/**
 * How one listens.
 *
 * @category models
 * @since 0.1.0
 */
export interface Listening {
  /**
   * What a channel is notified of, from the moment on at which the server listens.
   *
   * The name is taken as it is, as if it stood in double quotes. A channel that is listened to for the first time may
   * hand out what comes a moment before it is known that the server listens.
   */
  readonly listen: (channel: string) => Stream.Stream<Event, ListenError>
  /** As `listen`, for those who have to know when the server listens: it does when the effect has ended. */
  readonly subscribe: (
    channel: string
  ) => Effect.Effect<Stream.Stream<Event, ListenError>, ListenError, Scope.Scope>
}

/**
 * Listens to channels, all of them on one session.
 *
 * **Example** (A cache that is never stale for long)
 *
 * ```ts
 * import { Notifications } from "@hyperfect/client"
 * import { Effect, Stream } from "effect"
 *
 * const keepFresh = Effect.fn(function*(reload: Effect.Effect<void>, forget: (key: string) => Effect.Effect<void>) {
 *   const notifications = yield* Notifications.Notifications
 *   const changes = yield* notifications.subscribe("settings changed")
 *   yield* reload // nothing that changes from here on is missed
 *   yield* Stream.runForEach(changes, (event) => event._tag === "Gap" ? reload : forget(event.payload))
 * })
 * ```
 *
 * @category services
 * @since 0.1.0
 */
export class Notifications extends Context.Service<Notifications, Listening>()("@hyperfect/client/Notifications") {}

/**
 * How listening is to behave.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * How many notifications may wait for one subscriber; 1,024 when absent. Whatever comes while there is no room is
   * dropped, and a `Gap` says how much; other subscribers and the server do not wait for one who is slow.
   */
  readonly capacity?: number | undefined
  /**
   * How long the session may be silent before the server is asked whether it is still there; 30 seconds when absent. A
   * session that nobody needs any more is closed after that time.
   */
  readonly checkAfter?: Duration.Input | undefined
}

/** PostgreSQL's NAMEDATALEN, less the zero byte. */
const longestName = 63

const checkName = (channel: string): Effect.Effect<void, ChannelInvalid> => {
  const problem = channel === ""
    ? "is empty"
    : channel.includes("\0")
    ? "has a zero byte in it"
    : Utf8.byteLength(channel) > longestName
    ? `is longer than ${longestName} bytes`
    : undefined
  return problem === undefined ? Effect.void : Effect.fail(new ChannelInvalid({ channel, problem }))
}

/**
 * Listens on a session of this configuration, which is opened when it is needed. All subscriptions end with the scope.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*(
  config: ConnectionConfig.ConnectionConfig,
  options: Options = {}
): Effect.fn.Return<Listening, never, Scope.Scope | Transport | Authenticate.Services> {
  const context = yield* Effect.context<Scope.Scope | Transport | Authenticate.Services>()
  const scope = yield* Scope.make()
  const run = Effect.runForkWith(context)
  const listener = new Listener(
    {
      capacity: Math.max(1, options.capacity ?? 1024),
      checkAfter: Duration.toMillis(Duration.fromInputUnsafe(options.checkAfter ?? "30 seconds"))
    },
    Effect.provide(Session.make(config), Context.omit(Scope.Scope)(context)),
    (effect) => run(Effect.forkIn(effect, scope, { startImmediately: true }))
  )
  yield* Effect.addFinalizer((exit) => {
    listener.close()
    return Scope.close(scope, exit)
  })
  const subscribe: Listening["subscribe"] = (channel) =>
    Effect.andThen(
      checkName(channel),
      Effect.map(listener.subscribe(channel), ({ pull }) => Stream.fromPull(Effect.succeed(pull)))
    )
  return { subscribe, listen: (channel) => Stream.unwrap(subscribe(channel)) }
})

/**
 * Notifications of one server. Its session is opened when the first subscriber comes.
 *
 * **When to use**
 *
 * Use for a program that only listens, or whose queries go through a pooler; `Pool.layer` provides it too.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  config: ConnectionConfig.ConnectionConfig,
  options?: Options
): Layer.Layer<Notifications, never, Transport | Authenticate.Services> =>
  Layer.effect(Notifications, make(config, options))

/**
 * Notifications of the server that a connection URI names.
 *
 * @see {@link ConnectionConfig.fromUri} for what may be in it
 *
 * @category layers
 * @since 0.1.0
 */
export const layerUri = (
  uri: string,
  options?: Options
): Layer.Layer<Notifications, ConfigError, Transport | Authenticate.Services> =>
  Layer.effect(Notifications, Effect.flatMap(ConnectionConfig.fromUri(uri), (config) => make(config, options)))

/**
 * Notifications of the server that a connection string, the `PG*` environment and libpq's files describe.
 *
 * @see {@link ConnectionConfig.load} for where it looks
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  text?: string,
  options?: Options
): Layer.Layer<Notifications, ConfigError, Transport | Authenticate.Services | FileSystem.FileSystem> =>
  Layer.effect(Notifications, Effect.flatMap(ConnectionConfig.load(text), (config) => make(config, options)))

/**
 * What a channel is notified of, as a stream.
 *
 * **Details**
 *
 * A stream that is slow misses what it has no room for, and gets a `Gap` in its place. It fails with what will not
 * pass by itself, and ends with the service.
 *
 * @category streams
 * @since 0.1.0
 */
export const listen = (channel: string): Stream.Stream<Event, ListenError, Notifications> =>
  Stream.unwrap(Effect.map(Notifications, (notifications) => notifications.listen(channel)))

/**
 * Notifies everybody who listens to the channel, through the client.
 *
 * **Details**
 *
 * In a transaction it is sent when that commits, and never when it does not. The server holds two notifications of one
 * transaction that are the same for one. A payload may have 7,999 bytes; a longer one is a `ServerError`.
 *
 * **Example** (With the change that it tells of)
 *
 * ```ts
 * import { Client, Notifications, Statement } from "@hyperfect/client"
 * import { Effect } from "effect"
 *
 * const rename = (id: number, name: string) =>
 *   Effect.gen(function*() {
 *     const client = yield* Client.Client
 *     yield* client.query(Statement.sql`update users set name = ${name} where id = ${id}`)
 *     yield* Notifications.notify("users", String(id))
 *   }).pipe((change) => Effect.flatMap(Client.Client, (client) => client.transaction(change)))
 * ```
 *
 * @category sending
 * @since 0.1.0
 */
export const notify = (channel: string, payload = ""): Effect.Effect<void, ClientError | ChannelInvalid, Client> =>
  Effect.gen(function*() {
    yield* checkName(channel)
    const client = yield* Client
    if (client.server.kind === "hyper") {
      return yield* fail(new UnsupportedError({ feature: "NOTIFY", server: "hyper" }), "nothing", "NOTIFY")
    }
    yield* client.values(sql`select pg_notify(${channel}, ${payload})`)
  })

/**
 * A channel whose payloads are JSON of one schema.
 *
 * @category models
 * @since 0.1.0
 */
export interface Channel<A> {
  readonly name: string
  /** What the channel is notified of. One payload that is not what it should be does not end the stream. */
  readonly listen: Stream.Stream<Notification<A> | Malformed | Gap, ListenError, Notifications>
  readonly notify: (payload: A) => Effect.Effect<void, ClientError | ChannelInvalid | Schema.SchemaError, Client>
}

/**
 * Declares what goes over a channel, for both of its ends.
 *
 * **Example** (Orders)
 *
 * ```ts
 * import { Notifications } from "@hyperfect/client"
 * import { Effect, Match, Schema, Stream } from "effect"
 *
 * const Orders = Notifications.channel("orders", Schema.Struct({ id: Schema.Int, total: Schema.BigDecimal }))
 *
 * const watch = Orders.listen.pipe(
 *   Stream.runForEach((event) =>
 *     Match.value(event).pipe(
 *       Match.tag("Notification", ({ payload }) => Effect.log(`order ${payload.id}`)),
 *       Match.tag("Malformed", ({ error }) => Effect.logWarning(error.message)),
 *       Match.tag("Gap", () => Effect.log("look at the table again")),
 *       Match.exhaustive
 *     )
 *   )
 * )
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const channel = <A, I>(name: string, schema: Schema.Codec<A, I>): Channel<A> => {
  const json = Schema.fromJsonString(schema)
  const decode = Schema.decodeUnknownResult(json)
  const encode = Schema.encodeUnknownEffect(json)
  const read = (event: Event): Notification<A> | Malformed | Gap => {
    if (event._tag === "Gap") return event
    const payload = decode(event.payload)
    return Result.isSuccess(payload)
      ? { ...event, payload: payload.success }
      : { ...event, _tag: "Malformed", error: payload.failure }
  }
  return {
    name,
    listen: Stream.map(listen(name), read),
    notify: (payload) => Effect.flatMap(encode(payload), (text) => notify(name, text))
  }
}
