import * as Wire from "../Wire.ts"

/**
 * A notification on a channel that this session listens to.
 *
 * @category messages
 * @since 0.1.0
 */
export const NotificationResponse = Wire.message("NotificationResponse", {
  from: "backend",
  tag: "A",
  limit: 65_535
}, {
  /** The process id of the notifying session. */
  processId: Wire.Int32,
  channel: Wire.CString,
  payload: Wire.CString
})

/**
 * The decoded {@link NotificationResponse} message.
 *
 * @category messages
 * @since 0.1.0
 */
export type NotificationResponse = typeof NotificationResponse.Type
