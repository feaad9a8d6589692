/**
 * Broadcast of unsolicited messages of the server to subscribers.
 *
 * Most sessions have no subscribers, so nothing is buffered before the first one.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { Handoff } from "./handoff.ts"

/** The buffer of a slow subscriber, in messages and bytes. The newest message is kept whatever its size. */
const capacity = 256
const maxBytes = 1024 * 1024

/** The buffer of one subscriber. */
class Subscription<A> {
  readonly handoff = new Handoff<A, never>()
  private sizes: Array<number> = []
  private bytes = 0

  publish(value: A, size: number): void {
    if (this.handoff.size() === 0) {
      this.sizes = []
      this.bytes = 0
    }
    this.sizes.push(size)
    this.bytes += size
    while (this.sizes.length > 1 && (this.sizes.length > capacity || this.bytes > maxBytes)) {
      this.handoff.dropOldest()
      this.bytes -= this.sizes.shift()!
    }
    this.handoff.push([value])
  }
}

export class Broadcast<A> {
  /** The messages that each subscriber receives first. */
  private readonly initial: ReadonlyArray<A>
  private readonly subscriptions = new Set<Subscription<A>>()
  private hasEnded = false

  constructor(initial: ReadonlyArray<A> = []) {
    this.initial = initial
  }

  /** The messages from the moment of subscription; a slow subscriber misses the oldest. Ends with the broadcast. */
  readonly stream: Stream.Stream<A> = Stream.unwrap(Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => this.subscribe()),
      (subscription) => Effect.sync(() => this.subscriptions.delete(subscription))
    ),
    ({ handoff }) => Stream.fromPull(Effect.succeed(handoff.pull))
  ))

  private subscribe(): Subscription<A> {
    const subscription = new Subscription<A>()
    for (const value of this.initial) subscription.publish(value, 0)
    if (this.hasEnded) subscription.handoff.end(Effect.void)
    else this.subscriptions.add(subscription)
    return subscription
  }

  /** Publishes a message that was received in `size` bytes. */
  publish(value: A, size: number): void {
    for (const subscription of this.subscriptions) subscription.publish(value, size)
  }

  end(): void {
    this.hasEnded = true
    for (const { handoff } of this.subscriptions) handoff.end(Effect.void)
  }
}
