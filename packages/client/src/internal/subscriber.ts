/**
 * One who listens to a channel, and what waits for him.
 *
 * @internal
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Pull from "effect/Pull"
import type { Event, Gap, ListenError, Notification } from "../Notification.ts"
import { Handoff } from "./handoff.ts"

/** @internal */
export class Subscriber {
  readonly channel: string
  private readonly capacity: number
  private readonly waiting = new Handoff<Event, ListenError>()
  private readonly begun = Deferred.makeUnsafe<void, ListenError>()
  private isCutOff = false
  /** The gap at the end of what waits, which grows until it is taken. */
  private gap: { -readonly [K in keyof Gap]: Gap[K] } | undefined

  constructor(channel: string, capacity: number) {
    this.channel = channel
    this.capacity = capacity
  }

  /** Ends when the server listens for him. */
  readonly established: Effect.Effect<void, ListenError> = Deferred.await(this.begun)

  readonly pull: Pull.Pull<NonEmptyReadonlyArray<Event>, ListenError> = this.waiting.pull

  hasBegun(): boolean {
    return Deferred.isDoneUnsafe(this.begun)
  }

  /** The server listens: for the first time, or again. */
  establish(): void {
    if (this.isCutOff) this.rejoin()
    else Deferred.doneUnsafe(this.begun, Effect.void)
  }

  /** The session that listened for him is lost. */
  cutOff(): void {
    this.isCutOff = this.hasBegun()
  }

  private rejoin(): void {
    this.isCutOff = false
    // A gap at the end of what waits says it already.
    if (this.waiting.size() > this.capacity) return
    this.waiting.push([{ _tag: "Gap", channel: this.channel, reason: "Reconnected", missed: undefined }])
  }

  hear(notification: Notification): void {
    // It can come before the answer to LISTEN was noticed.
    if (this.isCutOff) this.rejoin()
    if (this.waiting.size() < this.capacity) {
      this.gap = undefined
      this.waiting.push([notification])
    } else if (this.gap === undefined) {
      this.gap = { _tag: "Gap", channel: this.channel, reason: "Overflow", missed: 1 }
      this.waiting.push([this.gap])
    } else {
      this.gap.missed!++
    }
  }

  end(exit: Exit.Exit<void, ListenError>): void {
    Deferred.doneUnsafe(this.begun, exit)
    this.waiting.end(exit)
  }

  leave(): void {
    this.waiting.close()
  }
}
