/**
 * The time that a query has.
 *
 * @internal
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import { type QueryError, QueryTimeout } from "../QueryError.ts"
import { type About, fail } from "./circumstances.ts"

/** The time that each query of a fiber has, when it is not that of its session. */
export const CurrentTimeout: Context.Reference<Duration.Duration | undefined> = Context.Reference<
  Duration.Duration | undefined
>("@hyperfect/client/CurrentTimeout", { defaultValue: () => undefined })

/** An effect of the fiber, as a query that has only so much time; `absent` is that of its session, in milliseconds. */
export const limited = <A, E>(
  fiber: Fiber.Fiber<unknown, unknown>,
  absent: number | undefined,
  statement: About,
  query: Effect.Effect<A, E>
): Effect.Effect<A, E | QueryError> => {
  const current = fiber.getRef(CurrentTimeout)
  const milliseconds = current === undefined ? absent : Duration.toMillis(current)
  return milliseconds === undefined || milliseconds === Infinity ? query : Effect.timeoutOrElse(query, {
    duration: milliseconds,
    // Whether the server has got it is known only to who was interrupted.
    orElse: () => fail(new QueryTimeout({ milliseconds }), "unknown", statement)
  })
}
