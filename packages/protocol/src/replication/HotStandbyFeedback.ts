import * as Wire from "../Wire.ts"

/**
 * The oldest transactions that queries on a standby still need to see.
 *
 * @category messages
 * @since 0.1.0
 */
export const HotStandbyFeedback = Wire.message("HotStandbyFeedback", {
  from: "frontend",
  tag: "h",
  carriedBy: "CopyData"
}, {
  /** The client's clock: microseconds since midnight of 2000-01-01, UTC. */
  clientTime: Wire.Int64,
  /** The global xmin, excluding replication slots; 0, with the next three also 0, withdraws the feedback. */
  xmin: Wire.UInt32,
  xminEpoch: Wire.UInt32,
  /** The lowest catalog xmin of any replication slot; 0 for none. */
  catalogXmin: Wire.UInt32,
  catalogXminEpoch: Wire.UInt32
})

/**
 * The decoded {@link HotStandbyFeedback} message.
 *
 * @category messages
 * @since 0.1.0
 */
export type HotStandbyFeedback = typeof HotStandbyFeedback.Type
