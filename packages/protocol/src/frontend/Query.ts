import * as Wire from "../Wire.ts"

/**
 * Runs a query with the simple protocol.
 *
 * @category messages
 * @since 0.1.0
 */
export const Query = Wire.message("Query", { from: "frontend", tag: "Q", limit: Wire.longLimit }, {
  query: Wire.CString
})

/**
 * The decoded {@link Query} message.
 *
 * @category messages
 * @since 0.1.0
 */
export type Query = typeof Query.Type
