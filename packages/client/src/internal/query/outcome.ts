/**
 * Maps the end of an exchange to the outcome of its statement, and handles stale statements: those that the server has
 * dropped, or whose tables or types have changed since they were prepared.
 *
 * Code that runs plans passes the exchange to {@link plannedOutcome}, with the plans that it ran and an effect that runs
 * them again, if that is allowed. If its failure shows that a statement was stale:
 *
 * - its plans are invalidated, so that they are prepared again the next time;
 * - outside of a transaction `repeat` is run, since no work has been done;
 * - otherwise the error is retryable: on its own outside of a transaction, where it is `sent: "nothing"`; inside one
 *   with the whole transaction, as `retryTransaction` does.
 *
 * A value that was refused may fit the type that a column has changed to since the statement was prepared: where it is
 * safe, the statement is prepared again and run once more.
 *
 * `staleError` defines which errors show it. Causes known before a statement is sent, such as DDL of this session, are
 * checked by `StatementCache` when the statement is planned.
 *
 * @internal
 */
import * as ErrorField from "@hyperfect/protocol/ErrorField"
import * as Effect from "effect/Effect"
import type { QueryError } from "../../QueryError.ts"
import type { ServerError } from "../../ServerError.ts"
import { type Exchange, states } from "../engine/exchange.ts"
import { failQuery, type StatementLike } from "../session/queryError.ts"
import type { Plan, Planner } from "../statement/plan.ts"

/** The routines that fail Bind if a type of the statement was dropped, such as the old type of a migrated enum. */
const typeRoutines: ReadonlySet<string | undefined> = new Set([
  "getTypeInputInfo",
  "getTypeBinaryInputInfo",
  "getTypeOutputInfo",
  "getTypeBinaryOutputInfo",
  "get_type_io_data",
  "lookup_type_cache",
  "TupleDescInitEntry"
])

/** True if an exchange failed while the server was to bind a prepared statement. */
const failedToBind = ({ failedIn }: Exchange): boolean =>
  failedIn === states.BindingPrepared || failedIn === states.BindingCommand

/**
 * Returns the error of a server that refused to bind a statement because the server had dropped it, or because a table
 * or a type has changed.
 *
 * Nothing has been run then: Bind comes before Execute. A name that a pooler has lost is unknown even in the group that
 * created it. `isFresh` is true for a statement that was just prepared: an error that its values may cause as well does
 * not show then that it is stale.
 */
const staleError = (exchange: Exchange, isFresh: boolean): ServerError | undefined => {
  const error = exchange.error()
  if (error?._tag !== "ServerError" || error.isFatal) return undefined
  const { fields, sqlState } = error.reason
  const routine = ErrorField.get(fields, "routine")
  const isStale = failedToBind(exchange)
    // A type can also be dropped between the round trip that prepares a statement and the one that binds it.
    ? sqlState === "26000" || routine === "RevalidateCachedQuery" ||
      (/^(?:XX000|42704)$/.test(sqlState) && typeRoutines.has(routine)) || (!isFresh && sqlState === "42804")
    : exchange.failedIn === states.Binding && sqlState === "26000"
  return isStale ? error : undefined
}

/**
 * True if a value was refused, by the client or the server, that may fit the current types of the parameters. No
 * statement has been run.
 */
const mayNoLongerFit = (exchange: Exchange, plans: ReadonlyArray<Plan<unknown>>): boolean => {
  const error = exchange.error()
  const isRefused = error?._tag === "ValueError"
    ? exchange.sent === "nothing"
    : error?._tag === "ServerError" && failedToBind(exchange) && error.reason.sqlState.startsWith("22")
  return isRefused && plans.some(({ prepared }) => prepared?.mayBeDescribedAnew === true)
}

/**
 * Returns the result of an exchange that succeeded. Rows that arrived before their types were known were buffered
 * undecoded: they are decoded once the types have been looked up. So are the values in anonymous records.
 */
const decodedOutcome = <A>(
  planner: Planner,
  exchange: Exchange<A>,
  statement: StatementLike,
  plans: ReadonlyArray<Plan<unknown>>
): Effect.Effect<A, QueryError> => {
  const oids = exchange.sink.undecodedTypes()
  const outcome = oids === undefined
    ? exchange.outcomeFor(statement)
    : Effect.flatMap(planner.statementCache.types.resolve(oids), () => {
      exchange.decode()
      return exchange.outcomeFor(statement)
    })
  if (plans.every(({ records }) => records === undefined)) return outcome
  return Effect.tap(outcome, (result) => {
    const results: ReadonlyArray<unknown> = Array.isArray(result) ? result : [result]
    return Effect.forEach(plans, ({ records }, i) => records?.complete(results[i], statement) ?? Effect.void, {
      discard: true
    })
  })
}

/**
 * Returns the outcome of an exchange that ran plans. `repeat` plans and runs them again; it is absent if that was
 * already done, or must not be. `isUndone` is false if earlier effects of a failed exchange may have been committed.
 */
export const plannedOutcome = <A, B = A>(
  planner: Planner,
  exchange: Exchange<A>,
  statement: StatementLike,
  plans: ReadonlyArray<Plan<unknown>>,
  repeat: (() => Effect.Effect<B, QueryError>) | undefined,
  isUndone = true
): Effect.Effect<A | B, QueryError> => {
  if (exchange.error() === undefined) return decodedOutcome(planner, exchange, statement, plans)
  const isOutside = planner.engine.status === "I"
  const isMisfit = repeat !== undefined && (exchange.sent === "nothing" || (isOutside && isUndone)) &&
    mayNoLongerFit(exchange, plans)
  const isFresh = plans.every(({ prepared }) => prepared === undefined || prepared.isFresh)
  const error = isMisfit ? undefined : staleError(exchange, isFresh)
  if (!isMisfit && error === undefined) return exchange.outcomeFor(statement)
  for (const { prepared } of plans) if (prepared !== undefined) planner.statementCache.invalidate(prepared)
  if (isMisfit) return repeat()
  if (isOutside && !isUndone) return exchange.outcomeFor(statement)
  return isOutside && repeat !== undefined ? repeat() : failQuery(error!, "nothing", statement, true)
}
