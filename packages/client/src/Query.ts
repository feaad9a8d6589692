/**
 * From the rows of a result to typed rows.
 *
 * @since 0.1.0
 */
import * as Row from "@hyperfect/values/Row"
import type { ObjectRow } from "@hyperfect/values/RowReader"
import type * as Arr from "effect/Array"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result_ from "effect/Result"
import type * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { CurrentTimeout } from "./internal/timeout.ts"
import type { Result } from "./Result.ts"
import { ColumnsMismatch, RowCountMismatch, RowError, RowInvalid } from "./RowError.ts"

const fit = <A, RD>(
  schema: Schema.Decoder<A, RD>,
  columns: ReadonlyArray<Row.Column>
): Effect.Effect<Row.RowDecoder<A, RD>, RowError> => {
  const decoder = Row.schema(schema)(columns)
  return Result_.isSuccess(decoder)
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
 * The rows of a result, decoded by a Schema.
 *
 * **Details**
 *
 * The columns are held against the fields of the Schema once, before the first row: a missing or an unexpected column is
 * a `RowError`, a column whose type cannot give what its field wants as well, and so is a row that the Schema refuses.
 * Rows of which the types of the columns already guarantee all that the Schema says are not decoded again.
 *
 * @see `Row.schema` for what is compared
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
export const rows = <A, RD>(
  schema: Schema.Decoder<A, RD>
): <E, R>(result: Effect.Effect<Result<ObjectRow>, E, R>) => Effect.Effect<ReadonlyArray<A>, E | RowError, R | RD> =>
  Effect.flatMap(({ fields, rows }) => Effect.flatMap(fit(schema, fields), (decoder) => decode(decoder, rows, 0)))

/**
 * The only row of a result, decoded by a Schema. None, or more than one, is a `RowError`.
 *
 * @category combinators
 * @since 0.1.0
 */
export const one = <A, RD>(
  schema: Schema.Decoder<A, RD>
): <E, R>(result: Effect.Effect<Result<ObjectRow>, E, R>) => Effect.Effect<A, E | RowError, R | RD> => {
  const all = rows(schema)
  return (result) =>
    Effect.flatMap(all(result), (rows) =>
      rows.length === 1
        ? Effect.succeed(rows[0]!)
        : Effect.fail(new RowError({ reason: new RowCountMismatch({ wanted: "one row", found: rows.length }) })))
}

/**
 * The only row of a result, if there is one, decoded by a Schema. More than one is a `RowError`.
 *
 * @category combinators
 * @since 0.1.0
 */
export const optional = <A, RD>(
  schema: Schema.Decoder<A, RD>
): <E, R>(result: Effect.Effect<Result<ObjectRow>, E, R>) => Effect.Effect<Option.Option<A>, E | RowError, R | RD> => {
  const all = rows(schema)
  return (result) =>
    Effect.flatMap(all(result), (rows) =>
      rows.length <= 1
        ? Effect.succeed(Option.fromUndefinedOr(rows[0]))
        : Effect.fail(
          new RowError({ reason: new RowCountMismatch({ wanted: "at most one row", found: rows.length }) })
        ))
}

/**
 * The rows of a stream, decoded by a Schema one by one. The names of the columns are held against the fields at the first
 * row; nothing is known of their types there.
 *
 * @category combinators
 * @since 0.1.0
 */
export const stream = <A, RD>(
  schema: Schema.Decoder<A, RD>
): <E, R>(self: Stream.Stream<ObjectRow, E, R>) => Stream.Stream<A, E | RowError, R | RD> => {
  return (self) =>
    Stream.suspend(() => {
      let index = 0
      let decoder: Row.RowDecoder<A, RD> | undefined
      return Stream.mapArrayEffect(self, (rows) => {
        const start = index
        index += rows.length
        // What was not empty stays so.
        const decodeRows = (decoder: Row.RowDecoder<A, RD>) =>
          decode(decoder, rows, start) as Effect.Effect<Arr.NonEmptyReadonlyArray<A>, RowError, RD>
        if (decoder !== undefined) return decodeRows(decoder)
        return Effect.flatMap(fit(schema, Object.keys(rows[0]).map((name) => ({ name }))), (made) => {
          decoder = made
          return decodeRows(made)
        })
      })
    })
}

/**
 * Gives each query of an effect so much time, from when it is asked until its result is there.
 *
 * **Details**
 *
 * A query that takes longer is cancelled on the server, and fails with a `QueryTimeout`. The limit is the client's own: it
 * holds also when the server or the line has fallen silent, and then it takes up to a second longer. It goes before
 * `queryTimeout` of the configuration.
 *
 * **Gotchas**
 *
 * The time spent waiting for a session of a pool counts for `acquireTimeout`, not for this. Streams and COPY have no limit.
 *
 * **Example** (Two seconds)
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
export const timeout = (duration: Duration.Input) => {
  const limit = Duration.fromInputUnsafe(duration)
  return <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.provideService(self, CurrentTimeout, limit)
}
