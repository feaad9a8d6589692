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
 * when its connection breaks, and when it cannot be reset. A finalizer returns every borrowed slot, and all maintenance
 * of sessions has time limits, so no slot leaks.
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
 * Effect's own `Pool` is not used: it lends an item either to one borrower or to a fixed number of them, and cannot mix
 * shared and exclusive borrowers on one item. It also fills one item before it opens another, has no limit on waiters,
 * and does not distinguish transient from permanent failures to open.
 *
 * @since 0.1.0
 */
import type * as Authenticate from "@hyperfect/auth/Authenticate"
import type * as Backend from "@hyperfect/protocol/Backend"
import * as Endpoint from "@hyperfect/transport/Endpoint"
import type { Transport } from "@hyperfect/transport/Transport"
import * as TypeRegistry from "@hyperfect/values/TypeRegistry"
import { Clock } from "effect/Clock"
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as FileSystem from "effect/FileSystem"
import { identity } from "effect/Function"
import * as Layer from "effect/Layer"
import type * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import type * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import { Client } from "./Client.ts"
import * as ConnectionConfig from "./ConnectionConfig.ts"
import { ConnectionConfigError } from "./ConnectionConfigError.ts"
import { openSession } from "./internal/client/openSession.ts"
import { canReach } from "./internal/connect/establish.ts"
import { defaultRecheck, HostMemory, SharedHosts } from "./internal/connect/hostMemory.ts"
import { makeListening } from "./internal/notify/listening.ts"
import { PoolMetrics } from "./internal/pool/metrics.ts"
import { makePoolRunner } from "./internal/pool/poolRunner.ts"
import { SessionPool } from "./internal/pool/sessionPool.ts"
import type { Settings } from "./internal/pool/state.ts"
import { makeQueries } from "./internal/query/queries.ts"
import { Broadcast } from "./internal/session/broadcast.ts"
import { NoticeSink } from "./internal/session/notices.ts"
import { Observer } from "./internal/session/observer.ts"
import { SharedTypes, TypeCatalogue } from "./internal/statement/typeCatalogue.ts"
import * as Notifications from "./Notifications.ts"
import type * as PoolError from "./PoolError.ts"
import type { Stats } from "./PoolStats.ts"
import type { Queries } from "./Queries.ts"
import type { QueryError } from "./QueryError.ts"
import type * as Session from "./Session.ts"
import { connectionCreateTime, connectionWaitTime, Telemetry } from "./Telemetry.ts"

export type { Stats } from "./PoolStats.ts"

