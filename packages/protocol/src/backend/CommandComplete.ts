import * as Wire from "../Wire.ts"

/**
 * A command has ended well.
 *
 * @category messages
 * @since 0.1.0
 */
export const CommandComplete = Wire.message("CommandComplete", { from: "backend", tag: "C", limit: Wire.shortLimit }, {
  /** The command and, for most commands, how many rows it touched, such as `INSERT 0 1` or `SELECT 5`. */
  commandTag: Wire.CString
})

/**
 * The value that {@link CommandComplete} is read to, and written from.
 *
 * @category messages
 * @since 0.1.0
 */
export type CommandComplete = typeof CommandComplete.Type
