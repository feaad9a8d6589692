/**
 * Events and errors of a subscription to a channel.
 *
 * @since 0.1.0
 */
import { TaggedError } from "@hyperfect/protocol/ProtocolError"
import * as Schema from "effect/Schema"
import type { ConnectError } from "./ConnectError.ts"
import type { QueryError, UnsupportedError } from "./QueryError.ts"

/**
 * A notification received on a channel.
 *
 * @category models
 * @since 0.1.0
 */
export interface Notification<A = string> {
  readonly _tag: "Notification"
  readonly channel: string
  /** Empty if the notification has no payload. */
  readonly payload: A
  /** The backend process that sent it: the `processId` of that `Session`. */
  readonly processId: number
}

/**
 * Marks a place in the stream where notifications may be missing.
 *
 * @category models
 * @since 0.1.0
 */
export interface Gap {
  readonly _tag: "Gap"
  readonly channel: string
  /** `"Reconnected"`: the session was lost and has been replaced. `"Overflow"`: the subscriber's buffer was full. */
  readonly reason: "Reconnected" | "Overflow"
  /** The minimum number of missing notifications; unknown after a reconnection. */
  readonly missed: number | undefined
}

/**
 * An event of a subscription.
 *
 * @category models
 * @since 0.1.0
 */
export type Event = Notification | Gap

/**
 * A notification whose payload does not match the channel's schema. Any client of the database can send one.
 *
 * @category models
 * @since 0.1.0
 */
export interface Malformed {
  readonly _tag: "Malformed"
  readonly channel: string
  readonly processId: number
  /** The payload as received. */
  readonly payload: string
  readonly error: Schema.SchemaError
}

/**
 * An invalid channel name, which the server would truncate or reject.
 *
 * @category errors
 * @since 0.1.0
 */
export class ChannelInvalid extends TaggedError<ChannelInvalid>()("ChannelInvalid", {
  channel: Schema.String,
  problem: Schema.String
}, ({ channel, problem }) => `invalid channel name ${JSON.stringify(channel)}: ${problem}`) {}

/**
 * The reason why a subscription did not begin, or has ended permanently.
 *
 * **Details**
 *
 * - A new subscription fails at once if no session can be opened, and may be retried.
 * - An established subscription survives reconnects. It fails only with permanent errors, such as a password that is no
 *   longer accepted.
 *
 * @category errors
 * @since 0.1.0
 */
export type ListenError = ChannelInvalid | ConnectError | QueryError | UnsupportedError
