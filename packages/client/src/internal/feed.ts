/**
 * What a server says unasked, for whoever wants to hear it from now on.
 *
 * Most sessions are never listened to, so there is nothing in a feed before its first subscriber.
 *
 * @internal
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as PubSub from "effect/PubSub"
import * as Stream from "effect/Stream"
import type * as Take from "effect/Take"

/** How much is kept for a slow subscriber. */
const backlog = 256

export class Feed<A> {
  private pubsub: PubSub.PubSub<Take.Take<A>> | undefined
  private hasEnded = false

  /** From now on, without the oldest of what a slow subscriber has not taken. It ends with the feed. */
  readonly stream: Stream.Stream<A> = Stream.unwrap(Effect.suspend(() =>
    this.hasEnded
      ? Effect.succeed(Stream.empty)
      : Effect.map(this.pubsub === undefined ? this.open : Effect.succeed(this.pubsub), Stream.fromPubSubTake)
  ))

  /** Another subscriber may have opened it, and it may have ended, while this one was about to. */
  private readonly open = Effect.map(PubSub.sliding<Take.Take<A>>(backlog), (made) => {
    const pubsub = this.pubsub ??= made
    if (this.hasEnded) PubSub.endUnsafe(pubsub, Exit.void)
    return pubsub
  })

  publish(value: A): void {
    if (this.pubsub !== undefined) PubSub.publishUnsafe(this.pubsub, [value])
  }

  end(): void {
    this.hasEnded = true
    if (this.pubsub !== undefined) PubSub.endUnsafe(this.pubsub, Exit.void)
  }
}
