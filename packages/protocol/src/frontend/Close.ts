import * as Wire from "../Wire.ts"

/**
 * Closes a prepared statement or a portal.
 *
 * @category messages
 * @since 0.1.0
 */
export const Close = Wire.message("Close", { from: "frontend", tag: "C" }, {
  /** `S` for a prepared statement, `P` for a portal. */
  kind: Wire.CharOf(["S", "P"]),
  name: Wire.CString
})

/**
 * The decoded {@link Close} message.
 *
 * @category messages
 * @since 0.1.0
 */
export type Close = typeof Close.Type
