import * as Wire from "../Wire.ts"

/**
 * A Close was carried out.
 *
 * @category messages
 * @since 0.1.0
 */
export const CloseComplete = Wire.message("CloseComplete", { from: "backend", tag: "3", limit: Wire.shortLimit }, {})

/**
 * The value that {@link CloseComplete} is read to, and written from.
 *
 * @category messages
 * @since 0.1.0
 */
export type CloseComplete = typeof CloseComplete.Type
