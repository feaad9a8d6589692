/**
 * Spans and metrics of pieces of work that are done with one server.
 *
 * @internal
 */
import type { Connection } from "@hyperfect/transport/Connection"
import type { Endpoint } from "@hyperfect/transport/Endpoint"
import * as Cause from "effect/Cause"
import { Clock } from "effect/Clock"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type * as Metric from "effect/Metric"
import * as Metrics from "effect/Metric"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as Tracer from "effect/Tracer"
import * as Telemetry from "../Telemetry.ts"

type Attributes = Readonly<Record<string, string | number>>

/** What is the same for everything that is asked of a server. */
export const attributesOf = (
  system: "hyper" | "postgres" | undefined,
  endpoint: Endpoint,
  database: string | undefined
): Attributes => ({
  // A server that has not been reached is taken for what it is most likely to be.
  "db.system.name": system === "hyper" ? "hyper" : "postgresql",
  ...database === undefined ? {} : { "db.namespace": database },
  "server.address": endpoint._tag === "Tcp" ? endpoint.host : endpoint.path,
  ...endpoint._tag === "Tcp" ? { "server.port": endpoint.port } : {}
})

const noStack = { captureStackTrace: false } as const

/** The SQLSTATE of an error of the server; else what the error calls itself. */
const errorType = (cause: Cause.Cause<unknown>): { readonly type: string; readonly sqlState?: string } => {
  const error = cause.reasons.find(Cause.isFailReason)?.error
  if (typeof error !== "object" || error === null || !("_tag" in error)) {
    return { type: Cause.hasInterruptsOnly(cause) ? "interrupted" : error === undefined ? "defect" : "_OTHER" }
  }
  const reason = "reason" in error ? error.reason as { readonly _tag?: string; readonly sqlState?: string } : {}
  return error._tag === "ServerError" && reason.sqlState !== undefined
    ? { type: reason.sqlState, sqlState: reason.sqlState }
    : { type: `${String(error._tag)}${reason._tag === undefined ? "" : `.${reason._tag}`}` }
}

/** How something ended, without the server's text, which may quote a value. */
const withoutText = (exit: Exit.Exit<unknown, unknown>): Exit.Exit<unknown, unknown> => {
  if (Exit.isSuccess(exit)) return Exit.void
  const error = exit.cause.reasons.find(Cause.isFailReason)?.error as
    | { readonly _tag?: string; readonly reason?: { readonly _tag?: string; readonly sqlState?: string } }
    | undefined
  if (error?._tag !== "ServerError") return exit
  const told = new Error(`${error.reason?.sqlState} ${error.reason?._tag}`)
  told.name = "ServerError"
  return Exit.fail(told)
}

/** What is said of one piece of work. */
interface Work<A> {
  /** The name of what is no operation of the database, and is not counted as one. */
  readonly name?: string | undefined
  readonly operation?: string | undefined
  readonly text?: string | undefined
  /** How many operations it is made of. */
  readonly size?: number | undefined
  /** How many rows an answer has; `undefined` when it has none to count. */
  readonly rows?: ((answer: A) => number) | undefined
  /** What is known better in the end. */
  readonly attributes?: ((answer: A) => Attributes) | undefined
}

/** @internal */
export class Observer {
  private readonly attributes: Attributes
  private readonly options: Telemetry.Options
  private readonly namespace: string
  private readonly metrics = new Map<string, Metric.Histogram<number>>()

  constructor(attributes: Attributes, options: Telemetry.Options) {
    this.attributes = attributes
    this.options = options
    const namespace = attributes["db.namespace"]
    this.namespace = namespace === undefined ? "" : ` ${namespace}`
  }

  /** Whether anybody would see anything; reads what the fiber has at hand already. */
  isOn(fiber: Fiber.Fiber<unknown, unknown>): boolean {
    return this.options.metrics === true || this.isTraced(fiber)
  }

  private isTraced({ cache }: Fiber.Fiber<unknown, unknown>): boolean {
    return cache.tracer !== undefined && cache.tracerEnabled && this.options.spans !== false
  }

