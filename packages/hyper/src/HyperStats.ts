/**
 * Statistics of the statements that the Hyper server has run, from its log.
 *
 * @since 0.1.0
 */
import { Client, type ClientError } from "@hyperfect/client/Client"
import { literal, sql } from "@hyperfect/client/Statement"
import * as Clock from "effect/Clock"
import type * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import type * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { Hyperd } from "./Hyperd.ts"
import type { HyperdError } from "./HyperdError.ts"
import * as HyperdLog from "./HyperdLog.ts"
import { StatsError } from "./StatsError.ts"

/**
 * The outcome of a statement.
 *
 * @category models
 * @since 0.1.0
 */
export type Outcome =
  | { readonly _tag: "Succeeded"; readonly rows: number }
  | { readonly _tag: "Failed"; readonly sqlState: string | undefined; readonly message: string | undefined }
  | { readonly _tag: "Cancelled"; readonly by: string | undefined }

/**
 * The statistics of a statement.
 *
 * **Details**
 *
 * With the extended query protocol, which is used for everything except `client.simple`, a statement that is not kept
 * is logged twice: when it is prepared, and when it is executed.
 *
 * @category models
 * @since 0.1.0
 */
export interface QueryStats {
  /** The time of its end. */
  readonly at: DateTime.Utc
  /** The session, by a name that appears only in the log. */
  readonly session: string | undefined
  /** The number, within its session, of the client's message that ran it. */
  readonly request: string | undefined
  /** The text, which the server shortens if it is long. In that of a prepared statement all names are qualified. */
  readonly text: string
  /** True for the preparation of a statement. */
  readonly isPreparation: boolean
  readonly outcome: Outcome
  /** The whole time; `undefined` for a preparation. */
  readonly elapsed: Duration.Duration | undefined
  readonly parsing: Duration.Duration | undefined
  readonly compilation: Duration.Duration | undefined
  readonly execution: Duration.Duration | undefined
  /** The time for which it waited for a thread of the server. */
  readonly scheduling: Duration.Duration | undefined
  readonly commit: Duration.Duration | undefined
  /** The CPU time of all threads. */
  readonly cpu: Duration.Duration | undefined
  /** The rows that the operators have read. */
  readonly processedRows: number | undefined
  readonly peakMemoryBytes: number | undefined
  readonly resultBytes: number | undefined
  /** The use of the plan cache, such as `cache hit`. */
  readonly planCache: string | undefined
  /** Everything that the server reports about it; the properties differ between versions of Hyper. */
  readonly properties: Schema.Json
}

/** Returns the value at a path of a JSON object. */
const at = (json: Schema.Json | undefined, ...path: ReadonlyArray<string>): Schema.Json | undefined =>
  path.reduce<Schema.Json | undefined>(
    (value, name) =>
      typeof value === "object" && value !== null && !Array.isArray(value)
        ? (value as Schema.JsonObject)[name]
        : undefined,
    json
  )

const toString = (json: Schema.Json | undefined): string | undefined => typeof json === "string" ? json : undefined

const toNumber = (json: Schema.Json | undefined): number | undefined => typeof json === "number" ? json : undefined

const toDuration = (json: Schema.Json | undefined): Duration.Duration | undefined =>
  typeof json === "number" ? Duration.seconds(json) : undefined

const toBytes = (json: Schema.Json | undefined): number | undefined =>
  typeof json === "number" ? Math.round(json * 1024 * 1024) : undefined

const outcomeOf = (event: string, value: Schema.Json): Outcome =>
  event === "query-end"
    ? { _tag: "Succeeded", rows: toNumber(at(value, "rows")) ?? 0 }
    : event === "query-end-canceled"
    ? { _tag: "Cancelled", by: toString(at(value, "canceled-by")) }
    : { _tag: "Failed", sqlState: toString(at(value, "error-code")), message: toString(at(value, "error-message")) }

/** Returns the statistics in an entry of the log; none if it is not the end of a statement. */
const fromEntry = (entry: HyperdLog.Entry): QueryStats | undefined => {
  const { event, request, session, value } = entry
  if (!event.startsWith("query-end")) return undefined
  return {
    at: entry.at,
    session,
    request,
    text: toString(at(value, "query-trunc")) ?? "",
    isPreparation: at(value, "prepare-statement") === true,
    outcome: outcomeOf(event, value),
    elapsed: toDuration(at(value, "elapsed")),
    parsing: toDuration(at(value, "pre-execution", "parsing-time")),
    compilation: toDuration(at(value, "pre-execution", "compilation-time")),
    execution: toDuration(at(value, "execution", "elapsed")),
    scheduling: toDuration(at(value, "time-to-schedule")),
    commit: toDuration(at(value, "commit-time")),
    cpu: toDuration(at(value, "execution", "threads", "cpu-time")),
    processedRows: toNumber(at(value, "execution", "processed-rows", "total")),
    peakMemoryBytes: toBytes(at(value, "execution", "peak-transaction-memory-mb")),
    resultBytes: toBytes(at(value, "result-size-mb")),
    planCache: toString(at(value, "plan-cache-status")),
    properties: value
  }
}

