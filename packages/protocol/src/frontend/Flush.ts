import * as Wire from "../Wire.ts"

/**
 * Requests the server to send its pending output, without ending the group of messages.
 *
 * @category messages
 * @since 0.1.0
 */
export const Flush = Wire.message("Flush", { from: "frontend", tag: "H" }, {})

/**
 * The decoded {@link Flush} message.
 *
 * @category messages
 * @since 0.1.0
 */
export type Flush = typeof Flush.Type
