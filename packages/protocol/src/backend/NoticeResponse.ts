import { ErrorField } from "../ErrorField.ts"
import * as Wire from "../Wire.ts"

/**
 * A warning or other message that is not an error.
 *
 * @category messages
 * @since 0.1.0
 */
export const NoticeResponse = Wire.message("NoticeResponse", { from: "backend", tag: "N", limit: Wire.mediumLimit }, {
  /** Every field that the server sent, in its order, including those of unknown meaning. */
  fields: Wire.Terminated(ErrorField)
})

/**
 * The decoded {@link NoticeResponse} message.
 *
 * @category messages
 * @since 0.1.0
 */
export type NoticeResponse = typeof NoticeResponse.Type
