/**
 * The connection that Effect's statements run on.
 *
 * @internal
 */
import type * as Client from "@hyperfect/client/Client"
import type * as Queries from "@hyperfect/client/Queries"
import type { QueryResult } from "@hyperfect/client/QueryResult"
import * as Statement from "@hyperfect/client/Statement"
import * as Preset from "@hyperfect/values/Preset"
import type { ObjectRow } from "@hyperfect/values/RowReader"
import type * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import type { Connection } from "effect/sql/SqlConnection"
import type { SqlError } from "effect/sql/SqlError"
import * as Stream from "effect/Stream"
import { type Failure, mapToSqlError, toSqlError } from "./sqlError.ts"

export type TransformRows = (<A extends object>(rows: ReadonlyArray<A>) => ReadonlyArray<A>) | undefined

/** True for values that Effect's drivers send as something else. */
const isConverted = (value: unknown): boolean =>
  value === undefined || value instanceof Int8Array || (Array.isArray(value) && value.some(isConverted))

/** Effect's drivers send `undefined` as NULL, also in arrays, and an `Int8Array` as bytes. */
const toParameter = (value: unknown): unknown =>
  value === undefined
    ? null
    : value instanceof Int8Array
    ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
    : Array.isArray(value) && value.some(isConverted)
    ? value.map(toParameter)
    : value

/** Makes the statement of a text and its parameters. */
const statementOf = (text: string, parameters: ReadonlyArray<unknown>): Statement.Statement =>
  Statement.fromTextUnsafe(
    text,
    parameters.some(isConverted) ? parameters.map(toParameter) : parameters,
    Preset.effectSql
  )

const toExecuteError = (error: Failure) => toSqlError(error, "execute")
const onRaw = mapToSqlError("executeRaw")
const onValues = mapToSqlError("executeValues")

/** Effect's driver has the first word of the command tag beside the rows. */
const withCommand = (result: QueryResult<ObjectRow>) => ({ ...result, command: result.commandTag.split(" ")[0] })

/** Runs Effect's statements on a session, or on a client that works in the transaction of the calling fiber. */
export class ClientConnection implements Connection {
  private readonly queries: Queries.Queries<Exclude<Client.ClientError, { readonly _tag: "none" }>>

  constructor(queries: ClientConnection["queries"]) {
    this.queries = queries
  }

  execute(text: string, parameters: ReadonlyArray<unknown>, transformRows: TransformRows) {
    return this.run(statementOf(text, parameters), transformRows)
  }

  executeUnprepared(text: string, parameters: ReadonlyArray<unknown>, transformRows: TransformRows) {
    return this.run(Statement.unprepared(statementOf(text, parameters)), transformRows)
  }

  private run(statement: Statement.Statement, transformRows: TransformRows) {
    return Effect.mapBoth(this.queries.query(statement), {
      onFailure: toExecuteError,
      onSuccess: ({ rows }) => transformRows === undefined ? rows : transformRows(rows)
    })
  }

  executeRaw(text: string, parameters: ReadonlyArray<unknown>) {
    return onRaw(Effect.map(this.queries.query(statementOf(text, parameters)), withCommand))
  }

  executeValues(text: string, parameters: ReadonlyArray<unknown>) {
    return this.values(statementOf(text, parameters))
  }

  executeValuesUnprepared(text: string, parameters: ReadonlyArray<unknown>) {
    return this.values(Statement.unprepared(statementOf(text, parameters)))
  }

  private values(statement: Statement.Statement) {
    return onValues(Effect.map(this.queries.values(statement), ({ rows }) => rows))
  }

  executeStream(
    text: string,
    parameters: ReadonlyArray<unknown>,
    transformRows: TransformRows
  ): Stream.Stream<object, SqlError> {
    const rows = Stream.mapError(
      this.queries.stream(statementOf(text, parameters)),
      (error) => toSqlError(error, "executeStream")
    )
    return transformRows === undefined
      ? rows
      : Stream.mapArray(rows, (rows) => transformRows(rows) as Arr.NonEmptyReadonlyArray<object>)
  }
}
