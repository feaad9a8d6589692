import * as Wire from "../Wire.ts"

/**
 * Ends the session.
 *
 * @category messages
 * @since 0.1.0
 */
export const Terminate = Wire.message("Terminate", { from: "frontend", tag: "X", limit: Wire.shortLimit }, {})

/**
 * The value that {@link Terminate} is read to, and written from.
 *
 * @category messages
 * @since 0.1.0
 */
export type Terminate = typeof Terminate.Type
