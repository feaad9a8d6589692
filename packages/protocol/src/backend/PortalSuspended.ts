import * as Wire from "../Wire.ts"

/**
 * An Execute reached its row limit and the portal has more rows.
 *
 * @category messages
 * @since 0.1.0
 */
export const PortalSuspended = Wire.message("PortalSuspended", { from: "backend", tag: "s" }, {})

/**
 * The decoded {@link PortalSuspended} message.
 *
 * @category messages
 * @since 0.1.0
 */
export type PortalSuspended = typeof PortalSuspended.Type