/**
 * Streams the statistics of all statements of the server, of this and other programs, as `HyperdLog.stream` streams the
 * log.
 *
 * **Example** (Slow statements)
 *
 * ```ts
 * import { HyperStats } from "@hyperfect/hyper"
 * import { Duration, Effect, Stream } from "effect"
 *
 * export const slow = HyperStats.stream().pipe(
 *   Stream.filter(({ elapsed }) => elapsed !== undefined && Duration.toSeconds(elapsed) > 1),
 *   Stream.runForEach(({ elapsed, text }) => Effect.logWarning("slow statement", elapsed, text))
 * )
 * ```
 *
 * @see {@link measure} for those of an effect
 *
 * @category streams
 * @since 0.1.0
 */
export const stream = (
  options?: HyperdLog.Options
): Stream.Stream<QueryStats, HyperdError | PlatformError, Hyperd | FileSystem.FileSystem | Path.Path> =>
  Stream.unwrap(Effect.map(HyperdLog.open(options), statsOf))

const statsOf = <E, R>(entries: Stream.Stream<HyperdLog.Entry, E, R>): Stream.Stream<QueryStats, E, R> =>
  Stream.flattenIterable(Stream.map(entries, (entry) => [fromEntry(entry) ?? []].flat()))

let markers = 0

/** The time after which the server is certain to have written its log. */
const logTimeout = Duration.seconds(10)

/**
 * Runs an effect, and returns with its result the statistics of the statements that it has run.
 *
 * **Details**
 *
 * It runs one statement before the effect and one after it, and returns the statistics of those that the session has
 * run between them. It fails as the effect does. With a `StatsError` it fails if the log does not have them, because
 * the server logs less than usual or to another place, or if they ran on several sessions of a pool: on a pool, use it
 * inside a transaction.
 *
 * **Gotchas**
 *
 * Statements of other fibers on the same session are among them. With log files of a limited size some may be missing;
 * see `HyperdLog.stream`.
 *
 * **Example** (The memory of a query)
 *
 * ```ts
 * import { Client, Statement } from "@hyperfect/client"
 * import { Hyper, Hyperd, HyperStats } from "@hyperfect/hyper"
 * import { NodePlatform } from "@hyperfect/node"
 * import { Effect, Layer } from "effect"
 * import { strict as assert } from "node:assert"
 *
 * const program = Effect.gen(function*() {
 *   const client = yield* Client.Client
 *   const query = client.query(Statement.sql`select count(*) as n from generate_series(1, 100000)`)
 *   const [{ rows }, statistics] = yield* HyperStats.measure(query)
 *   assert.deepEqual(rows, [{ n: 100000n }])
 *   assert.deepEqual(statistics.at(-1)?.outcome, { _tag: "Succeeded", rows: 1 })
 * })
 *
 * const Live = Hyper.layer().pipe(Layer.provideMerge(Hyperd.layer()), Layer.provideMerge(NodePlatform.layer))
 *
 * await Effect.runPromise(Effect.provide(program, Live))
 * ```
 *
 * @category queries
 * @since 0.1.0
 */
export const measure = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<
  readonly [result: A, statistics: ReadonlyArray<QueryStats>],
  E | ClientError | HyperdError | PlatformError | StatsError,
  R | Client | Hyperd | FileSystem.FileSystem | Path.Path
> =>
  Effect.gen(function*() {
    const client = yield* Client
    const name = `hyperfect statistics ${yield* Clock.monotonicTimeNanos} ${++markers}`
    const mark = (position: string) => client.simple(sql`SELECT ${literal(`${name} ${position}`)}`.text)
    // The log is looked at before the first statement is sent.
    const log = yield* HyperdLog.open()
    yield* mark("begin")
    const result = yield* effect
    yield* mark("end")

    const gathered: Array<QueryStats> = []
    let session: string | undefined
    const end = yield* statsOf(log).pipe(
      Stream.filter((stats) => {
        const isMark = (position: string) => stats.text.includes(`'${name} ${position}'`)
        if (isMark("end")) return true
        if (isMark("begin")) session = stats.session
        else if (session !== undefined && stats.session === session) gathered.push(stats)
        return false
      }),
      Stream.runHead,
      Effect.timeoutOption(logTimeout),
      Effect.map(Option.flatten)
    )
    if (end._tag === "None" || session === undefined) return yield* new StatsError({ problem: "not-logged" })
    if (end.value.session !== session) return yield* new StatsError({ problem: "several-sessions" })
    return [result, gathered] as const
  })
