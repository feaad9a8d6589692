/**
 * A subscriber of a channel, and its buffer of events.
 *
 * @internal
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Pull from "effect/Pull"
import type { Event, Gap, ListenError, Notification } from "../../Notification.ts"
import { Handoff } from "../session/handoff.ts"

/** @internal */
export class Subscriber {
  readonly channel: string
  private readonly capacity: number
  private readonly handoff = new Handoff<Event, ListenError>()
  private readonly ready = Deferred.makeUnsafe<void, ListenError>()
  private isDisconnected = false
  /** The gap at the end of the buffer, which grows until it is taken. */
  private gap: { -readonly [K in keyof Gap]: Gap[K] } | undefined

  constructor(channel: string, capacity: number) {
    this.channel = channel
    this.capacity = capacity
  }

  /** Completes once the server listens to the channel. */
  readonly listening: Effect.Effect<void, ListenError> = Deferred.await(this.ready)

  readonly pull: Pull.Pull<NonEmptyReadonlyArray<Event>, ListenError> = this.handoff.pull

  isReady(): boolean {
    return Deferred.isDoneUnsafe(this.ready)
  }

  /** Records that the server listens, for the first time or again. */
  onListening(): void {
    if (this.isDisconnected) this.pushReconnected()
    else Deferred.doneUnsafe(this.ready, Effect.void)
  }

  /** Records that the session was lost. */
  onDisconnect(): void {
    this.isDisconnected = this.isReady()
  }

  private pushReconnected(): void {
    this.isDisconnected = false
    // There is already a gap at the end of the buffer.
    if (this.handoff.size() > this.capacity) return
    this.handoff.push([{ _tag: "Gap", channel: this.channel, reason: "Reconnected", missed: undefined }])
  }

  onNotification(notification: Notification): void {
    // Can arrive before the response to LISTEN was handled.
    if (this.isDisconnected) this.pushReconnected()
    if (this.handoff.size() < this.capacity) {
      this.gap = undefined
      this.handoff.push([notification])
    } else if (this.gap === undefined) {
      this.gap = { _tag: "Gap", channel: this.channel, reason: "Overflow", missed: 1 }
      this.handoff.push([this.gap])
    } else {
      this.gap.missed!++
    }
  }

  end(exit: Exit.Exit<void, ListenError>): void {
    Deferred.doneUnsafe(this.ready, exit)
    this.handoff.end(exit)
  }

  /** Ends the subscription and drops its buffer. */
  close(): void {
    this.handoff.close()
    this.end(Exit.void)
  }
}
