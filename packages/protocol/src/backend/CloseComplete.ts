import * as Wire from "../Wire.ts"

/**
 * A Close succeeded.
 *
 * @category messages
 * @since 0.1.0
 */
export const CloseComplete = Wire.message("CloseComplete", { from: "backend", tag: "3" }, {})

/**
 * The decoded {@link CloseComplete} message.
 *
 * @category messages
 * @since 0.1.0
 */
export type CloseComplete = typeof CloseComplete.Type
