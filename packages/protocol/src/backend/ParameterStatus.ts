import * as Wire from "../Wire.ts"

/**
 * A setting of the server that clients may want to know, at the start and when it changes.
 *
 * **Details**
 *
 * A Hyper server sends `alive` = `?` every five seconds while a statement runs.
 *
 * @category messages
 * @since 0.1.0
 */
export const ParameterStatus = Wire.message("ParameterStatus", { from: "backend", tag: "S", limit: Wire.shortLimit }, {
  name: Wire.CString,
  value: Wire.CString
})

/**
 * The value that {@link ParameterStatus} is read to, and written from.
 *
 * @category messages
 * @since 0.1.0
 */
export type ParameterStatus = typeof ParameterStatus.Type
