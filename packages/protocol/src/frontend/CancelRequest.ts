import * as Wire from "../Wire.ts"

/**
 * Requests, on a separate connection, to cancel the current query of a session.
 *
 * @category messages
 * @since 0.1.0
 */
export const CancelRequest = Wire.message("CancelRequest", { from: "frontend", code: 80877102, limit: 268 }, {
  processId: Wire.Int32,
  secretKey: Wire.RestBetween(4, 256)
})

/**
 * The decoded {@link CancelRequest} message.
 *
 * @category messages
 * @since 0.1.0
 */
export type CancelRequest = typeof CancelRequest.Type
