/**
 * Transactions of Effect's SqlClient, run as transactions of the client, so that both kinds of statements join them.
 *
 * @internal
 */
import type * as Client from "@hyperfect/client/Client"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { Connection } from "effect/sql/SqlConnection"
import { SqlError, UnknownError } from "effect/sql/SqlError"
import { readBegin } from "./beginTransaction.ts"
import { toSqlError } from "./sqlError.ts"

type TransactionService = Context.Service<SqlClient.TransactionConnection, SqlClient.TransactionConnection.Service>

let count = 0

/** Makes the service of one client that marks its transactions. */
export const makeTransactionService = (): TransactionService =>
  Context.Service(`@hyperfect/sql/TransactionConnection/${count++}`)

const notBegin = (statement: string) =>
  new SqlError({
    reason: new UnknownError({
      cause: undefined,
      message: `BeginTransaction must be a BEGIN with standard options, found ${JSON.stringify(statement)}`,
      operation: "begin"
    })
  })

/** Runs an effect in a transaction of the client. Only the errors of the transaction itself are converted. */
const inTransaction = <A, E, R>(
  client: Client.Client["Service"],
  effect: Effect.Effect<A, E, R>,
  isOutermost: boolean
): Effect.Effect<A, E | SqlError, R> =>
  Effect.withFiber((fiber) => {
    const statement = isOutermost ? fiber.getRef(SqlClient.BeginTransaction) : undefined
    const options = statement === undefined ? {} : readBegin(statement)
    if (options === undefined) return Effect.fail(notBegin(statement!))
    let hasFailed = false
    const body = Effect.onError(effect, () =>
      Effect.sync(() => {
        hasFailed = true
      }))
    return Effect.mapError(
      client.transaction(body, options),
      (error) => hasFailed ? error as E : toSqlError(error as Exclude<typeof error, E>, "transaction")
    )
  })

/**
 * Makes `withTransaction`.
 *
 * Effect's own keeps the callbacks of `afterCommit`, the deferred invalidations and the span. It sends nothing: BEGIN,
 * savepoints, COMMIT and ROLLBACK are those of the client's transaction inside it, which has ended before the callbacks
 * run.
 */
export const makeWithTransaction = (
  client: Client.Client["Service"],
  connection: Connection,
  transactionService: TransactionService,
  spanAttributes: ReadonlyArray<readonly [string, unknown]>
): SqlClient.SqlClient["withTransaction"] => {
  const withTransaction = SqlClient.makeWithTransaction({
    transactionService,
    spanAttributes,
    acquireConnection: () => Effect.succeed(connection),
    begin: () => Effect.void,
    savepoint: () => Effect.void,
    commit: () => Effect.void,
    rollback: () => Effect.void,
    rollbackSavepoint: () => Effect.void
  })
  return (effect) =>
    Effect.withFiber((fiber) => {
      const isOutermost = Context.getOrUndefined(fiber.context, transactionService) === undefined
      return withTransaction(inTransaction(client, effect, isOutermost))
    })
}
