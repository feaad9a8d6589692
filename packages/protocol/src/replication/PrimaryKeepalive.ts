import * as Wire from "../Wire.ts"

/**
 * A keepalive message, which may request a reply from the client.
 *
 * @category messages
 * @since 0.1.0
 */
export const PrimaryKeepalive = Wire.message("PrimaryKeepalive", { from: "backend", tag: "k", carriedBy: "CopyData" }, {
  /** The current end of the server's log. */
  walEnd: Wire.Int64,
  /** The server's clock: microseconds since midnight of 2000-01-01, UTC. */
  serverTime: Wire.Int64,
  /** 1 if the client must reply immediately to avoid a timeout. */
  replyRequested: Wire.UInt8
})

/**
 * The decoded {@link PrimaryKeepalive} message.
 *
 * @category messages
 * @since 0.1.0
 */
export type PrimaryKeepalive = typeof PrimaryKeepalive.Type
