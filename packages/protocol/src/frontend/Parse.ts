import * as Wire from "../Wire.ts"

/**
 * Creates a prepared statement from a query.
 *
 * @category messages
 * @since 0.1.0
 */
export const Parse = Wire.message("Parse", { from: "frontend", tag: "P", limit: Wire.longLimit }, {
  /** The prepared statement to create; empty for the unnamed one. */
  name: Wire.CString,
  query: Wire.CString,
  /** The OID of each parameter's type; 0 lets the server choose. Hyper requires one for every parameter. */
  parameterTypes: Wire.Array(Wire.UInt16, Wire.UInt32)
})

/**
 * The decoded {@link Parse} message.
 *
 * @category messages
 * @since 0.1.0
 */
export type Parse = typeof Parse.Type
