import * as Wire from "../Wire.ts"

/**
 * A command completed successfully.
 *
 * @category messages
 * @since 0.1.0
 */
export const CommandComplete = Wire.message("CommandComplete", { from: "backend", tag: "C" }, {
  /** The command and, for most commands, the number of affected rows, such as `INSERT 0 1` or `SELECT 5`. */
  commandTag: Wire.CString
})

/**
 * The decoded {@link CommandComplete} message.
 *
 * @category messages
 * @since 0.1.0
 */
export type CommandComplete = typeof CommandComplete.Type
