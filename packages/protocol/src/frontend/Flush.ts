import * as Wire from "../Wire.ts"

/**
 * Asks the server to send what it has ready, without ending the group of messages.
 *
 * @category messages
 * @since 0.1.0
 */
export const Flush = Wire.message("Flush", { from: "frontend", tag: "H", limit: Wire.shortLimit }, {})

/**
 * The value that {@link Flush} is read to, and written from.
 *
 * @category messages
 * @since 0.1.0
 */
export type Flush = typeof Flush.Type
