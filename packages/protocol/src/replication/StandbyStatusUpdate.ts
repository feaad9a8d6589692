import * as Wire from "../Wire.ts"

/**
 * Reports the client's replication progress.
 *
 * @category messages
 * @since 0.1.0
 */
export const StandbyStatusUpdate = Wire.message("StandbyStatusUpdate", {
  from: "frontend",
  tag: "r",
  carriedBy: "CopyData"
}, {
  /** The position after the last byte received and written, 0 for none. */
  walWritten: Wire.Int64,
  /** The position after the last byte flushed to disk: the server may discard the log before it. */
  walFlushed: Wire.Int64,
  /** The position after the last byte applied. */
  walApplied: Wire.Int64,
  /** The client's clock: microseconds since midnight of 2000-01-01, UTC. */
  clientTime: Wire.Int64,
  /** 1 if the server must reply immediately. */
  replyRequested: Wire.UInt8
})

/**
 * The decoded {@link StandbyStatusUpdate} message.
 *
 * @category messages
 * @since 0.1.0
 */
export type StandbyStatusUpdate = typeof StandbyStatusUpdate.Type
