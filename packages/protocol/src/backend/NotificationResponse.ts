import * as Wire from "../Wire.ts"

/**
 * Somebody has notified a channel that this session listens to.
 *
 * @category messages
 * @since 0.1.0
 */
export const NotificationResponse = Wire.message("NotificationResponse", {
  from: "backend",
  tag: "A",
  limit: Wire.longLimit
}, {
  /** The process that notified. */
  processId: Wire.Int32,
  channel: Wire.CString,
  payload: Wire.CString
})

/**
 * The value that {@link NotificationResponse} is read to, and written from.
 *
 * @category messages
 * @since 0.1.0
 */
export type NotificationResponse = typeof NotificationResponse.Type
