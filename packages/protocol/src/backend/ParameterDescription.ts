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
  limit: Wire.mediumLimit
}, {
  /** The OID of each parameter's type. */
  parameterTypes: Wire.Array(Wire.UInt16, Wire.UInt32)
})

/**
 * The decoded {@link ParameterDescription} message.
 *
 * @category messages
 * @since 0.1.0
 */
export type ParameterDescription = typeof ParameterDescription.Type
