/**
 * An end in time for what a server has to do.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"

/** What becomes of an effect in time. It is not interrupted, for that could take as long again: its session is closed. */
export const within = <A, E>(
  effect: Effect.Effect<A, E>,
  milliseconds: number
): Effect.Effect<Exit.Exit<A, E> | undefined> =>
  Effect.flatMap(
    Effect.forkDetach(effect, { startImmediately: true }),
    (fiber) => Effect.map(Effect.timeoutOption(Fiber.await(fiber), milliseconds), Option.getOrUndefined)
  )
