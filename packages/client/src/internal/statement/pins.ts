/**
 * Pins keep the names of prepared statements valid for as long as plans hold them.
 *
 * A statement that is evicted from the cache is closed on the server only when it has no pins.
 *
 * @internal
 */
import * as Effect from "effect/Effect"

/** A value that can be pinned. */
export interface Pinnable {
  /** The number of plans that hold it. */
  pins: number
}

/** The pins of code that makes plans. They must be released. */
export class Pins {
  /**
   * True if plans are held beyond the step in which they are made, so that an already prepared statement has to be
   * pinned. A statement that is awaited is pinned in any case.
   */
  readonly isLasting: boolean
  private held: Array<Pinnable> | undefined

  constructor(isLasting: boolean) {
    this.isLasting = isLasting
  }

  add(pinnable: Pinnable): void {
    pinnable.pins++
    if (this.held === undefined) this.held = [pinnable]
    else this.held.push(pinnable)
  }

  private get release(): Effect.Effect<void> {
    return Effect.sync(() => {
      for (const pinnable of this.held ?? []) pinnable.pins--
      this.held = undefined
    })
  }

  /** Runs an effect that makes and runs plans, and releases the pins when it has ended. */
  whileHeld<A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.onExit(effect, () => this.release)
  }

  /** Pins that are released when the scope closes. */
  static readonly scoped = Effect.acquireRelease(Effect.sync(() => new Pins(true)), (pins) => pins.release)
}
