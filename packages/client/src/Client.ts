/**
 * The client as a service.
 *
 * @since 0.1.0
 */
import type * as Authenticate from "@hyperfect/auth/Authenticate"
import type { Transport } from "@hyperfect/transport/Transport"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type { ConfigError } from "./ConfigError.ts"
import * as ConnectionConfig from "./ConnectionConfig.ts"
import type { PoolError } from "./PoolError.ts"
import type { Queries } from "./Queries.ts"
import type { QueryError } from "./QueryError.ts"
import * as Session from "./Session.ts"

/**
 * What can go wrong with what a client is asked. That no session is to be had is among it, for a client can be a pool.
 *
 * @category errors
 * @since 0.1.0
 */
export type ClientError = QueryError | PoolError

/**
 * A client of one server: over one session, or over a pool of them.
 *
 * **Details**
 *
 * What is true of a single session only, such as its settings or its notices, is not here: a `Session` has it.
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
>()("@hyperfect/client/Client") {}

/**
 * A client over one session, which is opened with the layer and closed with it.
 *
 * @see `Pool.layer` for a client over many sessions
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  config: ConnectionConfig.ConnectionConfig
): Layer.Layer<Client, Session.ConnectError, Transport | Authenticate.Services> =>
  Layer.effect(Client, Session.make(config))

/**
 * A client for the server that a connection URI names.
 *
 * @see {@link ConnectionConfig.fromUri} for what may be in it
 *
 * @category layers
 * @since 0.1.0
 */
export const layerUri = (
  uri: string
): Layer.Layer<Client, Session.ConnectError | ConfigError, Transport | Authenticate.Services> =>
  Layer.effect(Client, Effect.flatMap(ConnectionConfig.fromUri(uri), Session.make))

/**
 * A client for the server that a connection string, the `PG*` environment and libpq's files describe.
 *
 * **Details**
 *
 * Everything that `text` leaves open, which is all of it when it is absent, is found as libpq finds it.
 *
 * @see {@link ConnectionConfig.load} for where it looks
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  text?: string
): Layer.Layer<Client, Session.ConnectError, Transport | Authenticate.Services | FileSystem.FileSystem> =>
  Layer.effect(Client, Effect.flatMap(ConnectionConfig.load(text), Session.make))
