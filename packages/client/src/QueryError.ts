/**
 * Everything that can go wrong once a session is open.
 *
 * @since 0.1.0
 */
import type { ProtocolError } from "@hyperfect/protocol/ProtocolError"
import type { TransportError } from "@hyperfect/transport/TransportError"
import type { ValueError } from "@hyperfect/values/ValueError"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type { ServerError } from "./ServerError.ts"

/**
 * Something that the server at the other end cannot do, refused before it was asked.
 *
 * @category errors
 * @since 0.1.0
 */
export class UnsupportedError extends Schema.TaggedError<UnsupportedError>()("UnsupportedError", {
  feature: Schema.String,
  server: Schema.Literals(["hyper", "postgres"])
}) {
  override get message(): string {
    return `${this.feature}: not supported by ${this.server === "hyper" ? "Hyper" : "PostgreSQL"}`
  }

  /** Always false. */
  get isRetryable(): false {
    return false
  }
}

/**
 * A COMMIT that the server answered by rolling back, because a statement of the transaction had failed.
 *
 * @category errors
 * @since 0.1.0
 */
export class TransactionRolledBack extends Schema.TaggedError<TransactionRolledBack>()("TransactionRolledBack", {}) {
  override get message(): string {
    return "the transaction was rolled back: a statement in it had failed"
  }

  /** Always false: the failure that caused it was an error of its own. */
  get isRetryable(): false {
    return false
  }
}

/**
 * A query that was not done in its time. It was cancelled on the server; how that went is not known.
 *
 * @category errors
 * @since 0.1.0
 */
export class QueryTimeout extends Schema.TaggedError<QueryTimeout>()("QueryTimeout", {
  milliseconds: Schema.Number
}) {
  override get message(): string {
    return `no result within ${this.milliseconds} ms`
  }

  /** Always false: it may have run. */
  get isRetryable(): false {
    return false
  }
}

/**
 * How much of a statement the server can have got.
 *
 * **Details**
 *
 * - `"nothing"`: no byte of it was written. It has not run.
 * - `"unknown"`: it was written, and nothing was heard of it. It may have run, or not.
 * - `"all"`: the server answered it, to its end or in part.
 *
 * @category models
 * @since 0.1.0
 */
export type Sent = "nothing" | "unknown" | "all"

/**
 * What an error says of the statement that it is about.
 *
 * **Details**
 *
 * The stack of the error begins where the statement was written, if that was with `Statement.sql`, and goes on with the
 * functions made by `Effect.fn` and the spans that the calling fiber was in.
 *
 * @category models
 * @since 0.1.0
 */
export interface Circumstances {
  readonly sent: Sent
  /** Its text, without the parameters; printed as `<redacted>`, for texts are often made of data. */
  readonly statement: Redacted.Redacted<string>
  /**
   * Whether the same, done again, may succeed and can do no harm: the server has rolled it back for a reason that passes,
   * or it was never sent. What a transaction fails with is to be tried again with the whole transaction.
   */
  readonly isRetryable: boolean
}

type About<E> = E extends unknown ? E & Circumstances : never

/**
 * A failure of a query or COPY.
 *
 * **Details**
 *
 * - `ServerError`: the server refused or failed; the session lives on unless it is fatal.
 * - `ValueError`: a parameter or a column could not be written or read; only this query is concerned.
 * - `TransportError`, `ProtocolError`: the session is dead, and whoever uses it next is told the same.
 * - `UnsupportedError`: refused by the client for what the server cannot do.
 * - `QueryTimeout`: not done in time, and cancelled.
 *
 * **Example** (What was sent)
 *
 * ```ts
 * import { Client, Statement } from "@hyperfect/client"
 * import { Effect, Redacted } from "effect"
 *
 * const insert = Effect.gen(function*() {
 *   const client = yield* Client.Client
 *   return yield* client.execute(Statement.sql`insert into events values (${1})`)
 * }).pipe(
 *   Effect.retry({ times: 3, while: (error) => error.isRetryable }),
 *   Effect.tapError((error) =>
 *     error._tag === "TransportError" && error.sent === "unknown"
 *       ? Effect.logWarning(`may have run: ${Redacted.value(error.statement)}`)
 *       : Effect.void
 *   )
 * )
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export type QueryError = About<Failure>

/**
 * A failure of a session, which is not about a statement.
 *
 * @category errors
 * @since 0.1.0
 */
export type Failure =
  | ServerError
  | ValueError
  | TransportError
  | ProtocolError
  | UnsupportedError
  | QueryTimeout
