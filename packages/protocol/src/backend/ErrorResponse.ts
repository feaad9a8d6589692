import { ErrorField } from "../ErrorField.ts"
import * as Wire from "../Wire.ts"

/**
 * Reports an error.
 *
 * @category messages
 * @since 0.1.0
 */
export const ErrorResponse = Wire.message("ErrorResponse", { from: "backend", tag: "E", limit: Wire.mediumLimit }, {
  /** Every field that the server sent, in its order, including those of unknown meaning. */
  fields: Wire.Terminated(ErrorField)
})

/**
 * The decoded {@link ErrorResponse} message.
 *
 * @category messages
 * @since 0.1.0
 */
export type ErrorResponse = typeof ErrorResponse.Type
