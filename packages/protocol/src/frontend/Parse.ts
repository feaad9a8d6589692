import * as Wire from "../Wire.ts"

/**
 * Makes a prepared statement of a query.
 *
 * @category messages
 * @since 0.1.0
 */
export const Parse = Wire.message("Parse", { from: "frontend", tag: "P", limit: Wire.longLimit }, {
  /** The prepared statement to make; empty for the unnamed one. */
  name: Wire.CString,
  query: Wire.CString,
  /** The OID of each parameter's type; 0 leaves it to the server. Hyper wants one for every parameter. */
  parameterTypes: Wire.Array(Wire.UInt16, Wire.UInt32)
})

/**
 * The value that {@link Parse} is read to, and written from.
 *
 * @category messages
 * @since 0.1.0
 */
export type Parse = typeof Parse.Type
