/**
 * Decoding of query results by a Schema, and limits for running queries.
 *
 * @since 0.1.0
 */
import * as Row from "@hyperfect/values/Row"
import type { ObjectRow } from "@hyperfect/values/RowReader"
import type * as Arr from "effect/Array"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import type * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { onlyRow, optionalRow } from "./internal/query/queries.ts"
import { outsideTransaction as outside } from "./internal/query/transaction.ts"
import { CurrentTimeout } from "./internal/session/timeout.ts"
import type { Queries } from "./Queries.ts"
import type { QueryError } from "./QueryError.ts"
import type { QueryResult } from "./QueryResult.ts"
import { ColumnsMismatch, RowError, RowInvalid } from "./RowError.ts"
import * as Statement from "./Statement.ts"

type Query<E, R> = Effect.Effect<QueryResult<ObjectRow>, E, R>

const makeDecoder = <A, RD>(
  schema: Schema.Decoder<A, RD>,
  columns: ReadonlyArray<Row.Column>,
  options: Row.Options | undefined
): Effect.Effect<Row.RowDecoder<A, RD>, RowError> => {
  const decoder = Row.schema(schema, options)(columns)
  return Result.isSuccess(decoder)
    ? Effect.succeed(decoder.success)
    : Effect.fail(new RowError({ reason: new ColumnsMismatch(decoder.failure) }))
}

const decode = <A, RD>(
  decoder: Row.RowDecoder<A, RD>,
  rows: ReadonlyArray<ObjectRow>,
  index: number
): Effect.Effect<ReadonlyArray<A>, RowError, RD> =>
  Effect.mapError(decoder.decode(rows, index), (refusal) => new RowError({ reason: new RowInvalid(refusal) }))

/**
 * Decodes the rows of a result by a Schema.
 *
 * **Details**
 *
 * The columns are checked against the fields of the Schema once, before the first row. A missing column is a
 * `RowError`, as are a column whose type cannot produce what its field requires and a row that the Schema refuses.
 * Columns without a field are left out of the rows, unless `onExcessColumn` is `"error"`. Rows are not decoded again if
 * their columns and types already guarantee all that the Schema requires.
 *
 * @see `Row.schema` for the checks
 *
 * **Example** (Typed rows)
 *
 * ```ts
 * import { Client, Query, Statement } from "@hyperfect/client"
 * import { Effect, Schema } from "effect"
 *
 * const User = Schema.Struct({ id: Schema.BigInt, email: Schema.NullOr(Schema.String) })
 *
 * const active = Effect.gen(function*() {
 *   const client = yield* Client.Client
 *   return yield* client.query(Statement.sql`select id, email from users where active`).pipe(Query.rows(User))
 * })
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const rows: {
  <A, RD>(schema: Schema.Decoder<A, RD>, options?: Row.Options): <E, R>(
    self: Query<E, R>
  ) => Effect.Effect<ReadonlyArray<A>, E | RowError, R | RD>
  <A, RD, E, R>(
    self: Query<E, R>,
    schema: Schema.Decoder<A, RD>,
    options?: Row.Options
  ): Effect.Effect<ReadonlyArray<A>, E | RowError, R | RD>
} = dual(
  (args) => Effect.isEffect(args[0]),
  <A, RD, E, R>(self: Query<E, R>, schema: Schema.Decoder<A, RD>, options?: Row.Options) =>
    Effect.flatMap(
      self,
      ({ fields, rows }) => Effect.flatMap(makeDecoder(schema, fields, options), (decoder) => decode(decoder, rows, 0))
    )
)

/**
 * Decodes the only row of a result by a Schema, as {@link rows} does. None, or more than one, is a `RowError`.
 *
 * @category combinators
 * @since 0.1.0
 */
export const one: {
  <A, RD>(
    schema: Schema.Decoder<A, RD>,
    options?: Row.Options
  ): <E, R>(self: Query<E, R>) => Effect.Effect<A, E | RowError, R | RD>
  <A, RD, E, R>(
    self: Query<E, R>,
    schema: Schema.Decoder<A, RD>,
    options?: Row.Options
  ): Effect.Effect<A, E | RowError, R | RD>
} = dual(
  (args) => Effect.isEffect(args[0]),
  <A, RD, E, R>(self: Query<E, R>, schema: Schema.Decoder<A, RD>, options?: Row.Options) =>
    Effect.flatMap(rows(self, schema, options), onlyRow)
)

/**
 * Decodes the only row of a result, if there is one, by a Schema, as {@link rows} does. More than one is a `RowError`.
 *
 * @category combinators
 * @since 0.1.0
 */
export const optional: {
  <A, RD>(
    schema: Schema.Decoder<A, RD>,
    options?: Row.Options
  ): <E, R>(self: Query<E, R>) => Effect.Effect<Option.Option<A>, E | RowError, R | RD>
  <A, RD, E, R>(
    self: Query<E, R>,
    schema: Schema.Decoder<A, RD>,
    options?: Row.Options
  ): Effect.Effect<Option.Option<A>, E | RowError, R | RD>
} = dual(
  (args) => Effect.isEffect(args[0]),
  <A, RD, E, R>(self: Query<E, R>, schema: Schema.Decoder<A, RD>, options?: Row.Options) =>
    Effect.flatMap(rows(self, schema, options), optionalRow)
)

