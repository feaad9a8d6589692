/**
 * A primary and its standbys, used as one client: read-only transactions run on a standby that has caught up with what
 * the client has written, and everything else on the primary.
 *
 * **Lifetimes.** There are two pools over the same hosts, which live as long as their scope: one of sessions with the
 * primary, and one of sessions with standbys, of which one is always kept open, if there is a standby.
 *
 * **Limits.** Only a transaction with `access: "read only"` runs on a standby: a single statement may write, whatever its
 * text, and so runs on the primary. PostgreSQL only.
 *
 * @since 0.1.0
 */
import type * as Authenticate from "@hyperfect/auth/Authenticate"
import type { Transport } from "@hyperfect/transport/Transport"
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Client } from "./Client.ts"
import * as ConnectionConfig from "./ConnectionConfig.ts"
import { openPool } from "./internal/pool/openPool.ts"
import { makeReplicaRunner } from "./internal/pool/replicaRunner.ts"
import { finiteDuration } from "./internal/pool/settings.ts"
import { makeQueries } from "./internal/query/queries.ts"
import type * as Notifications from "./Notifications.ts"
import * as Pool from "./Pool.ts"
import type { Stats } from "./PoolStats.ts"
import type { QueryError } from "./QueryError.ts"
import type * as Session from "./Session.ts"

/**
 * Options of the two pools.
 *
 * **Details**
 *
 * Those of a pool apply to both, except for `min`, `warmUp`, `acquireTimeout` and `failFastAfter`, which are the primary's.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends Pool.Options {
  /**
   * The maximum wait for a session with a standby, and then again for the standby to catch up, after which the
   * transaction runs on the primary; 100 ms when absent. A server that does not report its position is given a second
   * more.
   */
  readonly maxWait?: Duration.Input | undefined
  /** The maximum number of sessions with standbys; as `max` when absent. */
  readonly maxStandby?: number | undefined
}

/**
 * A pool of sessions with a primary, whose read-only transactions run on standbys.
 *
 * **Details**
 *
 * Members that do not run statements, such as `session`, `stats` and the notifications, concern the primary. `refresh`
 * and `notices` concern both.
 *
 * **Gotchas**
 *
 * Options of a transaction inside a transaction are refused, as everywhere: inside a transaction that may write, a
 * read-only one cannot begin.
 *
 * @category models
 * @since 0.1.0
 */
export interface Replicas extends Pool.Pool {
  /** The current state of the pool of sessions with standbys. */
  readonly standbyStats: () => Stats
}

/**
 * The service of a primary and its standbys, for what a `Pool` does not have: `standbyStats`.
 *
 * @category services
 * @since 0.1.0
 */
export const Replicas: Context.Service<Replicas, Replicas> = Context.Service<Replicas>("@hyperfect/client/Replicas")

