/**
 * What can be asked of a server, on a session of one's own or through a client.
 *
 * @since 0.1.0
 */
import type * as CopyFormat from "@hyperfect/values/CopyFormat"
import type { Parameter } from "@hyperfect/values/Parameter"
import type { ArrayRow, ObjectRow } from "@hyperfect/values/RowReader"
import type * as Type from "@hyperfect/values/Type"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Outcome from "effect/Result"
import type * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { QueryError, TransactionRolledBack } from "./QueryError.ts"
import type { ColumnsResult, FieldDescription, Result } from "./Result.ts"
import type { RowError } from "./RowError.ts"
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
  /** Waits for a moment in which a serializable transaction that only reads can be in no conflict. */
  readonly deferrable?: boolean | undefined
}

/**
 * How a transaction is begun, and begun again.
 *
 * @category models
 * @since 0.1.0
 */
export interface RetryOptions extends TransactionOptions {
  /** When to try again; seven times within about a second when absent. */
  readonly schedule?: Schedule.Schedule<unknown, unknown> | undefined
}

/**
 * What a batch can fail with. That a transaction was rolled back can only be on Hyper, where a batch is one.
 *
 * @category errors
 * @since 0.1.0
 */
export type BatchError = QueryError | TransactionRolledBack

/**
 * What a statement did, without its rows.
 *
 * @category models
 * @since 0.1.0
 */
export interface Executed {
  /** What the server says it did, such as `INSERT 0 5`; empty when there was nothing to do. */
  readonly commandTag: string
  /** The number at the end of the command tag: rows touched. */
  readonly rowCount: number | undefined
}

/**
 * What a server says of a statement that it has not run.
 *
 * @category models
 * @since 0.1.0
 */
export interface Description {
  /** The oids of the parameters' types. Hyper repeats what it was told: 0 for what it will find out by itself. */
  readonly parameterTypes: ReadonlyArray<number>
  /** The columns; none when the statement returns no rows. */
  readonly fields: ReadonlyArray<FieldDescription>
}

/**
 * How rows are asked for.
 *
 * @category models
 * @since 0.1.0
 */
export interface StreamOptions {
  /**
   * How many rows the server is asked for at a time. When absent it sends what it has, as fast as they are read.
   *
   * With it, leaving the stream early needs no cancelling. On PostgreSQL it is a portal; on Hyper a cursor of SQL, which
   * can have no parameters.
   */
  readonly fetchSize?: number | undefined
}

/**
 * A statement that its session keeps until a scope closes.
 *
 * **Details**
 *
 * The values are those of `$1`, `$2` ..., in this order.
 *
 * @category models
 * @since 0.1.0
 */
