import * as Wire from "../Wire.ts"

/**
 * Asks, before the start-up, whether the server will encrypt with GSSAPI. It answers with one byte.
 *
 * @category messages
 * @since 0.1.0
 */
export const GSSENCRequest = Wire.message("GSSENCRequest", { from: "frontend", code: 80877104, limit: 8 }, {})

/**
 * The value that {@link GSSENCRequest} is read to, and written from.
 *
 * @category messages
 * @since 0.1.0
 */
export type GSSENCRequest = typeof GSSENCRequest.Type
