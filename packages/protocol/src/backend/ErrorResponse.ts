import { ErrorField } from "../ErrorField.ts"
import * as Wire from "../Wire.ts"

/**
 * Something went wrong.
 *
 * @category messages
 * @since 0.1.0
 */
export const ErrorResponse = Wire.message("ErrorResponse", { from: "backend", tag: "E", limit: Wire.longLimit }, {
  /** Every field that the server sent, in its order, also those of unknown meaning. */
  fields: Wire.Terminated(ErrorField)
})

/**
 * The value that {@link ErrorResponse} is read to, and written from.
 *
 * @category messages
 * @since 0.1.0
 */
export type ErrorResponse = typeof ErrorResponse.Type
