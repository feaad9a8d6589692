import * as Wire from "../Wire.ts"

/**
 * An Execute has reached its row limit and the portal has more rows.
 *
 * @category messages
 * @since 0.1.0
 */
export const PortalSuspended = Wire.message(
  "PortalSuspended",
  { from: "backend", tag: "s", limit: Wire.shortLimit },
  {}
)

/**
 * The value that {@link PortalSuspended} is read to, and written from.
 *
 * @category messages
 * @since 0.1.0
 */
export type PortalSuspended = typeof PortalSuspended.Type
