/**
 * Scopes for resources acquired in several steps.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"

/**
 * Runs an effect in a scope of its own, which closes at once if the effect does not succeed, and otherwise with the
 * surrounding one.
 */
export const releasedOnFailure = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R | Scope.Scope> =>
  Effect.gen(function*() {
    const own = yield* Scope.fork(yield* Effect.scope)
    const close = (exit: Exit.Exit<A, E>) => Exit.isFailure(exit) ? Scope.close(own, exit) : Effect.void
    return yield* Effect.onExit(Scope.provide(effect, own), close)
  }) as Effect.Effect<A, E, R | Scope.Scope>
