import * as Wire from "../Wire.ts"

/**
 * A piece of the write-ahead log, or of what a decoding plugin makes of it.
 *
 * @category messages
 * @since 0.1.0
 */
export const XLogData = Wire.message("XLogData", {
  from: "backend",
  tag: "w",
  within: "CopyData",
  limit: Wire.longLimit
}, {
  /** Where in the log the data begin. */
  walStart: Wire.Int64,
  /** Where the server's log ends at the moment. */
  walEnd: Wire.Int64,
  /** The server's clock: microseconds since midnight of 2000-01-01, UTC. */
  serverTime: Wire.Int64,
  data: Wire.Rest
})

/**
 * The value that {@link XLogData} is read to, and written from.
 *
 * @category messages
 * @since 0.1.0
 */
export type XLogData = typeof XLogData.Type
