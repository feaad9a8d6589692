import * as Wire from "../Wire.ts"

/**
 * How far the client has come.
 *
 * @category messages
 * @since 0.1.0
 */
export const StandbyStatusUpdate = Wire.message("StandbyStatusUpdate", {
  from: "frontend",
  tag: "r",
  within: "CopyData",
  limit: Wire.shortLimit
}, {
  /** Behind the last byte that was received and written, 0 for none. */
  walWritten: Wire.Int64,
  /** Behind the last byte that is safe on disk: the server may forget what comes before. */
  walFlushed: Wire.Int64,
  /** Behind the last byte that was applied. */
  walApplied: Wire.Int64,
  /** The client's clock: microseconds since midnight of 2000-01-01, UTC. */
  clientTime: Wire.Int64,
  /** 1 when the server is to answer at once. */
  replyRequested: Wire.UInt8
})

/**
 * The value that {@link StandbyStatusUpdate} is read to, and written from.
 *
 * @category messages
 * @since 0.1.0
 */
export type StandbyStatusUpdate = typeof StandbyStatusUpdate.Type
