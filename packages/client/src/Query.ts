/**
 * From the rows of a result to typed rows.
 *
 * @since 0.1.0
 */
import type { ObjectRow } from "@hyperfect/values/RowReader"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import * as Stream from "effect/Stream"
import type { Result } from "./Result.ts"
import { ColumnsMismatch, RowCountMismatch, RowError, RowInvalid } from "./RowError.ts"

/** The names that rows must have and may have, or `undefined` when the Schema is not one of named fields. */
const fieldsOf = (ast: SchemaAST.AST): ReadonlyMap<string, { readonly optional: boolean }> | undefined => {
  const encoded = SchemaAST.toEncoded(ast)
  if (!SchemaAST.isObjects(encoded) || encoded.indexSignatures.length > 0) return undefined
  return new Map(
    encoded.propertySignatures.map(({ name, type }) => [String(name), { optional: SchemaAST.isOptional(type) }])
  )
}

const checkColumns = (ast: SchemaAST.AST, columns: ReadonlyArray<string>): Effect.Effect<void, RowError> => {
  const fields = fieldsOf(ast)
  if (fields === undefined) return Effect.void
  const missing = [...fields].flatMap(([name, { optional }]) => (optional || columns.includes(name) ? [] : [name]))
  const unexpected = columns.filter((name) => !fields.has(name))
  return missing.length + unexpected.length === 0
    ? Effect.void
    : Effect.fail(new RowError({ reason: new ColumnsMismatch({ missing, unexpected }) }))
}

const decoder = <A, RD>(schema: Schema.Decoder<A, RD>) => {
  const decode = Schema.decodeUnknownEffect(schema)
  return (row: unknown, index: number) =>
    Effect.mapError(
      decode(row),
      (error) => new RowError({ reason: new RowInvalid({ row: index, issue: error.message }) })
    )
}

/**
 * The rows of a result, decoded by a Schema.
 *
 * **Details**
 *
 * The columns are held against the fields of the Schema once, before the first row: a missing or an unexpected column is
 * a `RowError`, and so is a row that the Schema refuses.
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
): <E, R>(result: Effect.Effect<Result<ObjectRow>, E, R>) => Effect.Effect<ReadonlyArray<A>, E | RowError, R | RD> => {
  const decode = decoder(schema)
  return Effect.flatMap(({ fields, rows }) =>
    Effect.andThen(
      checkColumns(schema.ast, fields.map(({ name }) => name)),
      Effect.forEach(rows, decode)
    )
  )
}

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
 * The rows of a stream, decoded by a Schema one by one. The columns are held against the fields at the first row.
 *
 * @category combinators
 * @since 0.1.0
 */
export const stream = <A, RD>(
  schema: Schema.Decoder<A, RD>
): <E, R>(self: Stream.Stream<ObjectRow, E, R>) => Stream.Stream<A, E | RowError, R | RD> => {
  const decode = decoder(schema)
  return (self) =>
    Stream.suspend(() => {
      let index = 0
      return Stream.mapArrayEffect(self, (rows) => {
        const start = index
        index += rows.length
        const decoded = Effect.forEach(rows, (row, i) => decode(row, start + i))
        return start > 0 ? decoded : Effect.andThen(checkColumns(schema.ast, Object.keys(rows[0])), decoded)
      })
    })
}
