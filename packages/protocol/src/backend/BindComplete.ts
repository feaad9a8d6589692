import * as Wire from "../Wire.ts"

/**
 * A Bind succeeded.
 *
 * @category messages
 * @since 0.1.0
 */
export const BindComplete = Wire.message("BindComplete", { from: "backend", tag: "2" }, {})

/**
 * The decoded {@link BindComplete} message.
 *
 * @category messages
 * @since 0.1.0
 */
export type BindComplete = typeof BindComplete.Type
