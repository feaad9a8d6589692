import * as Wire from "../Wire.ts"

/**
 * Starts copying in both directions: streaming replication.
 *
 * @category messages
 * @since 0.1.0
 */
export const CopyBothResponse = Wire.message("CopyBothResponse", { from: "backend", tag: "W", limit: 200_000 }, {
  /** 0 for text, 1 for binary. */
  format: Wire.Int8,
  columnFormats: Wire.Array(Wire.UInt16, Wire.Int16)
})

/**
 * The decoded {@link CopyBothResponse} message.
 *
 * @category messages
 * @since 0.1.0
 */
export type CopyBothResponse = typeof CopyBothResponse.Type
