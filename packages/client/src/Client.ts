/**
 * The client service: queries over one session or over a pool.
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
import * as ConnectionConfig from "./ConnectionConfig.ts"
import type { PoolError } from "./PoolError.ts"
import type { Queries } from "./Queries.ts"
import type { QueryError } from "./QueryError.ts"
import * as Session from "./Session.ts"

/**
 * The errors of a client's operations. Includes `PoolError`, as a client can be a pool.
 *
 * @category errors
 * @since 0.1.0
 */
export type ClientError = QueryError | PoolError

/**
 * A client of one server, over one session or over a pool of sessions.
 *
 * **Details**
 *
 * Members that only a single session has, such as its settings and its notices, are on `Session`.
 *
 * **Example** (A query)
 *
 * ```ts
 * import { Client, Statement } from "@hyperfect/client"
 * import { Effect } from "effect"
 *
 * const late = Effect.gen(function*() {
 *   const client = yield* Client.Client
 *   return yield* client.query(Statement.sql`select origin, count(*) as n from flights where delay > ${60} group by 1`)
 * })
 * ```
 *
 * @category services
 * @since 0.1.0
 */
export class Client extends Context.Service<
  Client,
  Queries<PoolError> & Pick<Session.Info, "server" | "authentication">
>()("@hyperfect/client/Client (Client.layer, Pool.layer and Hyper.layer provide it)") {}

type Services = Transport | Authenticate.Services

/**
 * Provides a client over one session, opened and closed with the layer.
 *
 * @see `Pool.layer` for a client over a pool of sessions
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (config: ConnectionConfig.ConnectionConfig): Layer.Layer<Client, Session.ConnectError, Services> =>
  Layer.effect(Client, Session.make(config))

/**
 * Provides a client of the server that a connection URI names.
 *
 * @see {@link ConnectionConfig.fromUri} for the syntax
 *
 * @category layers
 * @since 0.1.0
 */
export const layerUri = (uri: string): Layer.Layer<Client, Session.ConnectError, Services> =>
  Layer.effect(Client, Effect.flatMap(ConnectionConfig.fromUri(uri), Session.make))

/**
 * Provides a client of the server that Effect's `Config` describes: by default, the `PG*` variables.
 *
 * **Example** (A URI from a variable)
 *
 * ```ts
 * import { Client, ConnectionConfig } from "@hyperfect/client"
 * import { Config } from "effect"
 *
 * const Live = Client.layerConfig(Config.Redacted("DATABASE_URL"))
 * ```
 *
 * @see {@link layerConninfo} for libpq's files as well
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  config: ConnectionConfig.Source = ConnectionConfig.config
): Layer.Layer<Client, Session.ConnectError | Config.ConfigError, Services> =>
  Layer.effect(Client, Effect.flatMap(ConnectionConfig.fromConfig(config), Session.make))

/**
 * Provides a client of the server that a connection string, the `PG*` environment and libpq's files describe.
 *
 * **Details**
 *
 * Settings that `text` does not make (all of them if it is absent) are looked up as in libpq.
 *
 * @see {@link ConnectionConfig.load} for the sources and their order
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConninfo = (
  text?: string
): Layer.Layer<Client, Session.ConnectError, Services | FileSystem.FileSystem> =>
  Layer.effect(Client, Effect.flatMap(ConnectionConfig.load(text), Session.make))
