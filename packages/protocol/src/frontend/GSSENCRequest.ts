import * as Wire from "../Wire.ts"

/**
 * Requests GSSAPI encryption, before start-up. The server responds with one byte.
 *
 * @category messages
 * @since 0.1.0
 */
export const GSSENCRequest = Wire.message("GSSENCRequest", { from: "frontend", code: 80877104, limit: 8 }, {})

/**
 * The decoded {@link GSSENCRequest} message.
 *
 * @category messages
 * @since 0.1.0
 */
export type GSSENCRequest = typeof GSSENCRequest.Type
