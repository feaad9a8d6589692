/**
 * Many sessions of one server, used as one client.
 *
 * **What it does.** A query that stands for itself goes to the least loaded session, where it may be pipelined behind
 * others; a session that is idle is preferred, then one that can still be opened, then one that answers at the moment
 * (`sharing` of {@link Options} can change that). A stream, a COPY, a transaction and a text of the simple
 * protocol have a session of their own. Those who have to wait are served in the order in which they came.
 *
 * **Lifetimes.** A pool lives as long as its scope. Closing it lets what runs come to its end for a while, then cancels it
 * on the server, then closes the sessions. A session is closed when it was idle for long, when it is old, when its line
 * has broken, and when it cannot be put back into its first state. Whoever borrows is given back his place by a finalizer,
 * and everything that the pool itself does about a session has a time limit: no place is ever lost.
 *
 * **Limits.** What a statement leaves in its session is known from what the server says about it. It says nothing about
 * `set_config(..., false)` for most settings, advisory locks, and temporary tables made by `CREATE TABLE AS`; see
 * `reset` of {@link Options}. Nothing is ever sent twice: a query that was on a line that broke fails.
 *
 * **Beside it.** It listens to channels on one more session, as `Notifications` do. `Telemetry` tells what can be seen of it.
 * Behind a pooler that lends its servers for one transaction or statement, as PgBouncer can, `statementCacheSize: 0` is
 * needed, and `Notifications` want a direct line.
 *
 * Effect's own `Pool` was not used, for it lends every item either to one borrower or to a fixed number: it does not know
 * borrowers who share and borrowers who do not on the same item. It also fills one item before it opens another, takes any
 * number of waiters, and does not tell a passing failure to open from one that lasts.
 *
 * @since 0.1.0
 */
import type * as Authenticate from "@hyperfect/auth/Authenticate"
import * as Endpoint from "@hyperfect/transport/Endpoint"
import type { Transport } from "@hyperfect/transport/Transport"
import * as TypeRegistry from "@hyperfect/values/TypeRegistry"
import { Clock } from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as FileSystem from "effect/FileSystem"
import { identity } from "effect/Function"
import * as Layer from "effect/Layer"
import type * as Metric from "effect/Metric"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Client } from "./Client.ts"
import { ConfigError } from "./ConfigError.ts"
import * as ConnectionConfig from "./ConnectionConfig.ts"
import { SharedTypes, Types } from "./internal/catalogue.ts"
import { withDerived } from "./internal/derived.ts"
import { CurrentLease, type Lease, leaseOf } from "./internal/lease.ts"
import type { Slot } from "./internal/line.ts"
import type { Settings } from "./internal/members.ts"
import { Observer } from "./internal/observer.ts"
import { Sessions } from "./internal/pool.ts"
import { PoolMetrics } from "./internal/poolMetrics.ts"
import * as Notifications from "./Notifications.ts"
import * as PoolError from "./PoolError.ts"
import type { Stats } from "./PoolStats.ts"
import type { Queries } from "./Queries.ts"
import type { QueryError } from "./QueryError.ts"
import { operationOf } from "./QueryText.ts"
import * as Session from "./Session.ts"
import type { Statement } from "./Statement.ts"
import { connectionCreateTime, connectionWaitTime, Telemetry } from "./Telemetry.ts"

export type { Stats } from "./PoolStats.ts"

