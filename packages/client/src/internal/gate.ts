/**
 * Who may use a session: everyone at once, or one alone.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/** @internal */
export class Gate {
  isOpen = true
  private readonly waiters = new Set<() => void>()

  private readonly opened: Effect.Effect<void> = Effect.callback<void>((resume) => {
    const waiter = () => resume(Effect.void)
    this.waiters.add(waiter)
    return Effect.sync(() => this.waiters.delete(waiter))
  })

  /** Waits until the gate is open and goes on with this in the same step, so that nobody can shut it in between. */
  readonly pass = <A, E, R>(enter: () => Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.suspend(() => this.isOpen ? enter() : Effect.flatMap(this.opened, () => this.pass(enter)))

  /** Only the waiting can be interrupted: whoever has shut the gate is going to open it. */
  private shut(restore: <A, E, R>(wait: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (!this.isOpen) return Effect.flatMap(restore(this.opened), () => this.shut(restore))
      this.isOpen = false
      return Effect.void
    })
  }

  private readonly open: Effect.Effect<void> = Effect.sync(() => {
    this.isOpen = true
    const waiters = [...this.waiters]
    this.waiters.clear()
    for (const waiter of waiters) waiter()
  })

  /** Shuts the gate behind the caller until the scope closes. */
  readonly exclusive: Effect.Effect<void, never, Scope.Scope> = Effect.uninterruptibleMask((restore) =>
    Effect.acquireRelease(this.shut(restore), () => this.open)
  )

  /** Shuts the gate behind the caller for as long as the effect takes. */
  readonly alone = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(this.shut(restore), () => Effect.onExit(restore(effect), () => this.open))
    )
}
