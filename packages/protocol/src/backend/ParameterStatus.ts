import * as Wire from "../Wire.ts"

/**
 * Reports a server setting that is relevant to clients, at start-up and when it changes.
 *
 * **Details**
 *
 * A Hyper server sends `alive` = `?` every five seconds while a statement runs.
 *
 * @category messages
 * @since 0.1.0
 */
export const ParameterStatus = Wire.message("ParameterStatus", { from: "backend", tag: "S" }, {
  name: Wire.CString,
  value: Wire.CString
})

/**
 * The decoded {@link ParameterStatus} message.
 *
 * @category messages
 * @since 0.1.0
 */
export type ParameterStatus = typeof ParameterStatus.Type
