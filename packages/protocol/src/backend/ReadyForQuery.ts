import * as Wire from "../Wire.ts"

/**
 * The server is ready for a new cycle of queries.
 *
 * @category messages
 * @since 0.1.0
 */
export const ReadyForQuery = Wire.message("ReadyForQuery", { from: "backend", tag: "Z", limit: Wire.shortLimit }, {
  /** `I` idle, `T` in a transaction, `E` in a failed transaction. */
  status: Wire.CharOf(["I", "T", "E"])
})

/**
 * The value that {@link ReadyForQuery} is read to, and written from.
 *
 * @category messages
 * @since 0.1.0
 */
export type ReadyForQuery = typeof ReadyForQuery.Type