/**
 * Options of a pool.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * The number of sessions that are always kept; 0 when absent. They are opened one after the other in the background.
   */
  readonly min?: number | undefined
  /** True to make the constructor wait until `min` sessions are open, and fail if one cannot be; false when absent. */
  readonly warmUp?: boolean | undefined
  /** The maximum number of sessions, including those being closed; 10 when absent. */
  readonly max?: number | undefined
  /**
   * The maximum number of queries in flight per session; 32 when absent. With 1, each query has a session of its own
   * and none is sent before the previous response is complete: needed behind poolers that disconnect clients that
   * pipeline.
   */
  readonly depth?: number | undefined
  /**
   * The choice of session for a single query. `"even"`, the default: the least loaded session, preferably an idle or a
   * new one, so that the server runs as many queries in parallel as it can. `"packed"`: the first session with fewer
   * than `depth` queries, unless it has not responded for 50 ms, so that short, cheap queries share few sessions. A
   * query that arrives within those 50 ms waits behind a slow one even if other sessions are idle.
   */
  readonly sharing?: "even" | "packed" | undefined
  /** The maximum wait for a session, after which the caller fails with `AcquireTimeout`; 30 seconds when absent. */
  readonly acquireTimeout?: Duration.Input | undefined
  /** The maximum number of waiting callers, beyond which a caller fails with `QueueFull`; unlimited when absent. */
  readonly maxWaiting?: number | undefined
  /**
   * The time without a session, in which none could be opened because the server is unreachable, after which callers fail
   * with `Unavailable` instead of waiting. The pool then tries to open one session at a time, after the delays of
   * `hostRecheck`, until it succeeds. Never when absent.
   */
  readonly failFastAfter?: Duration.Input | undefined
  /** The time after which an idle session beyond `min` is closed; 10 minutes when absent. */
  readonly idleTimeout?: Duration.Input | undefined
  /** The maximum age of a session; 30 minutes when absent. Randomly reduced by up to a fifth. */
  readonly lifetime?: Duration.Input | undefined
  /** The idle time after which a session is checked with the server before reuse; 30 seconds when absent. */
  readonly checkAfter?: Duration.Input | undefined
  /**
   * The condition for resetting a session: `"changed"`, the default, after a known change of its state; `"always"`
   * after every exclusive use. On Hyper, which has no reset, the session is closed instead.
   */
  readonly reset?: "changed" | "always" | undefined
  /** The time that closing waits for running work before it cancels it; 5 seconds when absent. */
  readonly drainTimeout?: Duration.Input | undefined
  /**
   * Runs on each new session, and again after each reset. Settings that it makes persist. Its scope is the session's;
   * finalizers run before the session ends.
   */
  readonly onConnect?: ((session: Session.Session) => Effect.Effect<unknown, QueryError, Scope.Scope>) | undefined
  /**
   * Runs in the borrower on each session that it acquires. Every query then has a session of its own, since settings
   * made for one borrower must not affect another.
   */
  readonly onAcquire?: ((session: Session.Session) => Effect.Effect<unknown, QueryError>) | undefined
  /**
   * The delays before new attempts, which bound the time that a promotion goes unnoticed: between attempts to open a
   * session, from 100 ms to 10 seconds when absent; and, of several hosts or addresses, between looks in the background at
   * those that could not be reached, from 1 to 10 seconds when absent. Where the schedule ends, the delays between attempts
   * are the default ones, and the pool forgets that servers were down.
   */
  readonly hostRecheck?: Schedule.Schedule<unknown, unknown> | undefined
  /**
   * Options of the session that listens to channels. It is opened for the first subscriber and does not count towards
   * the pool.
   */
  readonly notifications?: Notifications.Options | undefined
}

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
export interface Pool
  extends Queries<PoolError.PoolError>, Notifications.Listening, Pick<Session.Info, "server" | "authentication">
{
  /** Acquires a session for exclusive use until the scope closes. It must not be used after that. */
  readonly session: Effect.Effect<Session.Session, PoolError.PoolError | QueryError, Scope.Scope>
  /**
   * Acquires the only session of the pool until the scope closes: waits for work in progress, closes the other sessions,
   * and opens none meanwhile. If they do not end within `acquireTimeout`, because of a stream that is not read for
   * example, it fails with `AcquireTimeout`; in a transaction of the pool it fails with an `UnsupportedError`.
   */
  readonly soleSession: Effect.Effect<Session.Session, PoolError.PoolError | QueryError, Scope.Scope>
  /**
   * Replaces all sessions: idle ones are closed at once, others when they are released, without disturbing their work.
   *
   * **When to use**
   *
   * Use after a change that sessions do not notice: of a certificate or password, of a role's settings or memberships, or
   * of the server that the host's name stands for. Hosts that were down are tried in their order again, without further delay. The session that
   * listens to channels is replaced at once, and its subscribers go on with a `Gap`.
   */
  readonly refresh: Effect.Effect<void>
  readonly stats: () => Stats
  /**
   * Warnings and other notices of the server on all sessions of the pool, including those of the login, from the moment
   * of subscription. The oldest are dropped for a slow subscriber. It ends with the pool.
   */
  readonly notices: Stream.Stream<PoolNotice>
}