/**
 * How a pool is to behave.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** How many sessions are kept whatever happens; 0 when absent. They are opened one after the other, in the background. */
  readonly min?: number | undefined
  /** Whether making the pool waits until `min` sessions are open, and fails when one of them cannot be; false when absent. */
  readonly warmUp?: boolean | undefined
  /** How many sessions there may be, those that are being closed included; 10 when absent. */
  readonly max?: number | undefined
  /** How many queries one session may carry at once; 32 when absent. With 1, every query has a session of its own. */
  readonly depth?: number | undefined
  /**
   * Where a query goes that stands for itself. `"even"`, the default: to the least loaded session, an idle one if there is
   * or may be any, so that the server works on as many queries at once as it can. `"packed"`: to the first that carries
   * fewer than `depth`, unless it has not answered for 50 ms, so that short queries, of which the server makes little,
   * travel together and keep few sessions busy. What comes within those 50 ms waits for a slow query, though others are idle.
   */
  readonly sharing?: "even" | "packed" | undefined
  /** How long to wait for a session before the `AcquireTimeout`; 30 seconds when absent. */
  readonly acquireTimeout?: Duration.Input | undefined
  /** How many may wait at once before the `QueueFull`; any number when absent. */
  readonly maxWaiting?: number | undefined
  /** How long a session beyond `min` may be idle before it is closed; 10 minutes when absent. */
  readonly idleTimeout?: Duration.Input | undefined
  /** How old a session may become; 30 minutes when absent. Up to a fifth less, by chance. */
  readonly lifetime?: Duration.Input | undefined
  /** How long a session may be idle and still be lent without a question to the server first; 30 seconds when absent. */
  readonly checkAfter?: Duration.Input | undefined
  /**
   * When a session is put back into its first state: `"changed"`, the default, when the server has told of a change;
   * `"always"` whenever somebody had it alone. On Hyper, which cannot do that, the session is closed instead.
   */
  readonly reset?: "changed" | "always" | undefined
  /** How long closing waits for what runs before it is cancelled; 5 seconds when absent. */
  readonly drainTimeout?: Duration.Input | undefined
  /**
   * Run with each new session, and again after each reset. What it sets stays set. Its scope is the session's, whose
   * finalizers run before the session ends.
   */
  readonly onConnect?: ((session: Session.Session) => Effect.Effect<unknown, QueryError, Scope.Scope>) | undefined
  /**
   * Run by the borrower with the session that it was given. Every query then has a session of its own, for what is set for
   * one must not hold for another.
   */
  readonly onAcquire?: ((session: Session.Session) => Effect.Effect<unknown, QueryError>) | undefined
  /** How the session behaves that listens to channels; it is opened when somebody does, and is none of the pool's. */
  readonly notifications?: Notifications.Options | undefined
}

/**
 * Many sessions of one server.
 *
 * **Gotchas**
 *
 * Each query may run on another session. What belongs together belongs into `transaction`, or on a {@link Pool.session}.
 *
 * @category models
 * @since 0.1.0
 */
export interface Pool
  extends Queries<PoolError.PoolError>, Notifications.Listening, Pick<Session.Info, "server" | "authentication">
{
  /** A session of one's own, until the scope closes. It must not be used any more then. */
  readonly session: Effect.Effect<Session.Session, PoolError.PoolError | QueryError, Scope.Scope>
  readonly stats: () => Stats
}

const count = (setting: string, value: number | undefined, absent: number, least: number) =>
  value === undefined
    ? Effect.succeed(absent)
    : value >= least && (Number.isInteger(value) || value === Infinity)
    ? Effect.succeed(value)
    : Effect.fail(new ConfigError({ setting, kind: "invalid", problem: `is not a whole number from ${least} on` }))

const settingsOf = Effect.fnUntraced(function*(options: Options): Effect.fn.Return<Settings, ConfigError> {
  const duration = (value: Duration.Input | undefined, absent: Duration.Input) =>
    Duration.toMillis(Duration.fromInputUnsafe(value ?? absent))
  const max = yield* count("max", options.max, 10, 1)
  const min = yield* count("min", options.min, 0, 0)
  if (min > max) return yield* new ConfigError({ setting: "min", kind: "invalid", problem: "is more than max" })
  return {
    min,
    max,
    depth: yield* count("depth", options.depth, 32, 1),
    packed: options.sharing === "packed",
    maxWaiting: yield* count("maxWaiting", options.maxWaiting, Infinity, 0),
    acquireTimeout: duration(options.acquireTimeout, "30 seconds"),
    idleTimeout: duration(options.idleTimeout, "10 minutes"),
    lifetime: duration(options.lifetime, "30 minutes"),
    checkAfter: duration(options.checkAfter, "30 seconds"),
    resetAlways: options.reset === "always",
    drainTimeout: duration(options.drainTimeout, "5 seconds"),
    onConnect: options.onConnect ?? (() => Effect.void)
  }
})

