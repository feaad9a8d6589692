import * as Wire from "../Wire.ts"

/**
 * A Parse was carried out.
 *
 * @category messages
 * @since 0.1.0
 */
export const ParseComplete = Wire.message("ParseComplete", { from: "backend", tag: "1", limit: Wire.shortLimit }, {})

/**
 * The value that {@link ParseComplete} is read to, and written from.
 *
 * @category messages
 * @since 0.1.0
 */
export type ParseComplete = typeof ParseComplete.Type
