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
  Effect.flatMap(
    Effect.flatMap(Effect.scope, (scope) => Scope.fork(scope)),
    (scope) =>
      Scope.provide(effect, scope).pipe(
        Effect.onExit((exit) => (Exit.isFailure(exit) ? Scope.close(scope, exit) : Effect.void))
      )
  ) as Effect.Effect<A, E, R | Scope.Scope>
