/**
 * What can be seen of a client from outside: spans and metrics, by the conventions of OpenTelemetry for databases.
 *
 * **Spans** are made as soon as a tracer is provided, and only then: without one, or where it is off, a query costs nothing
 * more. They are of the kind `client`, one for each query, stream, COPY and transaction, named after the command and the
 * database, such as `SELECT shop`; opening a session is `hyperfect.connect`, waiting for one of a pool
 * `hyperfect.acquire`. What they say:
 *
 * - `db.system.name`: `postgresql`, or `hyper`, which the conventions do not know;
 * - `db.namespace`: the database; `server.address` and `server.port`: the server of this session;
 * - `db.operation.name`: the command, such as `SELECT`; `db.query.text`: the text. In a text without parameters each
 *   literal is a question mark;
 * - `db.response.returned_rows`; and of failures `db.response.status_code`, the SQLSTATE, and `error.type`, the same or
 *   the tag of the error.
 *
 * **Metrics** are Effect's, and are counted where {@link layer} says so.
 *
 * Parameters, rows and passwords are in none of them, and of an error of the server a span has the condition, not the
 * text, which may quote a value. What a program writes into the names of its tables and columns is shown.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"

/**
 * What is observed.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Whether spans are made where there is a tracer; true when absent. */
  readonly spans?: boolean | undefined
  /** Whether `db.query.text` is among their attributes; true when absent. */
  readonly queryText?: boolean | undefined
  /** Whether metrics are counted; false when absent. */
  readonly metrics?: boolean | undefined
}

/**
 * What is observed of the sessions and pools that are made from here on.
 *
 * @category references
 * @since 0.1.0
 */
export const Telemetry: Context.Reference<Options> = Context.Reference<Options>("@hyperfect/client/Telemetry", {
  defaultValue: () => ({})
})

/**
 * Observes the clients that are made with it: metrics, too, unless the options say otherwise.
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

/** The boundaries that the conventions advise for durations, in seconds. */
const seconds = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10]

/**
 * Seconds that operations took, by `db.operation.name` and `error.type`.
 *
 * @category metrics
 * @since 0.1.0
 */
export const operationDuration: Metric.Histogram<number> = Metric.histogram("db.client.operation.duration", {
  description: "Duration of database client operations, in seconds",
  boundaries: seconds
})

/**
 * Rows of results.
 *
 * @category metrics
 * @since 0.1.0
 */
export const returnedRows: Metric.Histogram<number> = Metric.histogram("db.client.response.returned_rows", {
  description: "Rows that operations returned",
  boundaries: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000]
})

/**
 * Bytes on the lines of sessions that are logged in, by `network.io.direction`, `transmit` or `receive`.
 *
 * @category metrics
 * @since 0.1.0
 */
export const io: Metric.Counter<number> = Metric.counter("hyperfect.client.io", {
  description: "Bytes sent and received",
  incremental: true
})

/**
 * Sessions of a pool, by `db.client.connection.state`, `idle` or `used`. As the other numbers of a pool it is brought up
 * to date every second.
 *
 * @category metrics
 * @since 0.1.0
 */
export const connectionCount: Metric.Gauge<number> = Metric.gauge("db.client.connection.count", {
  description: "Sessions that are open"
})

/**
 * How many sessions a pool may have.
 *
 * @category metrics
 * @since 0.1.0
 */
export const connectionMax: Metric.Gauge<number> = Metric.gauge("db.client.connection.max", {
  description: "Sessions that may be open"
})

/**
 * How many sessions a pool always keeps.
 *
 * @category metrics
 * @since 0.1.0
 */
export const connectionIdleMin: Metric.Gauge<number> = Metric.gauge("db.client.connection.idle.min", {
  description: "Sessions that are always kept"
})

/**
 * How many wait for a session.
 *
 * @category metrics
 * @since 0.1.0
 */
export const pendingRequests: Metric.Gauge<number> = Metric.gauge("db.client.connection.pending_requests", {
  description: "Requests that wait for a session"
})

/**
 * How often nobody got a session in time.
 *
 * @category metrics
 * @since 0.1.0
 */
export const connectionTimeouts: Metric.Counter<number> = Metric.counter("db.client.connection.timeouts", {
  description: "Requests for a session that were given up",
  incremental: true
})

/**
 * Seconds that opening a session took.
 *
 * @category metrics
 * @since 0.1.0
 */
export const connectionCreateTime: Metric.Histogram<number> = Metric.histogram("db.client.connection.create_time", {
  description: "Time to open a session, in seconds",
  boundaries: seconds
})

/**
 * Seconds that somebody waited for a session. Who gets one at once is not counted.
 *
 * @category metrics
 * @since 0.1.0
 */
export const connectionWaitTime: Metric.Histogram<number> = Metric.histogram("db.client.connection.wait_time", {
  description: "Time to wait for a session, in seconds",
  boundaries: seconds
})
