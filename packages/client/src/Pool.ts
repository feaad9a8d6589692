/**
 * A pool of sessions of one server, used as one client.
 *
 * **Scheduling.** A single query goes to the least loaded session, where it may be pipelined behind others. An idle
 * session is preferred, then opening a new one, then a session that is currently responding (see `sharing` of
 * {@link Options}). A stream, a COPY, a transaction and a simple query get a session of their own. Waiting callers are
 * served in order.
 *
 * **Lifetimes.** A pool lives as long as its scope. Closing it waits up to `drainTimeout` for running work, cancels the
 * rest on the server, and closes the sessions. A session is closed after `idleTimeout`, at the end of its `lifetime`,
 * when its connection breaks, and when it cannot be reset. A finalizer releases every acquired slot, and all
 * maintenance of sessions has time limits, so no slot leaks.
 *
 * **Limits.** The pool knows the state that a statement leaves in its session from the server's reports and, for
 * statements run through the pool, from their text. It does not notice changes made by functions, advisory locks, or,
 * on a session acquired with `session` or in a transaction, `set_config(..., false)` and `SELECT ... INTO TEMPORARY`; see
 * `reset` of {@link Options}. No statement is sent twice: a query on a connection that breaks fails, except that a query of which
 * nothing was sent moves to another session. A statement that may change the session, such as SET, LISTEN, a call of
 * `set_config`, DDL or DO, gets a session of its own; effects of the functions that a statement calls are not detected.
 *
 * **Related.** The pool listens to channels on one additional session, as `Notifications` do. `Telemetry` describes its
 * spans and metrics. Behind a pooler in transaction or statement mode, such as PgBouncer, `Notifications` need a direct
 * connection, and `statementCacheSize: 0` is required if the pooler does not support prepared statements: PgBouncer
 * before 1.21, or with `max_prepared_statements = 0`.
 *
 * Effect's own `Pool` is not used: it gives an item either to one user or to a fixed number of them, and cannot mix
 * shared and exclusive use of one item. It also fills one item before it opens another, has no limit on waiters, and
 * does not distinguish transient from permanent failures to open.
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
import type * as Scope from "effect/Scope"
import { Client } from "./Client.ts"
import * as ConnectionConfig from "./ConnectionConfig.ts"
import type * as model from "./internal/pool/model.ts"
import { openPool } from "./internal/pool/openPool.ts"
import * as Notifications from "./Notifications.ts"
import type { QueryError } from "./QueryError.ts"
import type * as Session from "./Session.ts"

export type { Options, PoolNotice } from "./internal/pool/model.ts"
export type { Stats } from "./PoolStats.ts"

/**
 * A pool of sessions of one server.
 *
 * **Gotchas**
 *
 * Each query may run on a different session. Statements that belong together must run in `transaction` or on one
 * {@link Pool.session}.
 *
 * @category models
 * @since 0.1.0
 */
export interface Pool extends model.Pool {}

/**
 * The service of a pool, for what a `Client` does not have: `session`, `stats` and `notices`.
 *
 * @category services
 * @since 0.1.0
 */
export const Pool: Context.Service<Pool, Pool> = Context.Service<Pool>("@hyperfect/client/Pool")

/**
 * Makes a pool. Its first session is opened at once, so that an unreachable server or a wrong password is detected
 * early; further sessions are opened on demand.
 *
 * **Example** (A pool)
 *
 * ```ts
 * import { ConnectionConfig, Pool, Statement } from "@hyperfect/client"
 * import { Effect } from "effect"
 *
 * const { identifier, sql } = Statement
 *
 * const program = Effect.gen(function*() {
 *   const config = yield* ConnectionConfig.fromUri("postgresql://app@db.example/shop")
 *   const pool = yield* Pool.make(config, {
 *     max: 20,
 *     acquireTimeout: "2 seconds",
 *     onConnect: (session) => session.query("set statement_timeout = '10s'")
 *   })
 *   const counts = yield* Effect.forEach(
 *     ["orders", "users"],
 *     (table) => pool.query(sql`select count(*) as n from ${identifier(table)}`),
 *     { concurrency: "unbounded" }
 *   )
 *   return [counts, pool.stats().size]
 * })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  config: ConnectionConfig.ConnectionConfig,
  options: model.Options = {}
): Effect.Effect<Pool, OpenError, Scope.Scope | Requirements> =>
  Effect.map(openPool(config, options), ({ pool }) => pool)

type Services = Pool | Client | Notifications.Notifications

type OpenError = Session.ConnectError | QueryError

type Requirements = Transport | Authenticate.Services

/**
 * Returns the services that a pool is.
 *
 * @internal
 */
export const services = (pool: Pool): Context.Context<Services> =>
  Context.make(Pool, pool).pipe(Context.add(Client, pool), Context.add(Notifications.Notifications, pool))

const layerOf = <E, R>(
  config: Effect.Effect<ConnectionConfig.ConnectionConfig, E, R>,
  options: model.Options | undefined
): Layer.Layer<Services, OpenError | E, Requirements | Exclude<R, Scope.Scope>> =>
  Layer.effectContext(Effect.map(Effect.flatMap(config, (config) => make(config, options)), services))

/**
 * Provides a pool that is made with the layer and closed with it, also as client and as notifications.
 *
 * @see {@link make}
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  config: ConnectionConfig.ConnectionConfig,
  options?: model.Options
): Layer.Layer<Services, OpenError, Requirements> => layerOf(Effect.succeed(config), options)

/**
 * Provides a pool of sessions with the server that a connection URI names, also as client and as notifications.
 *
 * **Example** (A whole program)
 *
 * ```ts
 * import { Client, Pool, Statement } from "@hyperfect/client"
 * import { NodePlatform } from "@hyperfect/node"
 * import { Effect, Layer } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const client = yield* Client.Client
 *   const pool = yield* Pool.Pool
 *   const { rows } = yield* client.query(Statement.sql`select id, email from users where id = ${42}`)
 *   return [rows, pool.stats().size]
 * })
 *
 * const Live = Pool.layerUri("postgresql://app@db.example/shop", { max: 20, acquireTimeout: "2 seconds" }).pipe(
 *   Layer.provide(NodePlatform.layer)
 * )
 *
 * const main = Effect.provide(program, Live)
 * ```
 *
 * @see {@link ConnectionConfig.fromUri} for the syntax
 *
 * @category layers
 * @since 0.1.0
 */
export const layerUri = (uri: string, options?: model.Options): Layer.Layer<Services, OpenError, Requirements> =>
  layerOf(ConnectionConfig.fromUri(uri), options)

/**
 * Provides a pool of sessions with the server that Effect's `Config` describes, by default the `PG*` variables, also as
 * client and as notifications.
 *
 * @see {@link layerConninfo} for libpq's files as well
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  config: ConnectionConfig.Source = ConnectionConfig.config,
  options?: model.Options
): Layer.Layer<Services, OpenError | Config.ConfigError, Requirements> =>
  layerOf(ConnectionConfig.fromConfig(config), options)

/**
 * Provides a pool of sessions with the server that a connection string, the `PG*` environment and libpq's files
 * describe, also as client and as notifications.
 *
 * @see {@link ConnectionConfig.load} for the sources and their order
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConninfo = (
  text?: string,
  options?: model.Options
): Layer.Layer<Services, OpenError, Requirements | FileSystem.FileSystem> =>
  layerOf(ConnectionConfig.load(text), options)
