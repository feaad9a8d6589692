/** Helpers that run effects concurrently in the tests of this package. */
import { Effect } from "effect"

/** Forks a child and runs it up to its first wait, so that its messages are on their way. */
export const forkImmediately = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.forkChild(effect, { startImmediately: true })
