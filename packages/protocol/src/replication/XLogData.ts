import * as Wire from "../Wire.ts"

/**
 * A section of the write-ahead log, or of a decoding plugin's output.
 *
 * @category messages
 * @since 0.1.0
 */
export const XLogData = Wire.message("XLogData", {
  from: "backend",
  tag: "w",
  carriedBy: "CopyData",
  limit: Wire.longLimit
}, {
  /** The position in the log at which the data begin. */
  walStart: Wire.Int64,
  /** The current end of the server's log. */
  walEnd: Wire.Int64,
  /** The server's clock: microseconds since midnight of 2000-01-01, UTC. */
  serverTime: Wire.Int64,
  data: Wire.Rest
})

/**
 * The decoded {@link XLogData} message.
 *
 * @category messages
 * @since 0.1.0
 */
export type XLogData = typeof XLogData.Type
