/**
 * Passes batches from the engine's reader to the consumer of a stream, with at most one batch pending between them.
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
  private buffer: Array<A> = []
  private outcome: Effect.Effect<Batch<A>, E | Cause.Done> | undefined
  private closed = false
  private consumer: ((next: Effect.Effect<Batch<A>, E | Cause.Done>) => void) | undefined
  private producer: (() => void) | undefined

  /** Adds a batch; the effect completes once the consumer has taken the previous one. An interruption loses nothing. */
  readonly offer = (batch: Array<A>): Effect.Effect<void> =>
    Effect.callback<void>((resume) => {
      const hadRoom = this.buffer.length === 0
      this.push(batch)
      if (hadRoom || this.closed) return resume(Effect.void)
      this.producer = () => resume(Effect.void)
      return Effect.sync(() => {
        this.producer = undefined
      })
    })

  /** Adds a batch without waiting: the last one, which cannot be held back. */
  push(batch: Array<A>): void {
    if (this.closed || batch.length === 0) return
    // Without spreading: a batch can be longer than an argument list.
    if (this.buffer.length === 0) this.buffer = batch
    else for (const element of batch) this.buffer.push(element)
    this.wake()
  }

  /** Drops the oldest pending element. */
  dropOldest(): void {
    this.buffer.shift()
  }

  /** The number of pending elements. */
  size(): number {
    return this.buffer.length
  }

  /** Marks the end; pending elements are still delivered. */
  end(outcome: Effect.Effect<void, E>): void {
    this.outcome ??= Effect.flatMap(outcome, () => Cause.done())
    this.wake()
  }

  /** Continues with what the effect starts, which the consumer waits for. */
  continueWith(start: Effect.Effect<void, E | Cause.Done>): void {
    this.outcome ??= Effect.flatMap(start, () => {
      this.outcome = undefined
      return this.pull
    })
    this.wake()
  }

  /** Called when the consumer has left: later elements are dropped without waiting. */
  close(): void {
    this.closed = true
    this.buffer = []
    this.producer?.()
  }

  private wake(): void {
    const consumer = this.consumer
    if (consumer === undefined) return
    this.consumer = undefined
    consumer(this.next()!)
  }

  private next(): Effect.Effect<Batch<A>, E | Cause.Done> | undefined {
    if (this.buffer.length > 0) {
      const batch = this.buffer
      this.buffer = []
      this.producer?.()
      this.producer = undefined
      return Effect.succeed(batch as unknown as Batch<A>)
    }
    return this.outcome
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
