import * as Wire from "../Wire.ts"

/**
 * Binds values to the parameters of a prepared statement and creates a portal.
 *
 * @category messages
 * @since 0.1.0
 */
export const Bind = Wire.message("Bind", { from: "frontend", tag: "B", limit: Wire.longLimit }, {
  /** The portal to create; empty for the unnamed one. */
  portal: Wire.CString,
  /** The prepared statement to bind; empty for the unnamed one. */
  statement: Wire.CString,
  /** One format for each parameter, one for all, or none for text. */
  parameterFormats: Wire.Array(Wire.UInt16, Wire.Int16),
  parameters: Wire.Array(Wire.UInt16, Wire.Nullable),
  /** One format for each column, one for all, or none for text. */
  resultFormats: Wire.Array(Wire.UInt16, Wire.Int16)
})

/**
 * The decoded {@link Bind} message.
 *
 * @category messages
 * @since 0.1.0
 */
export type Bind = typeof Bind.Type
