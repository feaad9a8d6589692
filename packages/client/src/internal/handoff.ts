/**
 * Hands batches from the engine's reader to the consumer of a stream, with at most one batch waiting between them.
 *
 * @internal
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Pull from "effect/Pull"

type Batch<A> = NonEmptyReadonlyArray<A>

/** @internal */
export class Handoff<A, E> {
  private waiting: Array<A> = []
  private ended: Effect.Effect<never, E | Cause.Done> | undefined
  private closed = false
  private consumer: ((next: Effect.Effect<Batch<A>, E | Cause.Done>) => void) | undefined
  private producer: (() => void) | undefined

  /** Takes a batch; the effect ends when the consumer has come for the one before. Interrupting it loses nothing. */
  readonly offer = (batch: Array<A>): Effect.Effect<void> =>
    Effect.callback<void>((resume) => {
      const hadRoom = this.waiting.length === 0
      this.push(batch)
      if (hadRoom || this.closed) return resume(Effect.void)
      this.producer = () => resume(Effect.void)
      return Effect.sync(() => {
        this.producer = undefined
      })
    })

  /** Takes a batch without waiting: the last one, which cannot be kept back. */
  push(batch: Array<A>): void {
    if (this.closed || batch.length === 0) return
    // Not by spreading: a batch can be longer than an argument list.
    if (this.waiting.length === 0) this.waiting = batch
    else for (const element of batch) this.waiting.push(element)
    this.wake()
  }

  /** How many elements wait for the consumer. */
  size(): number {
    return this.waiting.length
  }

  /** Nothing more will come; what waits is still handed out. */
  end(outcome: Effect.Effect<void, E>): void {
    this.ended ??= Effect.flatMap(outcome, () => Cause.done())
    this.wake()
  }

  /** The consumer has gone: whatever comes is dropped, and nobody waits. */
  close(): void {
    this.closed = true
    this.waiting = []
    this.producer?.()
  }

  private wake(): void {
    const consumer = this.consumer
    if (consumer === undefined) return
    this.consumer = undefined
    consumer(this.next()!)
  }

  private next(): Effect.Effect<Batch<A>, E | Cause.Done> | undefined {
    if (this.waiting.length > 0) {
      const batch = this.waiting
      this.waiting = []
      this.producer?.()
      this.producer = undefined
      return Effect.succeed(batch as unknown as Batch<A>)
    }
    return this.ended
  }

  readonly pull: Pull.Pull<Batch<A>, E> = Effect.callback<Batch<A>, E | Cause.Done>((resume) => {
    const next = this.next()
    if (next !== undefined) return resume(next)
    this.consumer = resume
    return Effect.sync(() => {
      this.consumer = undefined
    })
  })
}
