/**
 * The client as a service.
 *
 * @since 0.1.0
 */
import type * as Authenticate from "@hyperfect/auth/Authenticate"
import type { Transport } from "@hyperfect/transport/Transport"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { ConfigError } from "./ConfigError.ts"
import * as ConnectionConfig from "./ConnectionConfig.ts"
import * as Session from "./Session.ts"

/**
 * A client of one server.
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
export class Client extends Context.Service<Client, Session.Session>()("@hyperfect/client/Client") {}

/**
 * A client over one session, which is opened with the layer and closed with it.
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
