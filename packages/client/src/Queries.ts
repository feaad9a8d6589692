/**
 * Operations on a server, of a session and of a client.
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
import type { ColumnsResult, FieldDescription, QueryResult } from "./QueryResult.ts"
import type { RowError } from "./RowError.ts"
import type { Statement } from "./Statement.ts"

/**
 * Options of BEGIN, and what holds until the transaction ends.
 *
 * **Gotchas**
 *
 * Statements in the transaction can change settings and the role again, `RESET ROLE` included: they keep tenants apart only
 * if no tenant writes SQL.
 *
 * @category models
 * @since 0.1.0
 */
export interface TransactionOptions {
  readonly isolation?: "read committed" | "repeatable read" | "serializable" | undefined
  readonly access?: "read write" | "read only" | undefined
  /** Waits for a snapshot in which a serializable, read-only transaction cannot conflict. */
  readonly deferrable?: boolean | undefined
  /**
   * Settings for this transaction alone, such as `{ "app.tenant": id }` for row-level security or `{ statement_timeout: "5s" }`.
   * They are parameters of `set_config`, in the round trip of BEGIN. Hyper has none.
   */
  readonly settings?: Readonly<Record<string, string>> | undefined
  /** The role for this transaction alone, set after `settings` in the same way. `none`, the session's user, is refused. */
  readonly role?: string | undefined
}

/**
 * Options of a transaction that is retried.
 *
 * @category models
 * @since 0.1.0
 */
export interface RetryOptions extends TransactionOptions {
  /** The schedule of retries; seven within about a second when absent. */
  readonly schedule?: Schedule.Schedule<unknown, unknown> | undefined
}

/**
 * The errors of a batch. `TransactionRolledBack` occurs on Hyper only, where a batch is sent as a transaction.
 *
 * @category errors
 * @since 0.1.0
 */
export type BatchError = QueryError | TransactionRolledBack

/**
 * The outcome of a statement without its rows.
 *
 * @category models
 * @since 0.1.0
 */
export interface ExecuteResult {
  /** The server's command tag, such as `INSERT 0 5`; empty for an empty statement. */
  readonly commandTag: string
  /** The number at the end of the command tag: rows affected. */
  readonly rowCount: number | undefined
}

/**
 * The description of a statement that has not been run.
 *
 * @category models
 * @since 0.1.0
 */
export interface Description {
  /** The OIDs of the parameters' types. Hyper repeats the given ones, with 0 for those that it infers itself. */
  readonly parameterTypes: ReadonlyArray<number>
  /** The columns; none when the statement returns no rows. */
  readonly fields: ReadonlyArray<FieldDescription>
}

/**
 * Options of a stream of rows.
 *
 * @category models
 * @since 0.1.0
 */
export interface StreamOptions {
  /**
   * The number of rows requested per round trip. When absent, the server sends all rows, as fast as they are read.
   *
   * With it the statement runs in a PostgreSQL portal, and leaving the stream early needs no cancel request. On Hyper
   * it has no effect: rows arrive as fast as they are read, and memory use stays bounded.
   */
  readonly fetchSize?: number | undefined
}

/**
 * A statement that its session keeps prepared until a scope closes.
 *
 * **Details**
 *
 * The values are those of `$1`, `$2` ..., in this order.
 *
 * @category models
 * @since 0.1.0
 */
export interface PreparedStatement extends Description {
  readonly query: (...parameters: ReadonlyArray<unknown>) => Effect.Effect<QueryResult<ObjectRow>, QueryError>
  readonly values: (...parameters: ReadonlyArray<unknown>) => Effect.Effect<QueryResult<ArrayRow>, QueryError>
  readonly columns: (...parameters: ReadonlyArray<unknown>) => Effect.Effect<ColumnsResult, QueryError>
  readonly execute: (...parameters: ReadonlyArray<unknown>) => Effect.Effect<ExecuteResult, QueryError>
  readonly stream: (...parameters: ReadonlyArray<unknown>) => Stream.Stream<ObjectRow, QueryError>
  readonly streamValues: (...parameters: ReadonlyArray<unknown>) => Stream.Stream<ArrayRow, QueryError>
}

