/**
 * Time limits of queries.
 *
 * @internal
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import { type QueryError, QueryTimeout } from "../../QueryError.ts"
import { failQuery, type StatementLike, textOf } from "./queryError.ts"

/** The time limit of each query of a fiber, in place of the session's. */
export const CurrentTimeout: Context.Reference<Duration.Duration | undefined> = Context.Reference<
  Duration.Duration | undefined
>("@hyperfect/client/CurrentTimeout", { defaultValue: () => undefined })

/** Runs an effect of the fiber as a query with a time limit; `absent` is that of its session, in milliseconds. */
export const withQueryTimeout = <A, E, R>(
  fiber: Fiber.Fiber<unknown, unknown>,
  absent: number | undefined,
  statement: StatementLike | ReadonlyArray<{ readonly text: string }>,
  query: Effect.Effect<A, E, R>
): Effect.Effect<A, E | QueryError, R> => {
  const current = fiber.getRef(CurrentTimeout)
  const milliseconds = current === undefined ? absent : Duration.toMillis(current)
  return milliseconds === undefined || milliseconds === Infinity ? query : Effect.timeoutOrElse(query, {
    duration: milliseconds,
    // Only the interrupted exchange knows whether the server received it.
    orElse: () =>
      failQuery(
        new QueryTimeout({ milliseconds }),
        "unknown",
        Array.isArray(statement) ? textOf(statement) : statement as StatementLike
      )
  })
}
