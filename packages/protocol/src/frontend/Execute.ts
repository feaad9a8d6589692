import * as Wire from "../Wire.ts"

/**
 * Runs a portal.
 *
 * @category messages
 * @since 0.1.0
 */
export const Execute = Wire.message("Execute", { from: "frontend", tag: "E" }, {
  portal: Wire.CString,
  /** The maximum number of rows to return; 0 for all. Hyper only accepts 0. */
  maxRows: Wire.Int32
})

/**
 * The decoded {@link Execute} message.
 *
 * @category messages
 * @since 0.1.0
 */
export type Execute = typeof Execute.Type
