import * as Schema from "effect/Schema"
import * as Wire from "../Wire.ts"

/**
 * Version 3.0 of the protocol: the major number in the upper half, the minor one in the lower. Hyper supports no other.
 *
 * @category constants
 * @since 0.1.0
 */
export const protocolVersion30 = 196608

/**
 * Version 3.2 of the protocol: keys for CancelRequest may be longer than four bytes. PostgreSQL supports it since 18.
 *
 * @category constants
 * @since 0.1.0
 */
export const protocolVersion32 = 196610

/**
 * Version 3.9999, which is reserved and never released: a server that supports negotiation answers it with
 * NegotiateProtocolVersion.
 *
 * @category constants
 * @since 0.1.0
 */
export const protocolVersion39999 = 206607

/**
 * The prefix of protocol option names. A server lists the options that it does not know in NegotiateProtocolVersion,
 * and continues without them.
 *
 * @category constants
 * @since 0.1.0
 */
export const protocolOptionPrefix = "_pq_."

/**
 * The first message of a session: the client's protocol version, its user, and initial settings.
 *
 * **Details**
 *
 * It has no tag. Servers reject more than 10,000 bytes of it (Hyper: 4,096).
 *
 * @category messages
 * @since 0.1.0
 */
export const StartupMessage = Wire.message("StartupMessage", { from: "frontend", limit: 10_000 }, {
  protocolVersion: Wire.Int32,
  /** `user` is required; `database`, `options`, `replication` and settings by their names may follow. */
  parameters: Wire.Terminated(Schema.Struct({ name: Wire.NonEmptyCString, value: Wire.CString }))
})

/**
 * The decoded {@link StartupMessage} message.
 *
 * @category messages
 * @since 0.1.0
 */
export type StartupMessage = typeof StartupMessage.Type