/** A statement that begins a transaction, whatever comments stand before it. */
const isBegin = (statement: Statement | string): boolean =>
  ["BEGIN", "START"].includes(operationOf(typeof statement === "string" ? statement : statement.text) ?? "")

const leftOpen = Effect.fail(PoolError.fromReason(new PoolError.TransactionLeftOpen()))

type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/** What can be asked of a pool, by way of its sessions. */
const queriesOf = (
  sessions: Sessions,
  options: Options,
  observeWait: <A, E>(wait: Effect.Effect<A, E>) => Effect.Effect<A, E>
): Queries<PoolError.PoolError> & Pick<Pool, "session"> => {
  const { onAcquire } = options
  const mayShare = onAcquire === undefined && options.depth !== 1

  const take = (alone: boolean, restore: Restore): Effect.Effect<Slot, PoolError.PoolError> => {
    const slot = sessions.takeUnsafe(alone)
    return slot !== undefined
      ? Effect.succeed(slot)
      : observeWait(sessions.wait(alone, restore))
  }

  const welcome = (slot: Slot): Effect.Effect<unknown, QueryError> =>
    onAcquire === undefined ? Effect.void : Effect.onError(onAcquire(slot.session), () =>
      Effect.sync(() => {
        slot.retired = true
      }))

  /** The session of the transaction that the fiber is in, if it is in one. */
  const within = <A, E, R>(
    inside: (session: Session.Session) => Effect.Effect<A, E, R>,
    outside: (outer: Lease | undefined) => Effect.Effect<A, E, R>
  ): Effect.Effect<A, E, R> =>
    Effect.flatMap(CurrentLease, (current) => {
      if (current === undefined) return outside(undefined)
      const lease = leaseOf(sessions, current)
      return lease === undefined ? outside(current) : inside(lease.session)
    })

  const shareLater = <A, E>(ask: (session: Session.Session) => Effect.Effect<A, E>) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(
        take(false, restore),
        (slot) => Effect.onExit(restore(ask(slot.session)), () => Effect.sync(() => sessions.giveBack(slot, false)))
      )
    )

  const share = <A, E>(ask: (session: Session.Session) => Effect.Effect<A, E>) =>
    Effect.suspend(() => {
      let slot: Slot | undefined
      const now = Effect.suspend((): Effect.Effect<A, E | PoolError.PoolError> => {
        slot = sessions.takeUnsafe(false)
        return slot === undefined ? shareLater(ask) : ask(slot.session)
      })
      // Who gives it back is there before it is taken, so that no interruption comes in between.
      return Effect.onExit(now, () => {
        if (slot !== undefined) sessions.giveBack(slot, false)
        return Effect.void
      })
    })

  const alone = <A, E, R>(
    ask: (session: Session.Session) => Effect.Effect<A, E, R>
  ): Effect.Effect<A, E | QueryError | PoolError.PoolError, R> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(take(true, restore), (slot) =>
        Effect.onExit(
          restore(Effect.andThen(welcome(slot), ask(slot.session))),
          () => Effect.sync(() => sessions.giveBack(slot, true))
        ))
    )

  const scoped = Effect.uninterruptibleMask((restore) =>
    Effect.gen(function*() {
      const slot = yield* Effect.acquireRelease(take(true, restore), (slot) =>
        Effect.sync(() => sessions.giveBack(slot, true)))
      yield* restore(welcome(slot))
      return slot.session
    })
  )

  /** What leaves a transaction open has failed: it is going to be rolled back, and nobody else may get into it. */
  const once = <A, E>(ask: (session: Session.Session) => Effect.Effect<A, E>) =>
    alone((session) =>
      Effect.flatMap(
        ask(session),
        (result): Effect.Effect<A, PoolError.PoolError> =>
          session.transactionStatus() === "I" ? Effect.succeed(result) : leftOpen
      )
    )

  const several = <A, E>(
    statements: ReadonlyArray<Statement | string>,
    ask: (session: Session.Session) => Effect.Effect<A, E>
  ): Effect.Effect<A, E | QueryError | PoolError.PoolError> =>
    within<A, E | QueryError | PoolError.PoolError, never>(
      ask,
      () => mayShare && !statements.some(isBegin) ? share(ask) : once(ask)
    )

  const one = <A>(
    statement: Statement | string,
    ask: (session: Session.Session) => Effect.Effect<A, QueryError>
  ): Effect.Effect<A, QueryError | PoolError.PoolError> => several([statement], ask)

  /** Whether the calling fiber is in a transaction. */
  const isInside = within<boolean, never, never>(() => Effect.succeed(true), () => Effect.succeed(false))

  const stream = <A>(
    ask: (session: Session.Session) => Stream.Stream<A, QueryError>
  ): Stream.Stream<A, QueryError | PoolError.PoolError> =>
    Stream.unwrap(Effect.map(
      within<Session.Session, QueryError | PoolError.PoolError, Scope.Scope>(Effect.succeed, () => scoped),
      ask
    ))

  return {
    session: scoped,
    ...withDerived<PoolError.PoolError>({
      query: (statement) => one(statement, (session) => session.query(statement)),
      values: (statement) => one(statement, (session) => session.values(statement)),
      simple: (text) => {
        const ask = (session: Session.Session) => session.simple(text)
        return within<Effect.Success<ReturnType<typeof ask>>, QueryError | PoolError.PoolError, never>(
          ask,
          () => once(ask)
        )
      },
      columns: (statement) => one(statement, (session) => session.columns(statement)),
      execute: (statement) => one(statement, (session) => session.execute(statement)),
      describe: (statement) => one("", (session) => session.describe(statement)),
      batch: (statements) => several(statements, (session) => session.batch(statements)),
      pipeline: (statements) => several(statements, (session) => session.pipeline(statements)),
      prepare: (text, types) =>
        Effect.flatMap(
          within<Session.Session, QueryError | PoolError.PoolError, Scope.Scope>(Effect.succeed, () => scoped),
          (session) => session.prepare(text, types)
        ),
      call: (functionOid, args, returns) => one("", (session) => session.call(functionOid, args, returns)),
      stream: (statement, options) => stream((session) => session.stream(statement, options)),
      streamValues: (statement, options) => stream((session) => session.streamValues(statement, options)),
      copyIn: (statement, data) => {
        const ask = (session: Session.Session) => session.copyIn(statement, data)
        return within(ask, () => alone(ask))
      },
      copyOut: (statement) => stream((session) => session.copyOut(statement)),
      copyOutWith: (statement, makeReader) => stream((session) => session.copyOutWith(statement, makeReader)),
      transaction: (effect, options) =>
        within(
          (session) => session.transaction(effect, options),
          (outer) =>
            alone((session) => {
              const lease: Lease = { sessions, session, outer, isOver: false }
              return Effect.ensuring(
                session.transaction(Effect.provideService(effect, CurrentLease, lease), options),
                Effect.sync(() => {
                  lease.isOver = true
                })
              )
            })
        )
    }, isInside)
  }
}

