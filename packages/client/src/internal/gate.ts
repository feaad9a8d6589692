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

  /** Ends when the gate is open. */
  readonly pass: Effect.Effect<void> = Effect.suspend(() =>
    this.isOpen ? Effect.void : Effect.flatMap(this.opened, () => this.pass)
  )

  private readonly shut: Effect.Effect<void> = Effect.suspend(() => {
    if (!this.isOpen) return Effect.flatMap(this.opened, () => this.shut)
    this.isOpen = false
    return Effect.void
  })

  private readonly open: Effect.Effect<void> = Effect.sync(() => {
    this.isOpen = true
    const waiters = [...this.waiters]
    this.waiters.clear()
    for (const waiter of waiters) waiter()
  })

  /** Shuts the gate behind the caller until the scope closes. */
  readonly exclusive: Effect.Effect<void, never, Scope.Scope> = Effect.acquireRelease(this.shut, () => this.open, {
    interruptible: true
  })
}
