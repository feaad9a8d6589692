import * as Wire from "../Wire.ts"

/**
 * Breaks off a COPY from the client: the server throws away what came so far and answers with an error.
 *
 * @category messages
 * @since 0.1.0
 */
export const CopyFail = Wire.message("CopyFail", { from: "frontend", tag: "f", limit: Wire.shortLimit }, {
  /** What the server will say in its error. */
  message: Wire.CString
})

/**
 * The value that {@link CopyFail} is read to, and written from.
 *
 * @category messages
 * @since 0.1.0
 */
export type CopyFail = typeof CopyFail.Type
