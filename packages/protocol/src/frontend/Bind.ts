import * as Wire from "../Wire.ts"

/**
 * Binds values to the parameters of a prepared statement and makes a portal of it.
 *
 * @category messages
 * @since 0.1.0
 */
export const Bind = Wire.message("Bind", { from: "frontend", tag: "B", limit: Wire.longLimit }, {
  /** The portal to make; empty for the unnamed one. */
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
 * The value that {@link Bind} is read to, and written from.
 *
 * @category messages
 * @since 0.1.0
 */
export type Bind = typeof Bind.Type
