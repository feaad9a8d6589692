/**
 * Spans and metrics of a client, by OpenTelemetry's semantic conventions for databases.
 *
 * **Spans** are made if a tracer is provided; without one, or where it is disabled, a query has no overhead. They have
 * the kind `client`, one for each query, stream, COPY and transaction, named after the command and the database, such
 * as `SELECT shop`; opening a session is `hyperfect.connect`, waiting for one of a pool `hyperfect.acquire`. Their
 * attributes:
 *
 * - `db.system.name`: `postgresql`, or `hyper`, which is not in the conventions;
 * - `db.namespace`: the database; `server.address` and `server.port`: the server of this session;
 * - `db.operation.name`: the command, such as `SELECT`; `db.query.text`: the text. In a text without parameters each
 *   literal is replaced by a question mark;
 * - `hyperfect.role` and `hyperfect.fallback` of a read-only transaction of `Replicas`: `standby` or `primary`, and the
 *   type of the reason for the primary;
 * - `db.response.returned_rows`; on failure `db.response.status_code`, the SQLSTATE, and `error.type`, the same or the
 *   tag of the error.
 *
 * **Metrics** are Effect's, and are recorded where {@link layer} is provided.
 *
 * **Comments** on statements show in the server's logs which part of a program has sent them; see {@link withComment}.
 *
 * None of them contains parameters, rows or passwords. Of a server error a span has the condition, not the text, which
 * may quote a value. Names of tables and columns are shown.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import { type Comment, CurrentComment } from "./internal/model/comment.ts"

export type { Comment } from "./internal/model/comment.ts"

/**
 * The spans, metrics and logs to make.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** True to make spans if there is a tracer; true when absent. */
  readonly spans?: boolean | undefined
  /** True to include `db.query.text` in the attributes; true when absent. */
  readonly queryText?: boolean | undefined
  /** True to record metrics; false when absent. */
  readonly metrics?: boolean | undefined
  /**
   * True to log notices of the server, including those of the login: warnings as warnings, others as information or
   * debug messages; false when absent. Their texts may quote values.
   */
  readonly logNotices?: boolean | undefined
  /**
   * The values of a comment that is sent with each statement, with those of {@link withComment}; without comments when
   * absent. Empty if all of them are from `withComment`.
   */
  readonly comments?: Comment | undefined
  /**
   * True to add the `traceparent` of the current span, if it is sampled, to the comments of statements that are not kept
   * prepared; false when absent.
   */
  readonly traceComments?: boolean | undefined
}

/**
 * The options of the sessions and pools made in this context.
 *
 * @category references
 * @since 0.1.0
 */
export const Telemetry: Context.Reference<Options> = Context.Reference<Options>("@hyperfect/client/Telemetry", {
  defaultValue: () => ({})
})

/**
 * Observes the clients that are made with it, including metrics unless the options disable them.
 *
 * **Example** (Metrics of a pool)
 *
 * ```ts
 * import { Client, Pool, Telemetry } from "@hyperfect/client"
 * import { NodePlatform } from "@hyperfect/node"
 * import { Effect, Layer, Metric } from "effect"
 *
 * const Live = Pool.layerUri("postgresql://app@db.example/shop").pipe(
 *   Layer.provide(Telemetry.layer()),
 *   Layer.provide(NodePlatform.layer)
 * )
 *
 * const program = Effect.gen(function*() {
 *   const client = yield* Client.Client
 *   yield* client.query("select 1")
 *   return yield* Metric.dump // or an exporter of OpenTelemetry
 * }).pipe(Effect.provide(Live))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options = {}): Layer.Layer<never> =>
  Layer.succeed(Telemetry, { metrics: true, ...options })

/**
 * Adds values to the comments of the statements of an effect, for sessions and pools with the option `comments`.
 *
 * **When to use**
 *
 * Use to show in the server's logs and in `pg_stat_activity` the part of a program that has sent a statement.
 *
 * **Details**
 *
 * The format is that of the sqlcommenter specification: `/*name='value'*\/` on a line behind the text, sorted by name,
 * with names and values percent-encoded, so that no value can end the comment. Inner values override outer ones, and
 * those of the options; `undefined` removes one. Every query, stream, COPY, batch and prepared statement has a comment,
 * including those whose text already has one; only a text with an open `/*` has none. The client's own commands have
 * none either, such as BEGIN, COMMIT and LISTEN. Spans and errors have the text without it.
 *
 * A statement that the program prepares keeps the comment that it was prepared with.
 *
 * **Gotchas**
 *
 * Statements with different comments are prepared separately: a value that differs with each query, such as the number
 * of a request, defeats the cache of prepared statements, unless `Statement.unprepared` or `statementCacheSize: 0` is
 * used. That is why `traceComments` adds traces only to statements that are not kept prepared; these include all on
 * Hyper.
 *
 * The server stores and shows the comment like the text, to everyone who may see that. `pg_stat_activity` cuts texts off
 * after `track_activity_query_size` bytes, 1024 by default, and with them the comment.
 *
 * **Example** (The route of a request)
 *
 * ```ts
 * import { Client, Pool, Telemetry } from "@hyperfect/client"
 * import { NodePlatform } from "@hyperfect/node"
 * import { Effect, Layer } from "effect"
 *
 * const Live = Pool.layerUri("postgresql://app@db.example/shop").pipe(
 *   Layer.provide(Telemetry.layer({ comments: { application: "shop" } })),
 *   Layer.provide(NodePlatform.layer)
 * )
 *
 * const orders = Effect.gen(function*() {
 *   const client = yield* Client.Client
 *   return yield* client.query("select * from orders") // and /*application='shop',route='%2Forders'*\/
 * }).pipe(Telemetry.withComment({ route: "/orders" }), Effect.provide(Live))
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const withComment: {
  (comment: Comment): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  <A, E, R>(self: Effect.Effect<A, E, R>, comment: Comment): Effect.Effect<A, E, R>
} = dual(
  2,
  <A, E, R>(self: Effect.Effect<A, E, R>, comment: Comment): Effect.Effect<A, E, R> =>
    Effect.updateService(self, CurrentComment, (outer) => ({ ...outer, ...comment }))
)

/** The bucket boundaries that the conventions recommend for durations, in seconds. */
const seconds = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10]

