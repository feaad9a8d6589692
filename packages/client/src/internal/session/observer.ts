/**
 * Spans and metrics of operations on one server.
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
import * as Metric from "effect/Metric"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as Tracer from "effect/Tracer"
import { type Dialect, postgres } from "../../Dialect.ts"
import * as Telemetry from "../../Telemetry.ts"

type Attributes = Readonly<Record<string, string | number>>

/** The attributes that all operations on a server share. */
export const serverAttributes = (
  dialect: Dialect | undefined,
  endpoint: Endpoint,
  database: string | undefined
): Attributes => ({
  // A server that was not reached is assumed to be PostgreSQL.
  "db.system.name": (dialect ?? postgres).systemName,
  ...database === undefined ? {} : { "db.namespace": database },
  "server.address": endpoint._tag === "Tcp" ? endpoint.host : endpoint.path,
  ...endpoint._tag === "Tcp" ? { "server.port": endpoint.port } : {}
})

const noStack = { captureStackTrace: false } as const

interface ErrorType {
  /** The SQLSTATE of a server error; otherwise the tag or name of the error. */
  readonly type: string
  /** The SQLSTATE of a server error, and its condition. */
  readonly sqlState?: string
  readonly condition?: string | undefined
}

/** Returns how an error is reported. */
export const errorType = (cause: Cause.Cause<unknown>): ErrorType => {
  const error = cause.reasons.find(Cause.isFailReason)?.error
  if (typeof error !== "object" || error === null || !("_tag" in error)) {
    return { type: Cause.hasInterruptsOnly(cause) ? "interrupted" : error === undefined ? "defect" : "_OTHER" }
  }
  const reason = "reason" in error ? error.reason as { readonly _tag?: string; readonly sqlState?: string } : {}
  return error._tag === "ServerError" && reason.sqlState !== undefined
    ? { type: reason.sqlState, sqlState: reason.sqlState, condition: reason._tag }
    : { type: `${String(error._tag)}${reason._tag === undefined ? "" : `.${reason._tag}`}` }
}

/** Removes the server's text, which may quote a value, from the exit of an operation. */
const redactExit = (exit: Exit.Exit<unknown, unknown>, error: ErrorType | undefined): Exit.Exit<unknown, unknown> => {
  if (error === undefined) return Exit.void
  if (error.sqlState === undefined) return exit
  const told = new Error(`${error.sqlState} ${error.condition}`)
  told.name = "ServerError"
  return Exit.fail(told)
}

/** The description of one operation. */
export interface Operation<A> {
  /** The name of a span that is not a database operation, and is not counted as one. */
  readonly name?: string | undefined
  readonly operation?: string | undefined
  readonly text?: string | undefined
  /** The number of operations that it comprises. */
  readonly size?: number | undefined
  /** Returns the number of rows of an answer; `undefined` if it has none to count. */
  readonly rows?: ((answer: A) => number) | undefined
  /** Returns the attributes that are known only at the end. */
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

  /** True if anything would be recorded. Reads only data that the fiber already has. */
  isEnabled(fiber: Fiber.Fiber<unknown, unknown>): boolean {
    return this.options.metrics === true || this.isTraced(fiber)
  }

  private isTraced({ cache }: Fiber.Fiber<unknown, unknown>): boolean {
    return cache.tracer !== undefined && cache.tracerEnabled && this.options.spans !== false
  }

  /** Observes an effect from start to end. */
  readonly effect = <A, E, R>(work: Operation<A>, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.withFiber((fiber) =>
      this.isEnabled(fiber)
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
  readonly stream = <A, E, R>(work: Operation<never>, stream: Stream.Stream<A, E, R>): Stream.Stream<A, E, R> =>
    Stream.unwrap(Effect.withFiber((fiber): Effect.Effect<Stream.Stream<A, E, R>, never, Scope.Scope> => {
      if (!this.isEnabled(fiber)) return Effect.succeed(stream)
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

  private begin(fiber: Fiber.Fiber<unknown, unknown>, { name, operation = "query", size, text }: Operation<never>) {
    const clock = fiber.getRef(Clock)
    const start = clock.monotonicTimeNanosUnsafe()
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
      end: (exit: Exit.Exit<unknown, unknown>, rows?: number): void => {
        const error = Exit.isFailure(exit) ? errorType(exit.cause) : undefined
        if (span !== undefined) {
          if (rows !== undefined) span.attribute("db.response.returned_rows", rows)
          if (error !== undefined) span.attribute("error.type", error.type)
          if (error?.sqlState !== undefined) span.attribute("db.response.status_code", error.sqlState)
          span.end(clock.currentTimeNanosUnsafe(), redactExit(exit, error))
        }
        if (this.options.metrics !== true || name !== undefined) return
        const { context } = fiber
        const seconds = Number(clock.monotonicTimeNanosUnsafe() - start) / 1e9
        this.record(context, Telemetry.operationDuration, seconds, operation, error?.type)
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
      own = Metric.withAttributes(metric, {
        ...stringAttributes(this.attributes),
        "db.operation.name": operation,
        ...error === undefined ? {} : { "error.type": error }
      })
      this.metrics.set(key, own)
    }
    own.updateUnsafe(value, context)
  }

  /** Counts the bytes of a connection. */
  countBytes(connection: Connection, context: Context.Context<never>): Connection {
    if (this.options.metrics !== true) return connection
    const of = (direction: "receive" | "transmit") =>
      Metric.withAttributes(Telemetry.io, { ...stringAttributes(this.attributes), "network.io.direction": direction })
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

/** Converts attributes to strings, as metrics require. */
export const stringAttributes = (attributes: Attributes): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(attributes).map(([key, value]) => [key, String(value)]))