/**
 * Makes a template tag whose statements are effects of their rows.
 *
 * **When to use**
 *
 * Use where most statements are run at once: `sql` of `Statement` makes values that can be composed, described, batched
 * and streamed.
 *
 * **Details**
 *
 * Values become parameters and statements parts of the text, as in `Statement.sql`.
 *
 * **Example** (Rows in one line)
 *
 * ```ts
 * import { Client, Query } from "@hyperfect/client"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const sql = Query.tag(yield* Client.Client)
 *   const [row] = yield* sql`select email from users where id = ${42}`
 *   return row
 * })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const tag = <E>(
  client: Pick<Queries<E>, "query">
): (strings: TemplateStringsArray, ...values: ReadonlyArray<unknown>) => Effect.Effect<
  ReadonlyArray<ObjectRow>,
  QueryError | E
> =>
(strings, ...values) => Effect.map(client.query(Statement.sql(strings, ...values)), ({ rows }) => rows)

/**
 * Decodes the rows of a stream by a Schema, one by one, as {@link rows} does. Column names are checked against the
 * fields at the first row; column types are not known there.
 *
 * @category combinators
 * @since 0.1.0
 */
export const stream: {
  <A, RD>(
    schema: Schema.Decoder<A, RD>,
    options?: Row.Options
  ): <E, R>(self: Stream.Stream<ObjectRow, E, R>) => Stream.Stream<A, E | RowError, R | RD>
  <A, RD, E, R>(
    self: Stream.Stream<ObjectRow, E, R>,
    schema: Schema.Decoder<A, RD>,
    options?: Row.Options
  ): Stream.Stream<A, E | RowError, R | RD>
} = dual(
  (args) => Stream.isStream(args[0]),
  <A, RD, E, R>(self: Stream.Stream<ObjectRow, E, R>, schema: Schema.Decoder<A, RD>, options?: Row.Options) =>
    Stream.suspend(() => {
      let index = 0
      let decoder: Row.RowDecoder<A, RD> | undefined
      return Stream.mapArrayEffect(self, (rows) => {
        const start = index
        index += rows.length
        // A non-empty array stays non-empty.
        const decodeRows = (decoder: Row.RowDecoder<A, RD>) =>
          decode(decoder, rows, start) as Effect.Effect<Arr.NonEmptyReadonlyArray<A>, RowError, RD>
        if (decoder !== undefined) return decodeRows(decoder)
        const columns = Object.keys(rows[0]).map((name) => ({ name }))
        return Effect.flatMap(makeDecoder(schema, columns, options), (made) => {
          decoder = made
          return decodeRows(made)
        })
      })
    })
)

/**
 * Runs an effect outside the transaction of its fiber: its queries on a pool run on any session, in no transaction.
 *
 * **When to use**
 *
 * Use for a worker, cache or other service that is started lazily in a transaction and is not part of it. A fiber
 * inherits the transaction that it was started in: its statements run in it, and once it is rolled back they are
 * refused with `TransactionEnded`, even long after.
 *
 * **Gotchas**
 *
 * A single session has one transaction at a time: a statement of the effect on the transaction's own session waits
 * until the transaction has ended, which deadlocks if the transaction waits for the effect.
 *
 * **Example** (A worker)
 *
 * ```ts
 * import { Client, Query } from "@hyperfect/client"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const client = yield* Client.Client
 *   const worker = Effect.forever(Effect.andThen(client.query("select next_job()"), Effect.sleep("1 second")))
 *   yield* client.transaction(Effect.gen(function*() {
 *     yield* client.query("insert into jobs values (1)")
 *     yield* Effect.forkDetach(Query.outsideTransaction(worker))
 *   }))
 * })
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const outsideTransaction: <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R> = outside

/**
 * Limits the time of each query of an effect, from the call until its result is complete.
 *
 * **Details**
 *
 * A query that takes longer is cancelled on the server, and fails with a `QueryTimeout`. The client enforces the limit:
 * it also applies when the server or the connection is silent, and then takes up to a second longer. It overrides
 * `queryTimeout` of the configuration.
 *
 * **Gotchas**
 *
 * The wait for a session of a pool is limited by `acquireTimeout`, not by this. Streams and COPY have no limit.
 *
 * **Example** (A limit of two seconds)
 *
 * ```ts
 * import { Client, Query } from "@hyperfect/client"
 * import { Effect } from "effect"
 *
 * const report = Effect.gen(function*() {
 *   const client = yield* Client.Client
 *   return yield* client.query("select * from slow_view").pipe(
 *     Query.timeout("2 seconds"),
 *     Effect.catchTag("QueryTimeout", () => client.query("select * from fast_view"))
 *   )
 * })
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const timeout: {
  (duration: Duration.Input): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  <A, E, R>(self: Effect.Effect<A, E, R>, duration: Duration.Input): Effect.Effect<A, E, R>
} = dual(
  2,
  <A, E, R>(self: Effect.Effect<A, E, R>, duration: Duration.Input): Effect.Effect<A, E, R> =>
    Effect.provideService(self, CurrentTimeout, Duration.fromInputUnsafe(duration))
)
