import * as Wire from "../Wire.ts"

/**
 * Ends the session.
 *
 * @category messages
 * @since 0.1.0
 */
export const Terminate = Wire.message("Terminate", { from: "frontend", tag: "X" }, {})

/**
 * The decoded {@link Terminate} message.
 *
 * @category messages
 * @since 0.1.0
 */
export type Terminate = typeof Terminate.Type