/**
 * Options of a COPY into a table.
 *
 * @category models
 * @since 0.1.0
 */
export interface CopyInOptions {
  /**
   * The number of bytes to collect before the COPY is opened, unless the data ends with fewer; none when absent. It
   * applies to servers on which an open COPY blocks readers of its table, as on Hyper; see `Dialect.copyBlocksReaders`.
   * Until then the server neither holds a lock nor reports errors, such as that the table is missing.
   */
  readonly openAfter?: number | undefined
}

/**
 * The outcome of a COPY into a table.
 *
 * @category models
 * @since 0.1.0
 */
export interface CopyResult {
  readonly commandTag: string
  /** The number of rows that the server reports. */
  readonly rowCount: number
}

/**
 * The operations of a session or a client.
 *
 * **Details**
 *
 * - `E` is the error besides `QueryError`: none on a session, `PoolError` on a pool.
 * - A statement is a string, or made by `Statement.sql`. Values are sent as parameters, in binary if the type supports
 *   it.
 * - Values are decoded by the client's `Preset`, which is lossless by default, or by the statement's own
 *   (`Statement.withPreset`).
 * - Rows are valid only once the effect succeeds, or the stream ends: a server may send rows and then fail.
 * - User-defined types and those of extensions are looked up in PostgreSQL's catalogue when a statement first uses
 *   them: enums, composite types, domains, ranges, and arrays of them, are encoded and decoded as plain values.
 *   {@link simple} returns their text. The type of a value in an anonymous record, such as `row(1, 'red'::color)`, is
 *   known only from the value: the stream that meets it first returns an `UnknownValue`, later ones decode it. The same
 *   holds, with a text in place of the `UnknownValue`, for streams that are not described beforehand: FETCH, EXECUTE,
 *   and all streams if no statements are kept (`statementCacheSize: 0`). On a server without savepoints, a type that
 *   first appears in a transaction is returned as text until it can be looked up after that transaction. A type altered
 *   by a session of the same pool is updated at once, one altered by another program after a while: see
 *   `typeCheckInterval` of `ConnectionConfig`.
 * - Interrupting an operation cancels it on the server. An interruption waits at most 100 ms for it to end; the rest is
 *   cleaned up afterwards, before anything else is sent on that session. If the server does not end a statement within
 *   five seconds after a cancel request, the session is closed. If cancel requests cannot be sent (the server sent no
 *   key, or its port cannot be reached), the end of the statement is awaited and the session survives.
 * - A stream opened in a transaction, but in a scope around it, ends with the transaction: if it has not been read to
 *   its end, both fail with an `UnsupportedError`, and the transaction is rolled back.
 * - Other queries on the same session are not affected by a cancellation. If a cancel request may have hit another
 *   statement, and the server rolled that back, it is re-run if nothing else can have ended it; otherwise it fails as a
 *   cancelled query, with a retryable error. If it ended that one's wait for a synchronous standby, after the commit, that
 *   one fails with the server's warning and `sent: "unknown"`.
 * - Inside {@link transaction} the same client, used by the same fiber or its children, works in the transaction.
 *
 * @category models
 * @since 0.1.0
 */