/**
 * The service of a pool, for what a `Client` does not have: `session`, `stats` and `notices`.
 *
 * @category services
 * @since 0.1.0
 */
export const Pool: Context.Service<Pool, Pool> = Context.Service<Pool>("@hyperfect/client/Pool")

/**
 * A notice that the server sent on a session of the pool.
 *
 * @category models
 * @since 0.1.0
 */
export interface PoolNotice {
  /** The backend process, as `processId` of `Session`. */
  readonly processId: number | undefined
  readonly notice: Backend.NoticeResponse
}

const count = (setting: string, value: number | undefined, absent: number, least: number) =>
  value === undefined
    ? Effect.succeed(absent)
    : value >= least && (Number.isInteger(value) || value === Infinity)
    ? Effect.succeed(value)
    : Effect.fail(
      new ConnectionConfigError({ setting, kind: "invalid", problem: `must be an integer of at least ${least}` })
    )

const resolveSettings = Effect.fnUntraced(
  function*(options: Options): Effect.fn.Return<Settings, ConnectionConfigError> {
    const duration = (
      setting: keyof Options,
      value: Duration.Input | undefined,
      absent: Duration.Input
    ): Effect.Effect<number, ConnectionConfigError> =>
      Option.match(Duration.fromInput(value ?? absent), {
        onNone: () =>
          Effect.fail(new ConnectionConfigError({ setting, kind: "invalid", problem: "must be a duration" })),
        onSome: (duration) => Effect.succeed(Duration.toMillis(duration))
      })
    const max = yield* count("max", options.max, 10, 1)
    const min = yield* count("min", options.min, 0, 0)
    if (min > max) {
      return yield* new ConnectionConfigError({
        setting: "min",
        kind: "invalid",
        problem: "must not be greater than max"
      })
    }
    return {
      min,
      max,
      depth: yield* count("depth", options.depth, 32, 1),
      isPacked: options.sharing === "packed",
      maxWaiting: yield* count("maxWaiting", options.maxWaiting, Infinity, 0),
      failFastAfter: yield* duration("failFastAfter", options.failFastAfter, Duration.infinity),
      reconnect: options.hostRecheck,
      acquireTimeout: yield* duration("acquireTimeout", options.acquireTimeout, "30 seconds"),
      idleTimeout: yield* duration("idleTimeout", options.idleTimeout, "10 minutes"),
      lifetime: yield* duration("lifetime", options.lifetime, "30 minutes"),
      checkAfter: yield* duration("checkAfter", options.checkAfter, "30 seconds"),
      resetAlways: options.reset === "always",
      drainTimeout: yield* duration("drainTimeout", options.drainTimeout, "5 seconds"),
      onConnect: options.onConnect ?? (() => Effect.void),
      onAcquire: options.onAcquire
    }
  }
)