/** What a pool is called in spans and metrics, by the conventions. */
const poolName = ({ database, endpoint, user }: ConnectionConfig.ConnectionConfig) => ({
  "db.client.connection.pool.name": `${Endpoint.format(endpoint)}/${database ?? user}`
})

/**
 * Makes a pool. Its first session is opened at once, so that a server that cannot be reached or a wrong password is known
 * from the start; the others follow when they are needed.
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
    Session.ConnectError | QueryError | ConfigError,
    Scope.Scope | Transport | Authenticate.Services
  > {
    const settings = yield* settingsOf(options)
    const context = yield* Effect.context<Scope.Scope | Transport | Authenticate.Services>()
    const types = new Types(yield* TypeRegistry.TypeRegistry)
    const clock = yield* Clock
    const scope = yield* Scope.make()
    const run = Effect.runForkWith(context)
    const telemetry = yield* Telemetry
    const name = poolName(config)
    const observer = new Observer(name, telemetry)
    const metrics = telemetry.metrics === true ? new PoolMetrics(name, context) : undefined
    const timed = (metric: Metric.Histogram<number>) => metrics === undefined ? identity : metrics.timed(metric)
    const sessions: Sessions = new Sessions(
      settings,
      // Each session has a scope of its own; what one of them learns of the server's types the others know. When there is none
      // left, the database may be another by now, with other types under the same OIDs.
      Effect.suspend(() => {
        if (sessions.stats().size === 0) types.forget()
        return Session.make(config)
      }).pipe(
        timed(connectionCreateTime),
        Effect.provideService(SharedTypes, types),
        Effect.provide(Context.omit(Scope.Scope)(context))
      ),
      clock,
      (effect) => run(Effect.forkIn(effect, scope, { startImmediately: true }))
    )
    yield* Effect.addFinalizer(() => Effect.andThen(sessions.drain, Scope.close(scope, Exit.void)))
    yield* sessions.openOne
    if (options.warmUp === true) { for (let i = 1; i < settings.min; i++) yield* sessions.openOne }
    yield* Effect.forkIn(sessions.run, scope, { startImmediately: true })
    if (metrics !== undefined) {
      yield* Effect.forkIn(metrics.keep(() => sessions.stats(), settings), scope, { startImmediately: true })
    }
    const timedWait = timed(connectionWaitTime)
    return {
      ...queriesOf(
        sessions,
        options,
        (wait) => observer.effect({ name: "hyperfect.acquire" }, timedWait(wait))
      ),
      ...yield* Notifications.make(config, options.notifications),
      get server() {
        return sessions.last.server
      },
      get authentication() {
        return sessions.last.authentication
      },
      stats: () => sessions.stats()
    }
  }
)

type LayerError = Session.ConnectError | QueryError | ConfigError

/** A pool is a client, and listens to channels too. */
const layerOf = <E, R>(
  config: Effect.Effect<ConnectionConfig.ConnectionConfig, E, R>,
  options: Options | undefined
): Layer.Layer<
  Client | Notifications.Notifications,
  LayerError | E,
  Transport | Authenticate.Services | Exclude<R, Scope.Scope>
