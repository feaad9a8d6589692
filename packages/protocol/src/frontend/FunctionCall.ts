import * as Wire from "../Wire.ts"

/**
 * Calls a function by its OID; superseded by the extended protocol.
 *
 * @category messages
 * @since 0.1.0
 */
export const FunctionCall = Wire.message("FunctionCall", { from: "frontend", tag: "F", limit: Wire.longLimit }, {
  functionOid: Wire.UInt32,
  /** One format for each argument, one for all, or none for text. */
  argumentFormats: Wire.Array(Wire.UInt16, Wire.Int16),
  arguments: Wire.Array(Wire.UInt16, Wire.Nullable),
  resultFormat: Wire.Int16
})

/**
 * The decoded {@link FunctionCall} message.
 *
 * @category messages
 * @since 0.1.0
 */
export type FunctionCall = typeof FunctionCall.Type
