import * as Wire from "../Wire.ts"

/**
 * The server is ready to receive the data of a COPY.
 *
 * @category messages
 * @since 0.1.0
 */
export const CopyInResponse = Wire.message("CopyInResponse", { from: "backend", tag: "G", limit: 200_000 }, {
  /** 0 for text, 1 for binary. Hyper always sends 0, even for HyperBinary and Arrow. */
  format: Wire.Int8,
  columnFormats: Wire.Array(Wire.UInt16, Wire.Int16)
})

/**
 * The decoded {@link CopyInResponse} message.
 *
 * @category messages
 * @since 0.1.0
 */
export type CopyInResponse = typeof CopyInResponse.Type