> =>
  Layer.effectContext(
    Effect.map(
      Effect.flatMap(config, (config) => make(config, options)),
      (pool) => Context.make(Client, pool).pipe(Context.add(Notifications.Notifications, pool))
    )
  )

/**
 * A client over a pool, which is made with the layer and closed with it. It listens to channels, too.
 *
 * @see {@link make}
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  config: ConnectionConfig.ConnectionConfig,
  options?: Options
): Layer.Layer<Client | Notifications.Notifications, LayerError, Transport | Authenticate.Services> =>
  layerOf(Effect.succeed(config), options)

/**
 * A client over a pool of sessions with the server that a connection URI names.
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
 *   return yield* client.query(Statement.sql`select id, email from users where id = ${42}`)
 * })
 *
 * const Live = Pool.layerUri("postgresql://app@db.example/shop", { max: 20, acquireTimeout: "2 seconds" }).pipe(
 *   Layer.provide(NodePlatform.layer)
 * )
 *
 * const main = Effect.provide(program, Live)
 * ```
 *
 * @see {@link ConnectionConfig.fromUri} for what may be in it
 *
 * @category layers
 * @since 0.1.0
 */
export const layerUri = (
  uri: string,
  options?: Options
): Layer.Layer<Client | Notifications.Notifications, LayerError, Transport | Authenticate.Services> =>
  layerOf(ConnectionConfig.fromUri(uri), options)

/**
 * A client over a pool of sessions with the server that a connection string, the `PG*` environment and libpq's files
 * describe.
 *
 * @see {@link ConnectionConfig.load} for where it looks
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  text?: string,
  options?: Options
): Layer.Layer<
  Client | Notifications.Notifications,
  LayerError,
  Transport | Authenticate.Services | FileSystem.FileSystem
> => layerOf(ConnectionConfig.load(text), options)
