/**
 * Who may use a session: everyone at once, or one alone.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type QueryError, UnsupportedError } from "../QueryError.ts"
import { type About, fail } from "./circumstances.ts"

/** @internal */
export class Gate {
  isOpen = true
  private readonly server: "hyper" | "postgres"
  private readonly waiters = new Set<() => void>()
  /** The fiber that the one who has shut the gate needs to go on, as far as it is known. */
  private needed: number | undefined

  constructor(server: "hyper" | "postgres") {
    this.server = server
  }

  /** Notes that whoever has shut the gate goes on in the calling fiber, which would wait for itself at the gate. */
  readonly proceed: Effect.Effect<void> = Effect.withFiber((fiber) => {
    this.needed = fiber.id
    return Effect.void
  })

  private opened(statement: About): Effect.Effect<void, QueryError> {
    const feature = "a statement in the middle of another one's data"
    return Effect.withFiber((fiber) =>
      fiber.id === this.needed
        ? fail(new UnsupportedError({ feature, server: this.server }), "nothing", statement)
        : Effect.callback<void>((resume) => {
          const waiter = () => resume(Effect.void)
          this.waiters.add(waiter)
          return Effect.sync(() => this.waiters.delete(waiter))
        })
    )
  }

  /** Waits until the gate is open and goes on with this in the same step, so that nobody can shut it in between. */
  readonly pass = <A, E, R>(
    statement: About,
    enter: () => Effect.Effect<A, E, R>
  ): Effect.Effect<A, E | QueryError, R> => Effect.suspend(() => this.passUnsafe(statement, enter))

  /** As {@link pass}, in the calling step when the gate is open. */
  passUnsafe<A, E, R>(statement: About, enter: () => Effect.Effect<A, E, R>): Effect.Effect<A, E | QueryError, R> {
    return this.isOpen ? enter() : Effect.flatMap(this.opened(statement), () => this.passUnsafe(statement, enter))
  }

  /** Only the waiting can be interrupted: whoever has shut the gate is going to open it. */
  private shut(
    statement: About,
    restore: <A, E, R>(wait: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  ): Effect.Effect<void, QueryError> {
    return Effect.suspend(() => {
      if (!this.isOpen) return Effect.flatMap(restore(this.opened(statement)), () => this.shut(statement, restore))
      this.isOpen = false
      return Effect.void
    })
  }

  private readonly open: Effect.Effect<void> = Effect.sync(() => {
    this.isOpen = true
    this.needed = undefined
    const waiters = [...this.waiters]
    this.waiters.clear()
    for (const waiter of waiters) waiter()
  })

  /** Shuts the gate behind the caller until the scope closes. */
  readonly exclusive = (statement: About): Effect.Effect<void, QueryError, Scope.Scope> =>
    Effect.uninterruptibleMask((restore) => Effect.acquireRelease(this.shut(statement, restore), () => this.open))

  /** Shuts the gate behind the caller for as long as the effect takes. */
  readonly alone = <A, E, R>(
    statement: About,
    effect: Effect.Effect<A, E, R>
  ): Effect.Effect<A, E | QueryError, R> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(this.shut(statement, restore), () => Effect.onExit(restore(effect), () => this.open))
    )
}