/**
 * The duration of operations in seconds, by `db.operation.name` and `error.type`.
 *
 * @category metrics
 * @since 0.1.0
 */
export const operationDuration: Metric.Histogram<number> = Metric.histogram("db.client.operation.duration", {
  description: "Duration of database client operations, in seconds",
  boundaries: seconds
})

/**
 * The number of rows per result.
 *
 * @category metrics
 * @since 0.1.0
 */
export const returnedRows: Metric.Histogram<number> = Metric.histogram("db.client.response.returned_rows", {
  description: "Rows that operations returned",
  boundaries: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000]
})

/**
 * Bytes on the connections of logged-in sessions, by `network.io.direction`, `transmit` or `receive`.
 *
 * @category metrics
 * @since 0.1.0
 */
export const io: Metric.Counter<number> = Metric.counter("hyperfect.client.io", {
  description: "Bytes sent and received",
  incremental: true
})

/**
 * Sessions of a pool, by `db.client.connection.state`, `idle` or `used`. Updated every second, as the other gauges of a
 * pool.
 *
 * @category metrics
 * @since 0.1.0
 */
export const connectionCount: Metric.Gauge<number> = Metric.gauge("db.client.connection.count", {
  description: "Sessions that are open"
})

/**
 * The maximum number of sessions of a pool.
 *
 * @category metrics
 * @since 0.1.0
 */
export const connectionMax: Metric.Gauge<number> = Metric.gauge("db.client.connection.max", {
  description: "Sessions that may be open"
})

/**
 * The number of sessions that a pool always keeps.
 *
 * @category metrics
 * @since 0.1.0
 */
export const connectionIdleMin: Metric.Gauge<number> = Metric.gauge("db.client.connection.idle.min", {
  description: "Sessions that are always kept"
})

/**
 * The number of callers that wait for a session.
 *
 * @category metrics
 * @since 0.1.0
 */
export const pendingRequests: Metric.Gauge<number> = Metric.gauge("db.client.connection.pending_requests", {
  description: "Requests that wait for a session"
})

/**
 * The number of callers that timed out waiting for a session.
 *
 * @category metrics
 * @since 0.1.0
 */
export const connectionTimeouts: Metric.Counter<number> = Metric.counter("db.client.connection.timeouts", {
  description: "Requests for a session that were given up",
  incremental: true
})

/**
 * The time to open a session, in seconds.
 *
 * @category metrics
 * @since 0.1.0
 */
export const connectionCreateTime: Metric.Histogram<number> = Metric.histogram("db.client.connection.create_time", {
  description: "Time to open a session, in seconds",
  boundaries: seconds
})

/**
 * The time that callers waited for a session, in seconds. Sessions acquired at once are not counted.
 *
 * @category metrics
 * @since 0.1.0
 */
export const connectionWaitTime: Metric.Histogram<number> = Metric.histogram("db.client.connection.wait_time", {
  description: "Time to wait for a session, in seconds",
  boundaries: seconds
})
