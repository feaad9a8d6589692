import * as Wire from "../Wire.ts"

/**
 * Requests the parameters and columns of a prepared statement, or the columns of a portal.
 *
 * @category messages
 * @since 0.1.0
 */
export const Describe = Wire.message("Describe", { from: "frontend", tag: "D" }, {
  /** `S` for a prepared statement, `P` for a portal. */
  kind: Wire.CharOf(["S", "P"]),
  name: Wire.CString
})

/**
 * The decoded {@link Describe} message.
 *
 * @category messages
 * @since 0.1.0
 */
export type Describe = typeof Describe.Type
