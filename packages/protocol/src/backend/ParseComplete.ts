import * as Wire from "../Wire.ts"

/**
 * A Parse succeeded.
 *
 * @category messages
 * @since 0.1.0
 */
export const ParseComplete = Wire.message("ParseComplete", { from: "backend", tag: "1" }, {})

/**
 * The decoded {@link ParseComplete} message.
 *
 * @category messages
 * @since 0.1.0
 */
export type ParseComplete = typeof ParseComplete.Type
