/**
 * The queries of a session or a pool, by its runner.
 *
 * @internal
 */
import type { ObjectRow } from "@hyperfect/values/RowReader"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type { PoolError } from "../../PoolError.ts"
import type { Queries, RetryOptions } from "../../Queries.ts"
import type { QueryError } from "../../QueryError.ts"
import type { QueryResult } from "../../QueryResult.ts"
import { RowCountMismatch, RowError } from "../../RowError.ts"
import { isStaleError } from "../session/queryError.ts"
import { toRequest } from "../statement/plan.ts"
import { batch, pipeline } from "./batch.ts"
import { copyIn } from "./copyIn.ts"
import { functionCall } from "./functionCall.ts"
import { describe, prepare } from "./preparedStatement.ts"
import { makeReads, withStreamedRows } from "./reads.ts"
import { noStatement, planUnsafe, type Runner } from "./runner.ts"
import { simple } from "./simpleQuery.ts"
import { copyOut, rawReader } from "./streams.ts"

const simpleText = {
  access: "own",
  rows: (results: ReadonlyArray<QueryResult<ObjectRow>>) => results.reduce((sum, { rows }) => sum + rows.length, 0)
} as const

/** The error of another number of rows than wanted. */
const mismatch = (wanted: string, found: number) =>
  Effect.fail(new RowError({ reason: new RowCountMismatch({ wanted, found }) }))

export const onlyRow = <A>(rows: ReadonlyArray<A>): Effect.Effect<A, RowError> =>
  rows.length === 1 ? Effect.succeed(rows[0]!) : mismatch("one row", rows.length)

export const optionalRow = <A>(rows: ReadonlyArray<A>): Effect.Effect<Option.Option<A>, RowError> =>
  rows.length <= 1 ? Effect.succeed(Option.fromUndefinedOr(rows[0])) : mismatch("at most one row", rows.length)

/** About a second in total; each pause is up to twice as long as the one before. */
const transactionRetrySchedule = () =>
  Schedule.exponential("10 millis").pipe(Schedule.jittered, Schedule.upTo({ times: 7 }))

/** The reasons after which the server has rolled the transaction back, or has never begun it. */
const retryReasons: ReadonlySet<string> = new Set([
  "SerializationFailure",
  "DeadlockDetected",
  "ReadOnlySqlTransaction",
  "Unavailable"
])

/**
 * True for a conflict with another transaction, a stale statement, a write refused by a server that is no longer the
 * primary, and a pool without a server: nothing has been committed, and a retry may succeed.
 */
const canRetry = (error: unknown): boolean => {
  if (typeof error !== "object" || error === null) return false
  const failure = error as QueryError | PoolError
  return (failure._tag === "ServerError" || failure._tag === "PoolError") &&
    (isStaleError(failure) || (failure.isRetryable && retryReasons.has(failure.reason._tag)))
}

/** @internal */
export const makeQueries = <E>(runner: Runner<E>): Queries<E> => {
  const reads = makeReads(runner, planUnsafe, toRequest)
  return {
    ...reads,
    one: (statement) => Effect.flatMap(reads.query(statement), ({ rows }) => onlyRow(rows)),
    optional: (statement) => Effect.flatMap(reads.query(statement), ({ rows }) => optionalRow(rows)),
    simple: (input) => runner.effect(simpleText, toRequest(input), simple),
    batch: (inputs) => runner.effect({ name: "BATCH", isTimed: false }, inputs.map(toRequest), batch),
    pipeline: (inputs) => runner.effect({ name: "PIPELINE" }, inputs.map(toRequest), pipeline),
    describe: (input) => runner.effect({ access: "shared" }, toRequest(input), describe),
    prepare: (text, types = []) =>
      runner.scoped(
        { isTimed: false },
        toRequest(text),
        (session, gate, statement) => prepare(session, gate, statement, types)
      ),
    call: (functionOid, args, returns) =>
      runner.effect(
        { name: "CALL", access: "shared" },
        noStatement,
        (session, gate) => functionCall(session, gate, functionOid, args, returns)
      ),
    copyIn: (input, data, options) =>
      runner.effect(
        { access: "once", isTimed: false },
        toRequest(input),
        (session, gate, statement) => copyIn(session, gate, statement, data, options)
      ),
    copyOut: (input) =>
      runner.stream({}, toRequest(input), (session, gate, statement) => copyOut(session, gate, statement, rawReader)),
    copyOutWith: (input, makeReader) =>
      runner.stream(
        withStreamedRows,
        toRequest(input),
        (session, gate, statement) => copyOut(session, gate, statement, makeReader)
      ),
    transaction: (effect, options) => runner.transaction(effect, options),
    retryTransaction: (effect, options: RetryOptions = {}) => {
      const { schedule = transactionRetrySchedule(), ...settings } = options
      const once = runner.transaction(effect, settings)
      return Effect.flatMap(
        runner.isInside,
        (isInside) => isInside ? once : Effect.retry(once, { while: canRetry, schedule })
      )
    }
  }
}
