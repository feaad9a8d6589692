import * as Wire from "../Wire.ts"

/**
 * What was described returns no rows.
 *
 * @category messages
 * @since 0.1.0
 */
export const NoData = Wire.message("NoData", { from: "backend", tag: "n", limit: Wire.shortLimit }, {})

/**
 * The value that {@link NoData} is read to, and written from.
 *
 * @category messages
 * @since 0.1.0
 */
export type NoData = typeof NoData.Type
