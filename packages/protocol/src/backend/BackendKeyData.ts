import * as Wire from "../Wire.ts"

/**
 * The process id and key that a client must send to cancel a query of this session (protocol, "Canceling Requests in
 * Progress").
 *
 * @category messages
 * @since 0.1.0
 */
export const BackendKeyData = Wire.message("BackendKeyData", { from: "backend", tag: "K" }, {
  /** Zero is an ordinary process id: the first session of a Hyper server has it. */
  processId: Wire.Int32,
  /** Four bytes in protocol 3.0, up to 256 since 3.2. */
  secretKey: Wire.RestBetween(4, 256)
})

/**
 * The decoded {@link BackendKeyData} message.
 *
 * @category messages
 * @since 0.1.0
 */
export type BackendKeyData = typeof BackendKeyData.Type
