import { ErrorField } from "../ErrorField.ts"
import * as Wire from "../Wire.ts"

/**
 * A warning or other message that is no error.
 *
 * @category messages
 * @since 0.1.0
 */
export const NoticeResponse = Wire.message("NoticeResponse", { from: "backend", tag: "N", limit: Wire.longLimit }, {
  /** Every field that the server sent, in its order, also those of unknown meaning. */
  fields: Wire.Terminated(ErrorField)
})

/**
 * The value that {@link NoticeResponse} is read to, and written from.
 *
 * @category messages
 * @since 0.1.0
 */
export type NoticeResponse = typeof NoticeResponse.Type
