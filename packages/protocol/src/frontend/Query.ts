import * as Wire from "../Wire.ts"

/**
 * Runs a query by the simple protocol.
 *
 * @category messages
 * @since 0.1.0
 */
export const Query = Wire.message("Query", { from: "frontend", tag: "Q", limit: Wire.longLimit }, {
  query: Wire.CString
})

/**
 * The value that {@link Query} is read to, and written from.
 *
 * @category messages
 * @since 0.1.0
 */
export type Query = typeof Query.Type
