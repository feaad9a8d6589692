/**
 * Queries and results, as the types of `pg` describe them.
 *
 * @internal
 */
import type types from "pg-types"

// Types that callers choose, as with `pg`: what a query returns cannot be known from its text.
// oxlint-disable-next-line typescript/no-explicit-any
type Any = any

/**
 * The parsers of values: those of `pg-types`, or others with the same function.
 *
 * @category models
 * @since 0.1.0
 */
export interface TypeParsers {
  readonly getTypeParser: typeof types.getTypeParser
}

/**
 * A query with its options.
 *
 * @category models
 * @since 0.1.0
 */
export interface QueryConfig<I = Array<Any>> {
  text: string
  values?: QueryConfigValues<I>
  /** A name under which the text may be left out later. Texts are prepared with or without one. */
  name?: string | undefined
  /** The time limit of this query in milliseconds, in place of the client's. */
  query_timeout?: number | undefined
  /** The parsers of the values of this result. */
  types?: TypeParsers | undefined
}

/**
 * The values of a query.
 *
 * @category models
 * @since 0.1.0
 */
export type QueryConfigValues<T> = T extends Array<infer _> ? T : never

/**
 * A query whose rows are arrays.
 *
 * @category models
 * @since 0.1.0
 */
export interface QueryArrayConfig<I = Array<Any>> extends QueryConfig<I> {
  rowMode: "array"
}

/**
 * A column of a result.
 *
 * @category models
 * @since 0.1.0
 */
export interface FieldDef {
  name: string
  tableID: number
  columnID: number
  dataTypeID: number
  dataTypeSize: number
  dataTypeModifier: number
  format: string
}

interface ResultBase {
  /** The first word of the command tag, such as `INSERT`. */
  command: string
  /** The number of rows returned or affected; `null` for commands without one. */
  rowCount: number | null
  oid: number
  fields: Array<FieldDef>
}

/**
 * A result with rows as objects. If several columns have one name, the last of them wins.
 *
 * @category models
 * @since 0.1.0
 */
export interface QueryResult<R extends QueryResultRow = Any> extends ResultBase {
  rows: Array<R>
}

/**
 * A row as an object.
 *
 * @category models
 * @since 0.1.0
 */
export interface QueryResultRow {
  [column: string]: Any
}

/**
 * A result with rows as arrays.
 *
 * @category models
 * @since 0.1.0
 */
export interface QueryArrayResult<R extends Array<Any> = Array<Any>> extends ResultBase {
  rows: Array<R>
}

/**
 * An object that runs by itself on the connection of `pg`. Only a `Query` is accepted.
 *
 * @category models
 * @since 0.1.0
 */
export interface Submittable {
  submit: (connection: Any) => unknown
}

/**
 * The forms of `query`: with a promise, with a callback, and for a `Query` with events.
 *
 * **Details**
 *
 * A text of several statements, which cannot have values, has an array of results.
 *
 * @category models
 * @since 0.1.0
 */
export interface QueryFunction {
  <T extends Submittable>(query: T): T
  <R extends Array<Any> = Array<Any>, I = Array<Any>>(
    config: QueryArrayConfig<I>,
    values?: QueryConfigValues<I>
  ): Promise<QueryArrayResult<R>>
  <R extends QueryResultRow = Any, I = Any>(config: QueryConfig<I>): Promise<QueryResult<R>>
  <R extends QueryResultRow = Any, I = Array<Any>>(
    textOrConfig: string | QueryConfig<I>,
    values?: QueryConfigValues<I>
  ): Promise<QueryResult<R>>
  <R extends Array<Any> = Array<Any>, I = Array<Any>>(
    config: QueryArrayConfig<I>,
    callback: (error: Error, result: QueryArrayResult<R>) => void
  ): void
  <R extends QueryResultRow = Any, I = Array<Any>>(
    textOrConfig: string | QueryConfig<I>,
    callback: (error: Error, result: QueryResult<R>) => void
  ): void
  <R extends QueryResultRow = Any, I = Array<Any>>(
    text: string,
    values: QueryConfigValues<I>,
    callback: (error: Error, result: QueryResult<R>) => void
  ): void
}