/** The name of the pool in spans and metrics, by OpenTelemetry's conventions. */
const poolName = ({ database, endpoint, user }: ConnectionConfig.ConnectionConfig) => ({
  "db.client.connection.pool.name": `${Endpoint.format(endpoint)}/${database ?? user}`
})

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
export const make = Effect.fnUntraced(
  function*(config: ConnectionConfig.ConnectionConfig, options: Options = {}): Effect.fn.Return<
    Pool,
    Session.ConnectError | QueryError | ConnectionConfigError,
    Scope.Scope | Transport | Authenticate.Services
  > {
    const settings = yield* resolveSettings(options)
    const context = yield* Effect.context<Scope.Scope | Transport | Authenticate.Services>()
    const clock = yield* Clock
    const types = new TypeCatalogue(yield* TypeRegistry.TypeRegistry, clock)
    const scope = yield* Scope.make()
    const run = Effect.runForkWith(context)
    const telemetry = yield* Telemetry
    const name = poolName(config)
    const observer = new Observer(name, telemetry)
    const metrics = telemetry.metrics === true ? new PoolMetrics(name, context) : undefined
    const timed = (metric: Metric.Histogram<number>) =>
      metrics === undefined ? identity : metrics.recordDuration(metric)
    const notices = new Broadcast<PoolNotice>()
    const fork = (effect: Effect.Effect<unknown>): void =>
      void run(Effect.forkIn(effect, scope, { startImmediately: true }))
    const hosts = new HostMemory(
      (endpoint) => Effect.provideContext(canReach(config, endpoint), context),
      options.hostRecheck ?? defaultRecheck,
      fork,
      () => sessions.retryNow()
    )
    const sessions: SessionPool = new SessionPool(
      settings,
      // Each session has its own scope; types learned by one session are shared with all. Once none is left, the
      // database may have been replaced, with other types under the same OIDs.
      Effect.suspend(() => {
        if (sessions.stats().size === 0) types.invalidate()
        return openSession(config)
      }).pipe(
        timed(connectionCreateTime),
        Effect.provideService(SharedTypes, types),
        Effect.provideService(SharedHosts, hosts),
        Effect.provideService(NoticeSink, (notice, processId, size) => notices.publish({ processId, notice }, size)),
        Effect.provide(Context.omit(Scope.Scope)(context))
      ),
      clock,
      fork
    )
    yield* Effect.addFinalizer(() =>
      Effect.ensuring(
        Effect.andThen(sessions.drain, Scope.close(scope, Exit.void)),
        Effect.sync(() => notices.end())
      )
    )
    yield* sessions.openOne
    if (options.warmUp === true) { for (let i = 1; i < settings.min; i++) yield* sessions.openOne }
    yield* Effect.forkIn(sessions.run, scope, { startImmediately: true })
    if (metrics !== undefined) {
      yield* Effect.forkIn(metrics.run(() => sessions.stats(), settings), scope, { startImmediately: true })
    }
    const { listening, refresh: refreshListening } = yield* makeListening(config, options.notifications)
    const timedWait = timed(connectionWaitTime)
    const runner = makePoolRunner(
      sessions,
      settings,
      (wait) => observer.effect({ name: "hyperfect.acquire" }, timedWait(wait))
    )
    return {
      ...makeQueries(runner),
      session: runner.session,
      soleSession: runner.soleSession,
      ...listening,
      get server() {
        return sessions.lastSession.server
      },
      get authentication() {
        return sessions.lastSession.authentication
      },
      refresh: Effect.sync(() => {
        hosts.forget()
        sessions.refresh()
      }).pipe(Effect.andThen(refreshListening)),
      stats: () => sessions.stats(),
      notices: notices.stream
    }
  }
)

type Services = Pool | Client | Notifications.Notifications

type LayerError = Session.ConnectError | QueryError | ConnectionConfigError

const layerOf = <E, R>(
  config: Effect.Effect<ConnectionConfig.ConnectionConfig, E, R>,
  options: Options | undefined
): Layer.Layer<Services, LayerError | E, Transport | Authenticate.Services | Exclude<R, Scope.Scope>> =>
  Layer.effectContext(
    Effect.map(
      Effect.flatMap(config, (config) => make(config, options)),
      (pool) =>
        Context.make(Pool, pool).pipe(
          Context.add(Client, pool),
          Context.add(Notifications.Notifications, pool)
        )
    )
  )

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
  options?: Options
): Layer.Layer<Services, LayerError, Transport | Authenticate.Services> => layerOf(Effect.succeed(config), options)

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
export const layerUri = (
  uri: string,
  options?: Options
): Layer.Layer<Services, LayerError, Transport | Authenticate.Services> =>
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
  options?: Options
): Layer.Layer<Services, LayerError | Config.ConfigError, Transport | Authenticate.Services> =>
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
  options?: Options
): Layer.Layer<Services, LayerError, Transport | Authenticate.Services | FileSystem.FileSystem> =>
  layerOf(ConnectionConfig.load(text), options)
