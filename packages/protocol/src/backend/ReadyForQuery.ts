import * as Wire from "../Wire.ts"

/**
 * The server is ready for a new query cycle.
 *
 * @category messages
 * @since 0.1.0
 */
export const ReadyForQuery = Wire.message("ReadyForQuery", { from: "backend", tag: "Z" }, {
  /** `I` idle, `T` in a transaction, `E` in a failed transaction. */
  status: Wire.CharOf(["I", "T", "E"])
})

/**
 * The decoded {@link ReadyForQuery} message.
 *
 * @category messages
 * @since 0.1.0
 */
export type ReadyForQuery = typeof ReadyForQuery.Type