  /** Observes an effect from its beginning to its end. */
  readonly effect = <A, E, R>(work: Work<A>, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.withFiber((fiber) =>
      this.isOn(fiber)
        ? Effect.uninterruptibleMask((restore) =>
          Effect.flatMap(this.begin(fiber, work), ({ end, span }) => {
            const inside = span === undefined ? effect : Effect.withParentSpan(effect, span, noStack)
            return Effect.onExit(
              restore(inside),
              (exit) =>
                Effect.sync(() => {
                  if (Exit.isFailure(exit)) return end(exit)
                  const learned = span === undefined ? undefined : work.attributes?.(exit.value)
                  for (const [key, value] of Object.entries(learned ?? {})) span!.attribute(key, value)
                  end(exit, work.rows?.(exit.value))
                })
            )
          })
        )
        : effect
    )

  /** Observes a stream from its first pull until its scope closes. */
  readonly stream = <A, E, R>(work: Work<never>, stream: Stream.Stream<A, E, R>): Stream.Stream<A, E, R> =>
    Stream.unwrap(Effect.withFiber((fiber): Effect.Effect<Stream.Stream<A, E, R>, never, Scope.Scope> => {
      if (!this.isOn(fiber)) return Effect.succeed(stream)
      let rows = 0
      let failure: Exit.Exit<never, E> | undefined
      return Effect.as(
        Effect.acquireRelease(
          this.begin(fiber, work),
          ({ end }, exit) => Effect.sync(() => end(failure ?? exit, work.rows === undefined ? undefined : rows))
        ),
        stream.pipe(
          Stream.mapArray((batch) => {
            rows += batch.length
            return batch
          }),
          Stream.tapCause((cause) =>
            Effect.sync(() => {
              failure = Exit.failCause(cause)
            })
          )
        )
      )
    }))

  private begin(
    fiber: Fiber.Fiber<unknown, unknown>,
    { name, operation = "query", size, text }: Work<never>
  ): Effect.Effect<{
    readonly span: Tracer.Span | undefined
    readonly end: (exit: Exit.Exit<unknown, unknown>, rows?: number) => void
  }> {
    const clock = fiber.getRef(Clock)
    const start = clock.currentTimeNanosUnsafe()
    const make: Effect.Effect<Tracer.Span | undefined> = this.isTraced(fiber)
      ? Effect.makeSpan(name ?? `${operation}${this.namespace}`, {
        kind: "client",
        attributes: {
          ...this.attributes,
          ...name === undefined ? { "db.operation.name": operation } : {},
          ...size === undefined ? {} : { "db.operation.batch.size": size },
          ...text === undefined || this.options.queryText === false ? {} : { "db.query.text": text }
        }
      })
      : Effect.succeed(undefined)
    return Effect.map(make, (span) => ({
      span,
      end: (exit, rows) => {
        const now = clock.currentTimeNanosUnsafe()
        const error = Exit.isFailure(exit) ? errorType(exit.cause) : undefined
        if (span !== undefined) {
          if (rows !== undefined) span.attribute("db.response.returned_rows", rows)
          if (error !== undefined) span.attribute("error.type", error.type)
          if (error?.sqlState !== undefined) span.attribute("db.response.status_code", error.sqlState)
          span.end(now, withoutText(exit))
        }
        if (this.options.metrics !== true || name !== undefined) return
        const { context } = fiber
        this.record(context, Telemetry.operationDuration, Number(now - start) / 1e9, operation, error?.type)
        if (rows !== undefined) this.record(context, Telemetry.returnedRows, rows, operation, undefined)
      }
    }))
  }

  private record(
    context: Context.Context<never>,
    metric: Metric.Histogram<number>,
    value: number,
    operation: string,
    error: string | undefined
  ): void {
    const key = `${metric.id} ${operation} ${error}`
    let own = this.metrics.get(key)
    if (own === undefined) {
      own = Metrics.withAttributes(metric, {
        ...asText(this.attributes),
        "db.operation.name": operation,
        ...error === undefined ? {} : { "error.type": error }
      })
      this.metrics.set(key, own)
    }
    own.updateUnsafe(value, context)
  }

  /** Counts the bytes of a line. */
  counted(connection: Connection, context: Context.Context<never>): Connection {
    if (this.options.metrics !== true) return connection
    const of = (direction: "receive" | "transmit") =>
      Metrics.withAttributes(Telemetry.io, { ...asText(this.attributes), "network.io.direction": direction })
    const [received, sent] = [of("receive"), of("transmit")]
    return {
      ...connection,
      pull: Effect.map(connection.pull, (chunks) => {
        received.updateUnsafe(chunks.reduce((size, { length }) => size + length, 0), context)
        return chunks
      }),
      write: (bytes) =>
        Effect.suspend(() => {
          sent.updateUnsafe(bytes.length, context)
          return connection.write(bytes)
        })
    }
  }
}

/** The attributes of metrics are text. */
export const asText = (attributes: Attributes): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(attributes).map(([key, value]) => [key, String(value)]))
