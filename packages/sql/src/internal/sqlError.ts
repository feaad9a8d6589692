/**
 * Conversion of the client's errors to `SqlError`.
 *
 * @internal
 */
import type { ClientError } from "@hyperfect/client/Client"
import type { ConnectionConfigError } from "@hyperfect/client/ConnectionConfigError"
import type { TransactionRolledBack } from "@hyperfect/client/QueryError"
import type { ServerError } from "@hyperfect/client/ServerError"
import type * as Session from "@hyperfect/client/Session"
import * as Effect from "effect/Effect"
import * as SqlError from "effect/sql/SqlError"

/** The errors of queries, transactions and connection attempts. */
export type Failure = ClientError | Session.ConnectError | ConnectionConfigError | TransactionRolledBack

interface Properties {
  readonly cause: Failure
  readonly message: string
  readonly operation: string
}

/** The conditions of PostgreSQL's appendix A that say more than their class does. */
const ofState: Readonly<Record<string, new(properties: Properties) => SqlError.SqlErrorReason>> = {
  "25P03": SqlError.ConnectionError,
  "25P04": SqlError.StatementTimeoutError,
  "40001": SqlError.SerializationError,
  "40P01": SqlError.DeadlockError,
  "42501": SqlError.AuthorizationError,
  "53300": SqlError.ConnectionError,
  "55P03": SqlError.LockTimeoutError,
  "57014": SqlError.StatementTimeoutError
}

/** The classes of conditions, by the first two characters of the SQLSTATE. */
const ofClass: typeof ofState = {
  "08": SqlError.ConnectionError,
  "23": SqlError.ConstraintError,
  "28": SqlError.AuthenticationError,
  "42": SqlError.SqlSyntaxError
}

const ofServerError = (error: ServerError, properties: Properties): SqlError.SqlErrorReason => {
  const { constraint, sqlState } = error.reason
  if (sqlState === "23505") {
    return new SqlError.UniqueViolation({ ...properties, constraint: constraint?.trim() || "unknown" })
  }
  const Reason = ofState[sqlState] ?? ofClass[sqlState.slice(0, 2)]
  // The server ends the session, for example because it shuts down.
  return new (Reason ?? (error.isFatal ? SqlError.ConnectionError : SqlError.UnknownError))(properties)
}

const reasonOf = (error: Failure, properties: Properties): SqlError.SqlErrorReason => {
  switch (error._tag) {
    case "ServerError":
      return ofServerError(error, properties)
    case "TransportError":
    case "ProtocolError":
    case "NoServerFound":
    case "ServerUnsuitable":
    case "PoolError":
      return new SqlError.ConnectionError(properties)
    case "AuthError":
      return new SqlError.AuthenticationError(properties)
    case "QueryTimeout":
      return new SqlError.StatementTimeoutError(properties)
    case "ConnectionConfigError":
    case "TransactionCommandRefused":
    case "TransactionEnded":
    case "TransactionRolledBack":
    case "UnsupportedError":
    case "ValueError":
      return new SqlError.UnknownError(properties)
  }
}

/** True if the server has answered the statement with the error: the class of the error then says all. */
const isAnswer = (error: Failure): boolean => error._tag === "ServerError" && !error.isFatal

/**
 * Converts an error. The class of a reason does not know what the client does: a lost connection is not retryable if the
 * statement may have been run, and a statement that was stale is.
 */
export const toSqlError = (error: Failure, operation: string): SqlError.SqlError => {
  const reason = reasonOf(error, { cause: error, message: error.message, operation })
  const isRetryable = error.isRetryable || (isAnswer(error) && reason.isRetryable)
  return new SqlError.SqlError({
    reason: isRetryable === reason.isRetryable
      ? reason
      : Object.defineProperty(reason, "isRetryable", { value: isRetryable })
  })
}

/** Converts the errors of an effect. */
export const mapToSqlError =
  (operation: string) => <A, R>(self: Effect.Effect<A, Failure, R>): Effect.Effect<A, SqlError.SqlError, R> =>
    Effect.mapError(self, (error) => toSqlError(error, operation))
