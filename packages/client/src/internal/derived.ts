/**
 * What can be asked of a session or a pool in terms of what else can be asked of it.
 *
 * @internal
 */
import type { ObjectRow } from "@hyperfect/values/RowReader"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type { Queries, RetryOptions } from "../Queries.ts"
import type { QueryError } from "../QueryError.ts"
import type { Result } from "../Result.ts"
import { RowCountMismatch, RowError } from "../RowError.ts"

/** @internal */
export type Derived = "one" | "optional" | "retryTransaction"

const mismatch = (wanted: string, found: number) =>
  Effect.fail(new RowError({ reason: new RowCountMismatch({ wanted, found }) }))

const one = ({ rows }: Result<ObjectRow>): Effect.Effect<ObjectRow, RowError> =>
  rows.length === 1 ? Effect.succeed(rows[0]!) : mismatch("one row", rows.length)

const optional = ({ rows }: Result<ObjectRow>): Effect.Effect<Option.Option<ObjectRow>, RowError> =>
  rows.length <= 1 ? Effect.succeed(Option.fromUndefinedOr(rows[0])) : mismatch("at most one row", rows.length)

/** About a second in all, each pause up to twice as long as the one before. */
const patience = Schedule.exponential("10 millis").pipe(Schedule.jittered, Schedule.upTo({ times: 7 }))

/** A conflict with another transaction: the server has rolled this one back, and it may succeed the next time. */
const isConflict = (error: unknown): boolean =>
  typeof error === "object" && error !== null && (error as QueryError)._tag === "ServerError" &&
  ["SerializationFailure", "DeadlockDetected"].includes((error as QueryError & { _tag: "ServerError" }).reason._tag)

/** @internal */
export const withDerived = <E>(
  queries: Omit<Queries<E>, Derived>,
  /** Whether the calling fiber is in a transaction already, which has to be done again as a whole. */
  isInside: Effect.Effect<boolean>
): Queries<E> => ({
  ...queries,
  one: (statement) => Effect.flatMap(queries.query(statement), one),
  optional: (statement) => Effect.flatMap(queries.query(statement), optional),
  retryTransaction: (effect, options: RetryOptions = {}) => {
    const { schedule = patience, ...settings } = options
    const once = queries.transaction(effect, settings)
    return Effect.flatMap(isInside, (isInside) => isInside ? once : Effect.retry(once, { while: isConflict, schedule }))
  }
})
