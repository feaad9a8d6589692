/**
 * LISTEN and NOTIFY: messages between the programs that use a database.
 *
 * **Sessions.** All subscribers share one dedicated session, opened for the first of them; it does not count towards a
 * pool. Subscribers of the same channel share one `LISTEN`; an `UNLISTEN` follows when the last one leaves. A lost
 * session is replaced, with growing delays while the server refuses, and listens to the same channels.
 *
 * **Lost notifications.** The server keeps no notifications for disconnected clients. A subscriber receives a `Gap`
 * when notifications may have been lost: after a reconnection, and when its buffer was full. It should then, for
 * example, read the table again. A lost session causes no error, so waiting for one is not enough.
 *
 * **Limits.** Hyper has neither command. Behind a pooler in transaction or statement mode (PgBouncer), LISTEN is
 * silently lost: use a direct connection to the server.
 *
 * @since 0.1.0
 */
import type * as Authenticate from "@hyperfect/auth/Authenticate"
import type { Transport } from "@hyperfect/transport/Transport"
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Client, type ClientError } from "./Client.ts"
import * as ConnectionConfig from "./ConnectionConfig.ts"
import type { ConnectionConfigError } from "./ConnectionConfigError.ts"
import { checkName, type Listening, makeListening, type Options } from "./internal/notify/listening.ts"
import { refuse } from "./internal/session/queryError.ts"
import type { ChannelInvalid, Event, Gap, ListenError, Malformed, Notification } from "./Notification.ts"
import { sql } from "./Statement.ts"

export type { Listening, Options } from "./internal/notify/listening.ts"

/**
 * Subscribes to channels, all of them on one session.
 *
 * **Example** (Cache invalidation)
 *
 * ```ts
 * import { Notifications } from "@hyperfect/client"
 * import { Effect, Stream } from "effect"
 *
 * const keepFresh = Effect.fn(function*(reload: Effect.Effect<void>, forget: (key: string) => Effect.Effect<void>) {
 *   const notifications = yield* Notifications.Notifications
 *   const changes = yield* notifications.subscribe("settings changed")
 *   yield* reload // later changes are not missed
 *   yield* Stream.runForEach(changes, (event) => event._tag === "Gap" ? reload : forget(event.payload))
 * })
 * ```
 *
 * @category services
 * @since 0.1.0
 */
export class Notifications extends Context.Service<Notifications, Listening>()("@hyperfect/client/Notifications") {}

type Services = Transport | Authenticate.Services

/**
 * Makes a service that listens on a session of this configuration, opened on demand. All subscriptions end with the
 * scope.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  config: ConnectionConfig.ConnectionConfig,
  options?: Options
): Effect.Effect<Listening, never, Scope.Scope | Services> =>
  Effect.map(makeListening(config, options), ({ listening }) => listening)

/**
 * Provides the notifications of one server. Its session is opened for the first subscriber.
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
): Layer.Layer<Notifications, never, Services> => Layer.effect(Notifications, make(config, options))

/**
 * Provides the notifications of the server that a connection URI names.
 *
 * @see {@link ConnectionConfig.fromUri} for the syntax
 *
 * @category layers
 * @since 0.1.0
 */
export const layerUri = (uri: string, options?: Options): Layer.Layer<Notifications, ConnectionConfigError, Services> =>
  Layer.effect(Notifications, Effect.flatMap(ConnectionConfig.fromUri(uri), (config) => make(config, options)))

/**
 * Provides the notifications of the server that Effect's `Config` describes: by default, the `PG*` variables.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  config: ConnectionConfig.Source = ConnectionConfig.config,
  options?: Options
): Layer.Layer<Notifications, Config.ConfigError, Services> =>
  Layer.effect(Notifications, Effect.flatMap(ConnectionConfig.fromConfig(config), (config) => make(config, options)))

/**
 * Provides the notifications of the server that a connection string, the `PG*` environment and libpq's files describe.
 *
 * @see {@link ConnectionConfig.load} for the sources and their order
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConninfo = (
  text?: string,
  options?: Options
): Layer.Layer<Notifications, ConnectionConfigError, Services | FileSystem.FileSystem> =>
  Layer.effect(Notifications, Effect.flatMap(ConnectionConfig.load(text), (config) => make(config, options)))

/**
 * Streams the notifications of a channel.
 *
 * **Details**
 *
 * A slow consumer misses the notifications that exceed its buffer, and receives a `Gap` in their place. The stream
 * fails with permanent errors only, and ends with the service.
 *
 * @category streams
 * @since 0.1.0
 */
export const listen = (channel: string): Stream.Stream<Event, ListenError, Notifications> =>
  Stream.unwrap(Effect.map(Notifications, (notifications) => notifications.listen(channel)))

/**
 * Sends a notification to all listeners of a channel, through the client.
 *
 * **Details**
 *
 * In a transaction it is sent on commit only. The server merges identical notifications of one transaction. The payload
 * is limited to 7,999 bytes; a longer one is a `ServerError`.
 *
 * **Example** (In the transaction of the change)
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
    const { dialect } = client.server
    if (!dialect.notifications) return yield* refuse(dialect, "NOTIFY", "NOTIFY")
    yield* client.values(sql`select pg_notify(${channel}, ${payload})`)
  })

/**
 * A channel whose payloads are the JSON encoding of one schema.
 *
 * @category models
 * @since 0.1.0
 */
export interface Channel<A> {
  readonly name: string
  /** The notifications of the channel. A malformed payload does not end the stream. */
  readonly listen: Stream.Stream<Notification<A> | Malformed | Gap, ListenError, Notifications>
  readonly notify: (payload: A) => Effect.Effect<void, ClientError | ChannelInvalid | Schema.SchemaError, Client>
}

/**
 * Declares the name and the payload schema of a channel, for senders and listeners.
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
