/**
 * Deadlines for the server's work.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"

/**
 * Waits for an effect until a deadline. It is not interrupted, as that could take as long again: its session is closed
 * instead.
 */
export const timeoutDetached = <A, E>(
  effect: Effect.Effect<A, E>,
  milliseconds: number
): Effect.Effect<Exit.Exit<A, E> | undefined> =>
  Effect.flatMap(
    Effect.forkDetach(effect, { startImmediately: true }),
    (fiber) => Effect.map(Effect.timeoutOption(Fiber.await(fiber), milliseconds), Option.getOrUndefined)
  )
