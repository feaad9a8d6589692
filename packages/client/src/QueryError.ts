/**
 * Errors of an open session.
 *
 * @since 0.1.0
 */
import { type ProtocolError, TaggedError } from "@hyperfect/protocol/ProtocolError"
import type { TransportError } from "@hyperfect/transport/TransportError"
import type { ObjectRow } from "@hyperfect/values/RowReader"
import type { ValueError } from "@hyperfect/values/ValueError"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type { QueryResult } from "./QueryResult.ts"
import type { ServerError } from "./ServerError.ts"

const products = { hyper: "Hyper", postgres: "PostgreSQL" } as const

/**
 * A feature that the server does not support; refused before anything was sent.
 *
 * @category errors
 * @since 0.1.0
 */
export class UnsupportedError extends TaggedError<UnsupportedError>()("UnsupportedError", {
  feature: Schema.String,
  server: Schema.Literals(["hyper", "postgres"]),
  /** The whole message, if the client is the reason, or another method has to be used. */
  problem: Schema.optionalKey(Schema.String)
}, ({ feature, problem, server }) => {
  if (problem !== undefined) return problem
  return `${feature}: not supported by ${products[server]}`
}) {}

/**
 * The server answered COMMIT with a rollback, because a statement of the transaction had failed.
 *
 * @category errors
 * @since 0.1.0
 */
export class TransactionRolledBack extends TaggedError<TransactionRolledBack>()(
  "TransactionRolledBack",
  {},
  () => "the transaction was rolled back: a statement in it had failed"
) {}

/**
 * A statement was not sent, because the transaction or savepoint of its fiber has ended.
 *
 * **Details**
 *
 * A fiber inherits the transaction that it was started in, even if it outlives it. Statements left over from a
 * transaction that was rolled back must not be committed separately, so they are refused. After a commit they run
 * outside the transaction.
 *
 * - `"rolled back"`: the transaction failed, was interrupted, or was rolled back by the server.
 * - `"unknown"`: COMMIT was sent, and its outcome is not known.
 * - `"ended by a statement"`: a statement in it ended it, such as a procedure that commits.
 * - `"committed"`: it was committed while a stream or COPY in it was about to begin.
 *
 * @see `Query.outsideTransaction` for work that is started inside and is not part of it
 *
 * @category errors
 * @since 0.1.0
 */
export class TransactionEnded extends TaggedError<TransactionEnded>()("TransactionEnded", {
  outcome: Schema.Literals(["committed", "rolled back", "unknown", "ended by a statement"]),
  isSavepoint: Schema.Boolean
}, (self) => {
  const subject = self.isSavepoint ? "savepoint" : "transaction"
  const outcome = {
    "committed": "was committed",
    "rolled back": "was rolled back",
    "unknown": "has ended, it is not known how",
    "ended by a statement": "was ended by a statement in it"
  }[self.outcome]
  return `the ${subject} that this fiber works in ${outcome}: nothing more is run in it`
}) {}

/**
 * A statement inside `transaction` that begins or ends a transaction. It was not sent, since `transaction` does that
 * itself.
 *
 * @category errors
 * @since 0.1.0
 */
export class TransactionCommandRefused extends TaggedError<TransactionCommandRefused>()("TransactionCommandRefused", {
  /** Such as `COMMIT`. */
  command: Schema.String
}, ({ command }) => `${command} inside \`transaction\`, which begins with its effect and ends with it`) {}

/**
 * A query exceeded its time limit. It was cancelled on the server; the outcome is not known.
 *
 * @category errors
 * @since 0.1.0
 */
export class QueryTimeout extends TaggedError<QueryTimeout>()("QueryTimeout", {
  milliseconds: Schema.Number
}, ({ milliseconds }) => `no result within ${milliseconds} ms`) {}

/**
 * The part of a statement that the server can have received.
 *
 * **Details**
 *
 * - `"nothing"`: it has not run. No byte of it was written; or the server refused it before running it, such as a
 *   prepared statement whose table was altered; or the server ended the session for being idle (57P05, 25P03), so it
 *   had not read any of it.
 * - `"unknown"`: it was written, and its response did not arrive, or not to its end. It may or may not have been committed.
 * - `"all"`: the server responded to it: with an error, after which nothing of it is committed, or with a result that could
 *   not be read.
 *
 * @category models
 * @since 0.1.0
 */
export type Sent = "nothing" | "unknown" | "all"

/**
 * The context of an error: the statement that it is about.
 *
 * **Details**
 *
 * The error's stack begins where the statement was written with `Statement.sql`, or, for a text, where the program first
 * ran it; it is followed by the line of the statement at the server's position, with literals masked, and by the
 * functions made by `Effect.fn` and the spans of the calling fiber. The last 1,024 texts of up to 4,096 characters
 * are kept with their places, but not in a program that is bundled with this package.
 *
 * @category models
 * @since 0.1.0
 */
export interface QueryContext {
  readonly sent: Sent
  /** The text, without parameters. Printed as `<redacted>`, since texts often contain data. */
  readonly statement: Redacted.Redacted<string>
  /**
   * True if repeating the same work may succeed and cannot do harm: the server rolled it back for a transient reason,
   * or it was never sent. After a failure in a transaction, the whole transaction has to be retried. False on a single
   * session that is dead, since it remains dead; a pool has others.
   */
  readonly isRetryable: boolean
  /**
   * For a text of several statements run by `simple`: the results of those before the one that failed. Without its own
   * BEGIN and COMMIT the whole text is one transaction, and their effects are rolled back.
   */
  readonly results?: ReadonlyArray<QueryResult<ObjectRow>> | undefined
}

type WithContext<E> = E extends unknown ? E & QueryContext : never

/**
 * A failure of a query or COPY.
 *
 * **Details**
 *
 * - `ServerError`: the server refused or failed; the session survives unless the error is fatal.
 * - `ValueError`: a parameter or a column could not be encoded or decoded; only this query is affected.
 * - `TransportError`, `ProtocolError`: the session is dead, and further queries on it fail with the same error.
 * - `UnsupportedError`: refused by the client, since the server does not support it.
 * - `QueryTimeout`: exceeded its time limit, and was cancelled.
 * - `TransactionEnded`, `TransactionCommandRefused`: refused for its effect on a transaction.
 *
 * **Example** (Retrying, and reporting what may have run)
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
export type QueryError = WithContext<Failure>

/**
 * A failure of a session, without the context of a statement.
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
  | TransactionEnded
  | TransactionCommandRefused