/**
 * Makes a pool for each of the two roles among the same hosts. Waits for the first session with the primary, not for one
 * with a standby.
 *
 * **Details**
 *
 * - The hosts are those of the configuration, in the order that `loadBalanceHosts` determines for each session; its
 *   `targetSessionAttrs` is replaced.
 * - A read-only transaction sees everything whose commit had been confirmed to this client when it began. For that, the
 *   first one after a write asks the primary for its position in the log, and asks each session with a standby once if
 *   it has replayed that position.
 * - It runs on the primary if no session with a standby is free within `maxWait`, if the standby does not catch up within
 *   `maxWait`, or if it cannot be begun there for any other reason; once it has begun it is not moved.
 * - The span of the transaction has `hyperfect.role`, `standby` or `primary`, next to `server.address`; on the primary
 *   also `hyperfect.fallback`, the type of the reason.
 *
 * **Example** (A report from a standby)
 *
 * ```ts
 * import { ConnectionConfig, Replicas, Statement } from "@hyperfect/client"
 * import { Effect } from "effect"
 *
 * const { sql } = Statement
 *
 * const program = Effect.gen(function*() {
 *   const config = yield* ConnectionConfig.fromUri("postgresql://app@db1.example,db2.example/shop?load_balance_hosts=random")
 *   const db = yield* Replicas.make(config, { max: 20 })
 *   yield* db.execute(sql`insert into orders (item) values (${"lamp"})`)
 *   return yield* db.transaction(db.one("select count(*) as n from orders"), { access: "read only" })
 * })
 * ```
 *
 * @see {@link layer} for the client as a layer
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(
  function*(config: ConnectionConfig.ConnectionConfig, options: Options = {}): Effect.fn.Return<
    Replicas,
    OpenError,
    Scope.Scope | Requirements
  > {
    const maxWait = yield* finiteDuration("maxWait", options.maxWait, "100 millis")
    const primary = yield* openPool({ ...config, targetSessionAttrs: "primary" }, options)
    const standby = yield* openPool({ ...config, targetSessionAttrs: "standby" }, {
      ...options,
      min: 1,
      max: options.maxStandby ?? options.max,
      warmUp: false,
      acquireTimeout: maxWait,
      failFastAfter: 0
    }, true)
    const runner = makeReplicaRunner(primary, standby.runner, maxWait)
    return {
      ...makeQueries(runner),
      session: runner.session,
      soleSession: runner.soleSession,
      listen: primary.pool.listen,
      subscribe: primary.pool.subscribe,
      get server() {
        return primary.pool.server
      },
      get authentication() {
        return primary.pool.authentication
      },
      refresh: Effect.andThen(primary.pool.refresh, standby.pool.refresh),
      stats: primary.pool.stats,
      standbyStats: standby.pool.stats,
      notices: Stream.merge(primary.pool.notices, standby.pool.notices)
    }
  }
)

type Services = Replicas | Pool.Pool | Client | Notifications.Notifications

type OpenError = Session.ConnectError | QueryError

type Requirements = Transport | Authenticate.Services

const layerOf = <E, R>(
  config: Effect.Effect<ConnectionConfig.ConnectionConfig, E, R>,
  options: Options | undefined
): Layer.Layer<Services, OpenError | E, Requirements | Exclude<R, Scope.Scope>> =>
  Layer.effectContext(Effect.map(
    Effect.flatMap(config, (config) => make(config, options)),
    (replicas) => Context.add(Pool.services(replicas), Replicas, replicas)
  ))

/**
 * Provides a primary and its standbys, also as pool, as client and as notifications.
 *
 * @see {@link make}
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  config: ConnectionConfig.ConnectionConfig,
  options?: Options
): Layer.Layer<Services, OpenError, Requirements> => layerOf(Effect.succeed(config), options)

/**
 * Provides a primary and its standbys among the hosts of a connection URI, also as pool, as client and as notifications.
 *
 * **Example** (A whole program)
 *
 * ```ts
 * import { Client, Replicas, Statement } from "@hyperfect/client"
 * import { NodePlatform } from "@hyperfect/node"
 * import { Effect, Layer } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const client = yield* Client.Client
 *   yield* client.execute(Statement.sql`update users set email = ${"a@b.example"} where id = ${42}`)
 *   const user = client.one(Statement.sql`select email from users where id = ${42}`)
 *   return yield* client.transaction(user, { access: "read only" }) // sees the update, on either server
 * })
 *
 * const Live = Replicas.layerUri("postgresql://app@db1.example,db2.example/shop", { maxWait: "50 millis" }).pipe(
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
export const layerUri = (uri: string, options?: Options): Layer.Layer<Services, OpenError, Requirements> =>
  layerOf(ConnectionConfig.fromUri(uri), options)

/**
 * Provides a primary and its standbys among the hosts that Effect's `Config` describes, by default the `PG*` variables, also
 * as pool, as client and as notifications.
 *
 * @see {@link layerConninfo} for libpq's files as well
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  config: ConnectionConfig.Source = ConnectionConfig.config,
  options?: Options
): Layer.Layer<Services, OpenError | Config.ConfigError, Requirements> =>
  layerOf(ConnectionConfig.fromConfig(config), options)

/**
 * Provides a primary and its standbys among the hosts that a connection string, the `PG*` environment and libpq's files
 * describe, also as pool, as client and as notifications.
 *
 * @see {@link ConnectionConfig.load} for the sources and their order
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConninfo = (
  text?: string,
  options?: Options
): Layer.Layer<Services, OpenError, Requirements | FileSystem.FileSystem> =>
  layerOf(ConnectionConfig.load(text), options)
