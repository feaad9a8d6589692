/**
 * What can be asked of a server, on a session of one's own or through a client.
 *
 * @since 0.1.0
 */
import type { ArrayRow, ObjectRow } from "@hyperfect/values/RowReader"
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { QueryError, TransactionRolledBack } from "./QueryError.ts"
import type { ColumnsResult, Result } from "./Result.ts"
import type { Statement } from "./Statement.ts"

/**
 * How a transaction is begun.
 *
 * @category models
 * @since 0.1.0
 */
export interface TransactionOptions {
  readonly isolation?: "read committed" | "repeatable read" | "serializable" | undefined
  readonly access?: "read write" | "read only" | undefined
}

/**
 * The outcome of a COPY into a table.
 *
 * @category models
 * @since 0.1.0
 */
export interface Copied {
  readonly commandTag: string
  /** The rows that the server counted. */
  readonly rowCount: number
}

/**
 * What can be asked of a server.
 *
 * **Details**
 *
 * - `E` is what can go wrong besides `QueryError`: nothing on a session, a `PoolError` where sessions are shared.
 * - A statement is a string, or what `Statement.sql` makes. Values go to the server as parameters, in binary where the
 *   type has it.
 * - Rows are valid only when the effect succeeds, or the stream ends: a server may send rows and fail after them.
 * - Interrupting any of these cancels it on the server.
 * - Inside {@link transaction} the same client, used by the same fiber or its children, works in the transaction.
 *
 * @category models
 * @since 0.1.0
 */
export interface Queries<out E = never> {
  /** Runs a statement and collects its rows as objects. Two columns of one name are a `ValueError`. */
  readonly query: (statement: Statement | string) => Effect.Effect<Result<ObjectRow>, QueryError | E>
  /** Runs a statement and collects its rows as arrays, one element a column. */
  readonly values: (statement: Statement | string) => Effect.Effect<Result<ArrayRow>, QueryError | E>
  /**
   * Runs a statement and collects its rows by columns, in typed arrays where the type has one: for numbers by the million,
   * in less time and memory than rows take. Columns may have any names.
   */
  readonly columns: (statement: Statement | string) => Effect.Effect<ColumnsResult, QueryError | E>
  /**
   * Runs text by the simple protocol, without parameters. All values arrive as text and are read from it.
   *
   * PostgreSQL runs several statements separated by semicolons, in one transaction; Hyper refuses them.
   */
  readonly simple: (text: string) => Effect.Effect<ReadonlyArray<Result<ObjectRow>>, QueryError | E>
  /**
   * Runs a statement and hands out its rows as they come, one network chunk at a time.
   *
   * A consumer that is slow slows the server; memory stays flat. Nobody else uses the session meanwhile; a consumer that
   * tries to, and would wait for itself, gets an `UnsupportedError`. Leaving the
   * stream early cancels the statement; in a transaction, which would fail with it, the rest is read and dropped.
   */
  readonly stream: (statement: Statement | string) => Stream.Stream<ObjectRow, QueryError | E>
  /** As {@link stream}, with rows as arrays. */
  readonly streamValues: (statement: Statement | string) => Stream.Stream<ArrayRow, QueryError | E>
  /**
   * Runs a COPY ... FROM STDIN with these bytes. Where one chunk ends and the next begins means nothing to the server.
   *
   * When the stream fails or is interrupted, the server is told why and keeps none of the rows.
   */
  readonly copyIn: <E1, R>(
    statement: Statement | string,
    data: Stream.Stream<Uint8Array, E1, R>
  ) => Effect.Effect<Copied, QueryError | E | E1, R>
  /** Runs a COPY ... TO STDOUT and hands out its bytes, as {@link stream} does. */
  readonly copyOut: (statement: Statement | string) => Stream.Stream<Uint8Array, QueryError | E>
  /**
   * Runs an effect in a transaction: committed when it succeeds, rolled back when it fails or is interrupted.
   *
   * Once a statement in it has failed, it can only be rolled back, also when the failure was caught.
   *
   * A transaction inside a transaction is a savepoint; Hyper has none, and there it is refused. So are transactions that
   * are read-only or serializable, which Hyper does not know either.
   */
  readonly transaction: <A, E1, R>(
    effect: Effect.Effect<A, E1, R>,
    options?: TransactionOptions
  ) => Effect.Effect<A, E1 | QueryError | TransactionRolledBack | E, R>
}
