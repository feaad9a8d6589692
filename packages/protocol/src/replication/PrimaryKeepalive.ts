import * as Wire from "../Wire.ts"

/**
 * The server is still there, and may want to know whether the client is.
 *
 * @category messages
 * @since 0.1.0
 */
export const PrimaryKeepalive = Wire.message("PrimaryKeepalive", {
  from: "backend",
  tag: "k",
  within: "CopyData",
  limit: Wire.shortLimit
}, {
  /** Where the server's log ends at the moment. */
  walEnd: Wire.Int64,
  /** The server's clock: microseconds since midnight of 2000-01-01, UTC. */
  serverTime: Wire.Int64,
  /** 1 when the client is to answer at once, or be taken for gone. */
  replyRequested: Wire.UInt8
})

/**
 * The value that {@link PrimaryKeepalive} is read to, and written from.
 *
 * @category messages
 * @since 0.1.0
 */
export type PrimaryKeepalive = typeof PrimaryKeepalive.Type
