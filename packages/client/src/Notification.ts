/**
 * What one who listens to a channel gets, and why he gets nothing more.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import type { ConnectError } from "./ConnectError.ts"
import type { QueryError, UnsupportedError } from "./QueryError.ts"

/**
 * What somebody has notified a channel of.
 *
 * @category models
 * @since 0.1.0
 */
export interface Notification<A = string> {
  readonly _tag: "Notification"
  readonly channel: string
  /** Empty when there was none. */
  readonly payload: A
  /** The server's process behind the session that sent it: the `processId` of a `Session`. */
  readonly processId: number
}

/**
 * Notifications may be missing here.
 *
 * @category models
 * @since 0.1.0
 */
export interface Gap {
  readonly _tag: "Gap"
  readonly channel: string
  /** Whether the session was lost and is listening again, or more came than the subscriber could take. */
  readonly reason: "Reconnected" | "Overflow"
  /** How many are missing, at least. Nobody knows behind a reconnection. */
  readonly missed: number | undefined
}

/**
 * What a subscriber gets.
 *
 * @category models
 * @since 0.1.0
 */
export type Event = Notification | Gap

/**
 * A notification whose payload is not what the channel's schema says. Whoever may connect may send one.
 *
 * @category models
 * @since 0.1.0
 */
export interface Malformed {
  readonly _tag: "Malformed"
  readonly channel: string
  readonly processId: number
  /** The payload as it came. */
  readonly payload: string
  readonly error: Schema.SchemaError
}

/**
 * A name that no channel can have: the server would cut it short, or not take it.
 *
 * @category errors
 * @since 0.1.0
 */
export class ChannelInvalid extends Schema.TaggedError<ChannelInvalid>()("ChannelInvalid", {
  channel: Schema.String,
  problem: Schema.String
}) {
  override get message(): string {
    return `no name of a channel: ${JSON.stringify(this.channel)} ${this.problem}`
  }

  /** Always false. */
  get isRetryable(): false {
    return false
  }
}

/**
 * Why a subscription did not begin, or has ended for good.
 *
 * **Details**
 *
 * - Who has just come is told at once that no session can be opened, and may try again.
 * - Who has listened before waits for the server to come back. He is only told of what will not pass by itself, such as a
 *   password that is not accepted any more.
 *
 * @category errors
 * @since 0.1.0
 */
export type ListenError = ChannelInvalid | ConnectError | QueryError | UnsupportedError
