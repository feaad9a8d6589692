import * as Wire from "../Wire.ts"

/**
 * The types of the parameters of a prepared statement.
 *
 * @category messages
 * @since 0.1.0
 */
export const ParameterDescription = Wire.message("ParameterDescription", {
  from: "backend",
  tag: "t",
  limit: Wire.longLimit
}, {
  /** The OID of each parameter's type. */
  parameterTypes: Wire.Array(Wire.UInt16, Wire.UInt32)
})

/**
 * The value that {@link ParameterDescription} is read to, and written from.
 *
 * @category messages
 * @since 0.1.0
 */
export type ParameterDescription = typeof ParameterDescription.Type
