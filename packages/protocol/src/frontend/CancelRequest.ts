import * as Wire from "../Wire.ts"

/**
 * Asks, on a connection of its own, to cancel what a session is doing.
 *
 * @category messages
 * @since 0.1.0
 */
export const CancelRequest = Wire.message("CancelRequest", { from: "frontend", code: 80877102, limit: 268 }, {
  processId: Wire.Int32,
  secretKey: Wire.RestBetween(4, 256)
})

/**
 * The value that {@link CancelRequest} is read to, and written from.
 *
 * @category messages
 * @since 0.1.0
 */
export type CancelRequest = typeof CancelRequest.Type
