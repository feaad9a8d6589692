import * as Wire from "../Wire.ts"

/**
 * A Bind was carried out.
 *
 * @category messages
 * @since 0.1.0
 */
export const BindComplete = Wire.message("BindComplete", { from: "backend", tag: "2", limit: Wire.shortLimit }, {})

/**
 * The value that {@link BindComplete} is read to, and written from.
 *
 * @category messages
 * @since 0.1.0
 */
export type BindComplete = typeof BindComplete.Type
