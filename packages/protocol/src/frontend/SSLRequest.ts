import * as Wire from "../Wire.ts"

/**
 * Requests TLS, before start-up. The server responds with one byte.
 *
 * @category messages
 * @since 0.1.0
 */
export const SSLRequest = Wire.message("SSLRequest", { from: "frontend", code: 80877103, limit: 8 }, {})

/**
 * The decoded {@link SSLRequest} message.
 *
 * @category messages
 * @since 0.1.0
 */
export type SSLRequest = typeof SSLRequest.Type
