import * as Wire from "../Wire.ts"

/**
 * Asks, before the start-up, whether the server will speak TLS. It answers with one byte.
 *
 * @category messages
 * @since 0.1.0
 */
export const SSLRequest = Wire.message("SSLRequest", { from: "frontend", code: 80877103, limit: 8 }, {})

/**
 * The value that {@link SSLRequest} is read to, and written from.
 *
 * @category messages
 * @since 0.1.0
 */
export type SSLRequest = typeof SSLRequest.Type
