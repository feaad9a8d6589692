import * as Wire from "../Wire.ts"

/**
 * Runs a portal.
 *
 * @category messages
 * @since 0.1.0
 */
export const Execute = Wire.message("Execute", { from: "frontend", tag: "E", limit: Wire.shortLimit }, {
  portal: Wire.CString,
  /** The most rows to return; 0 for all. Hyper must only be sent 0. */
  maxRows: Wire.Int32
})

/**
 * The value that {@link Execute} is read to, and written from.
 *
 * @category messages
 * @since 0.1.0
 */
export type Execute = typeof Execute.Type
