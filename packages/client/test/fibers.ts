/** How the tests of this package run things beside each other. */
import { Effect } from "effect"

/** Runs a child up to where it first has to wait, so that what it sends is on its way. */
export const start = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkChild(effect, { startImmediately: true })
