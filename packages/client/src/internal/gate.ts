/**
 * Who may use a session: everyone at once, or one alone.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { UnsupportedError } from "../QueryError.ts"

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

  private readonly opened: Effect.Effect<void, UnsupportedError> = Effect.withFiber((fiber) =>
    fiber.id === this.needed
      ? Effect.fail(
        new UnsupportedError({ feature: "a statement in the middle of another one's data", server: this.server })
      )
      : Effect.callback<void>((resume) => {
        const waiter = () => resume(Effect.void)
        this.waiters.add(waiter)
        return Effect.sync(() => this.waiters.delete(waiter))
      })
  )

  /** Waits until the gate is open and goes on with this in the same step, so that nobody can shut it in between. */
  readonly pass = <A, E, R>(enter: () => Effect.Effect<A, E, R>): Effect.Effect<A, E | UnsupportedError, R> =>
    Effect.suspend(() => this.passUnsafe(enter))

  /** As {@link pass}, in the calling step when the gate is open. */
  passUnsafe<A, E, R>(enter: () => Effect.Effect<A, E, R>): Effect.Effect<A, E | UnsupportedError, R> {
    return this.isOpen ? enter() : Effect.flatMap(this.opened, () => this.passUnsafe(enter))
  }

  /** Only the waiting can be interrupted: whoever has shut the gate is going to open it. */
  private shut(
    restore: <A, E, R>(wait: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  ): Effect.Effect<void, UnsupportedError> {
    return Effect.suspend(() => {
      if (!this.isOpen) return Effect.flatMap(restore(this.opened), () => this.shut(restore))
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
  readonly exclusive: Effect.Effect<void, UnsupportedError, Scope.Scope> = Effect.uninterruptibleMask((restore) =>
    Effect.acquireRelease(this.shut(restore), () => this.open)
  )

  /** Shuts the gate behind the caller for as long as the effect takes. */
  readonly alone = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | UnsupportedError, R> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(this.shut(restore), () => Effect.onExit(restore(effect), () => this.open))
    )
}
