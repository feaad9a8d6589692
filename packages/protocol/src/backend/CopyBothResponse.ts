import * as Wire from "../Wire.ts"

/**
 * Both sides are about to send copy data: streaming replication.
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
 * The value that {@link CopyBothResponse} is read to, and written from.
 *
 * @category messages
 * @since 0.1.0
 */
export type CopyBothResponse = typeof CopyBothResponse.Type