export interface Queries<out E = never> {
  /**
   * Runs a statement and collects its rows as objects. Duplicate column names are a `ValueError` and nothing is run,
   * unless the preset has a rule for them (`Preset.withDuplicates`). If no statements are kept, only statements with
   * RETURNING are described before they run; for a SELECT the error comes after it has run.
   *
   * All rows are held in memory: for results of unknown size use {@link stream}, or limit them with the configuration's
   * `maxResultBytes`.
   */
  readonly query: (statement: Statement | string) => Effect.Effect<QueryResult<ObjectRow>, QueryError | E>
  /** Runs a statement and collects its rows as arrays, with one element per column. */
  readonly values: (statement: Statement | string) => Effect.Effect<QueryResult<ArrayRow>, QueryError | E>
  /**
   * Runs a statement and collects its rows by columns, in typed arrays if the type has one: for large numeric results,
   * it takes less time and memory than rows. Column names need not be unique.
   */
  readonly columns: (statement: Statement | string) => Effect.Effect<ColumnsResult, QueryError | E>
  /** Runs a statement that returns one row. None, or more than one, is a `RowError`. */
  readonly one: (statement: Statement | string) => Effect.Effect<ObjectRow, QueryError | RowError | E>
  /** Runs a statement that returns one row or none. More than one is a `RowError`. */
  readonly optional: (
    statement: Statement | string
  ) => Effect.Effect<Option.Option<ObjectRow>, QueryError | RowError | E>
  /** Runs a statement and drops its rows, if any, as they arrive. */
  readonly execute: (statement: Statement | string) => Effect.Effect<ExecuteResult, QueryError | E>
  /**
   * Runs statements in one transaction, in one round trip if PostgreSQL has prepared them already: all of them succeed,
   * or none. The error is that of the first statement that fails; those after it are not run.
   *
   * On Hyper, which would commit each statement separately, they are sent one by one between BEGIN and COMMIT. Inside
   * {@link transaction} they are part of it, and a failure fails the transaction.
   */
  readonly batch: (
    statements: ReadonlyArray<Statement | string>
  ) => Effect.Effect<ReadonlyArray<QueryResult<ObjectRow>>, BatchError | E>
  /**
   * Sends all statements at once on one session, and returns the outcome of each. They run in order, each in its own
   * transaction; a failure does not stop the others.
   */
  readonly pipeline: (
    statements: ReadonlyArray<Statement | string>
  ) => Effect.Effect<ReadonlyArray<Outcome.Result<QueryResult<ObjectRow>, QueryError>>, QueryError | E>
  /**
   * Describes the parameters and columns of a statement without running it.
   *
   * The values of a statement's parameters only determine their types; a string for PostgreSQL needs none.
   */
  readonly describe: (statement: Statement | string) => Effect.Effect<Description, QueryError | E>
  /**
   * Prepares a statement and keeps it until the scope closes. On a pool, it holds a session exclusively for that time.
   *
   * PostgreSQL infers parameter types that are not given, and uses text if nothing determines them, as in
   * `greatest($1, $2)`: give the types of those. Hyper requires all of them.
   *
   * A prepared statement of Hyper does not notice that a table was dropped and created again: it continues to read the
   * old one.
   */
  readonly prepare: (
    text: string,
    types?: ReadonlyArray<Type.Any>
  ) => Effect.Effect<PreparedStatement, QueryError | E, Scope.Scope>
  /**
   * Calls a function by its OID, with the protocol's FunctionCall message; `null` is NULL. PostgreSQL only: Hyper would
   * disconnect.
   *
   * The protocol's documentation calls it a legacy feature, as `select f($1)` does the same. libpq uses it for the
   * functions of large objects.
   */
  readonly call: <A, I>(
    functionOid: number,
    args: ReadonlyArray<Parameter>,
    returns: Type.Type<A, I>
  ) => Effect.Effect<A | null, QueryError | E>
  /**
   * Runs a statement without parameters by the simple protocol. All values are sent as text and decoded from it.
   *
   * PostgreSQL runs several statements separated by semicolons, in one transaction; Hyper refuses them. If one of them
   * fails, the error has the `results` of those before it.
   *
   * Hyper prints 15 digits of a `double precision`, and 6 of a `real`, so columns of these types are a `ValueError`
   * there: {@link query} and {@link stream} read them exactly. Text that SQL makes of them, for example by a cast, has
   * all digits after `set extra_float_digits = 3`.
   */
  readonly simple: (
    statement: Statement | string
  ) => Effect.Effect<ReadonlyArray<QueryResult<ObjectRow>>, QueryError | E>
  /**
   * Runs a statement and streams its rows, one network chunk at a time.
   *
   * A slow consumer slows the server down; memory use stays bounded. The stream has the session to itself; querying the
   * session from the stream's own consumer would deadlock, and fails with an `UnsupportedError`. Leaving the stream
   * early cancels the statement; in a transaction, which the cancel would fail, the remaining rows are read and dropped
   * instead.
   */
  readonly stream: (statement: Statement | string, options?: StreamOptions) => Stream.Stream<ObjectRow, QueryError | E>
  /** Works as {@link stream}, with rows as arrays. */
  readonly streamValues: (
    statement: Statement | string,
    options?: StreamOptions
  ) => Stream.Stream<ArrayRow, QueryError | E>
  /**
   * Runs a COPY ... FROM STDIN with these bytes. Chunk boundaries have no meaning to the server.
   *
   * If the stream fails or is interrupted, the server is told why and keeps none of the rows.
   */
  readonly copyIn: <E1, R>(
    statement: Statement | string,
    data: Stream.Stream<Uint8Array, E1, R>,
    options?: CopyInOptions
  ) => Effect.Effect<CopyResult, QueryError | E | E1, R>
  /** Runs a COPY ... TO STDOUT and streams its bytes, as {@link stream} does. */
  readonly copyOut: (statement: Statement | string) => Stream.Stream<Uint8Array, QueryError | E>
  /**
   * Runs a COPY ... TO STDOUT and streams the rows that a reader decodes from its bytes, as {@link stream} does.
   *
   * `Copy.from` makes the statement and the reader.
   */
  readonly copyOutWith: <Row>(
    statement: Statement | string,
    makeReader: () => CopyFormat.Reader<Row>
  ) => Stream.Stream<Row, QueryError | E>
  /**
   * Runs an effect in a transaction: committed if it succeeds, rolled back if it fails or is interrupted.
   *
   * Once a statement in it has failed, it can only be rolled back, even if the failure was caught.
   *
   * A nested transaction is a savepoint, which has no options; so is one inside a transaction that was begun by hand on
   * the same session. Hyper has no savepoints: a nested transaction fails with `UnsupportedError`, as do read-only and
   * serializable transactions.
   *
   * Statements inside must not control the transaction: `BEGIN`, `COMMIT`, `ROLLBACK` and the like are refused before
   * they are sent (`TransactionCommandRefused`), and a transaction that a statement ended nevertheless fails. Work of
   * the transaction that is still running after it failed, was interrupted, or may not have been committed, is refused
   * (`TransactionEnded`), even long after and in a savepoint; after a commit it runs outside the transaction. Use
   * `Query.outsideTransaction` for work that is started inside and is not part of it.
   */
  readonly transaction: <A, E1, R>(
    effect: Effect.Effect<A, E1, R>,
    options?: TransactionOptions
  ) => Effect.Effect<A, E1 | QueryError | TransactionRolledBack | E, R>
  /**
   * Works as {@link transaction}, and retries when the server reports a conflict with another transaction:
   * serialization failures and deadlocks, and prepared statements whose tables or types others have altered. A pool
   * also retries when its server has become read-only (`targetSessionAttrs`), and when it has none (`failFastAfter`),
   * for which the schedule has to last longer than the default's second.
   *
   * The effect is run again from its beginning, including its side effects other than statements. Inside another
   * transaction it is a savepoint that is not retried: the whole transaction has to be repeated.
   *
   * The pauses use the clock of the fiber. Under a `TestClock`, as in `it.effect`, a retry waits until the test adjusts
   * the clock after the conflict: run the transaction in `TestClock.withLive`, or fork it and call `TestClock.adjust`,
   * or give a schedule without pauses, such as `Schedule.recurs(7)`.
   */
  readonly retryTransaction: <A, E1, R>(
    effect: Effect.Effect<A, E1, R>,
    options?: RetryOptions
  ) => Effect.Effect<A, E1 | QueryError | TransactionRolledBack | E, R>
}