export interface PreparedStatement extends Description {
  readonly query: (...parameters: ReadonlyArray<unknown>) => Effect.Effect<Result<ObjectRow>, QueryError>
  readonly values: (...parameters: ReadonlyArray<unknown>) => Effect.Effect<Result<ArrayRow>, QueryError>
  readonly columns: (...parameters: ReadonlyArray<unknown>) => Effect.Effect<ColumnsResult, QueryError>
  readonly execute: (...parameters: ReadonlyArray<unknown>) => Effect.Effect<Executed, QueryError>
  readonly stream: (...parameters: ReadonlyArray<unknown>) => Stream.Stream<ObjectRow, QueryError>
  readonly streamValues: (...parameters: ReadonlyArray<unknown>) => Stream.Stream<ArrayRow, QueryError>
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
 * - Values are read as the client's `Preset` says, lossless unless told, or as the statement's own (`Statement.withPreset`).
 * - Rows are valid only when the effect succeeds, or the stream ends: a server may send rows and fail after them.
 * - Types that users and extensions have made are looked up in PostgreSQL's catalogue when a statement has one: enums,
 *   composite types, domains, ranges, and arrays of them, come and go as plain values. {@link simple} gives their text, and so
 *   does everything where no statements are kept (`statementCacheSize: 0`), for there nothing is described beforehand. A type
 *   that is altered is looked up again when its values no longer fit; a field that is only renamed keeps its old name until
 *   the client is made anew.
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
  /** Runs a statement that gives one row. None, or more than one, is a `RowError`. */
  readonly one: (statement: Statement | string) => Effect.Effect<ObjectRow, QueryError | RowError | E>
  /** Runs a statement that gives one row or none. More than one is a `RowError`. */
  readonly optional: (
    statement: Statement | string
  ) => Effect.Effect<Option.Option<ObjectRow>, QueryError | RowError | E>
  /** Runs a statement for what it does. Its rows, if it has any, are dropped as they come. */
  readonly execute: (statement: Statement | string) => Effect.Effect<Executed, QueryError | E>
  /**
   * Runs statements in one transaction, in one round trip where PostgreSQL knows them already: all of them are done, or
   * none. The error is that of the first one that fails; those behind it are not run.
   *
   * For Hyper, which would commit each by itself, they are put between BEGIN and COMMIT and sent one by one. Inside
   * {@link transaction} they are part of it, and it fails with them.
   */
  readonly batch: (
    statements: ReadonlyArray<Statement | string>
  ) => Effect.Effect<ReadonlyArray<Result<ObjectRow>>, BatchError | E>
  /**
   * Sends statements at once on one session, and gives what became of each. They are run in this order, each in a
   * transaction of its own; when one fails, the others are run all the same.
   */
  readonly pipeline: (
    statements: ReadonlyArray<Statement | string>
  ) => Effect.Effect<ReadonlyArray<Outcome.Result<Result<ObjectRow>, QueryError>>, QueryError | E>
  /**
   * Asks the server what parameters and columns a statement has, without running it.
   *
   * The values of a statement's parameters only tell their types; a text for PostgreSQL needs none.
   */
  readonly describe: (statement: Statement | string) => Effect.Effect<Description, QueryError | E>
  /**
   * Prepares a statement and keeps it until the scope closes. Where sessions are shared, it has one to itself so long.
   *
   * PostgreSQL finds out the types of the parameters that are not given; Hyper wants them all.
   *
   * Hyper's statements do not notice that a table is made anew: they go on reading the old one.
   */
  readonly prepare: (
    text: string,
    types?: ReadonlyArray<Type.Any>
  ) => Effect.Effect<PreparedStatement, QueryError | E, Scope.Scope>
  /**
   * Calls a function by its oid, with the protocol's message for that; `null` is NULL. PostgreSQL only: Hyper would hang
   * up.
   *
   * The protocol's documentation calls it a legacy, for `select f($1)` does the same. It is the way to the functions of
   * large objects that libpq goes.
   */
  readonly call: <A, I>(
    functionOid: number,
    args: ReadonlyArray<Parameter>,
    returns: Type.Type<A, I>
  ) => Effect.Effect<A | null, QueryError | E>
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
  readonly stream: (
    statement: Statement | string,
    options?: StreamOptions
  ) => Stream.Stream<ObjectRow, QueryError | E>
  /** As {@link stream}, with rows as arrays. */
  readonly streamValues: (
    statement: Statement | string,
    options?: StreamOptions
  ) => Stream.Stream<ArrayRow, QueryError | E>
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
   * Runs a COPY ... TO STDOUT and hands out the rows that a reader finds in its bytes, as {@link stream} does.
   *
   * `Copy.from` makes the statement and the reader.
   */
  readonly copyOutWith: <Row>(
    statement: Statement | string,
    makeReader: () => CopyFormat.Reader<Row>
  ) => Stream.Stream<Row, QueryError | E>
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
  /**
   * As {@link transaction}, and does it again when the server says that it was in conflict with another one:
   * serialization failures and deadlocks.
   *
   * The effect is run again from its beginning, so what it does besides its statements is done again too. Inside another
   * transaction it is a savepoint that is not tried again: the server wants the whole transaction repeated.
   */
  readonly retryTransaction: <A, E1, R>(
    effect: Effect.Effect<A, E1, R>,
    options?: RetryOptions
  ) => Effect.Effect<A, E1 | QueryError | TransactionRolledBack | E, R>
}
