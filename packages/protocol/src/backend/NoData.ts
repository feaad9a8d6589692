import * as Wire from "../Wire.ts"

/**
 * The described statement or portal returns no rows.
 *
 * @category messages
 * @since 0.1.0
 */
export const NoData = Wire.message("NoData", { from: "backend", tag: "n" }, {})

/**
 * The decoded {@link NoData} message.
 *
 * @category messages
 * @since 0.1.0
 */
export type NoData = typeof NoData.Type
