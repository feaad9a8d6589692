import * as Wire from "../Wire.ts"

/**
 * Aborts a COPY from the client: the server discards the data received so far and responds with an error.
 *
 * @category messages
 * @since 0.1.0
 */
export const CopyFail = Wire.message("CopyFail", { from: "frontend", tag: "f" }, {
  /** The reason, which the server includes in its error. */
  message: Wire.CString
})

/**
 * The decoded {@link CopyFail} message.
 *
 * @category messages
 * @since 0.1.0
 */
export type CopyFail = typeof CopyFail.Type
