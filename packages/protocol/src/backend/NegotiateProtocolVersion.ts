import * as Wire from "../Wire.ts"

/**
 * The server does not support the minor version, or an option, that the client requested.
 *
 * @category messages
 * @since 0.1.0
 */
export const NegotiateProtocolVersion = Wire.message("NegotiateProtocolVersion", { from: "backend", tag: "v" }, {
  /**
   * The newest version that the server supports: its minor number alone, or the whole version as PostgreSQL sends it.
   */
  newestVersion: Wire.Int32,
  /** The start-up options beginning with `_pq_.` that the server does not know. */
  unrecognizedOptions: Wire.Array(Wire.Int32, Wire.CString)
})

/**
 * The decoded {@link NegotiateProtocolVersion} message.
 *
 * @category messages
 * @since 0.1.0
 */
export type NegotiateProtocolVersion = typeof NegotiateProtocolVersion.Type

/**
 * Returns the newest version of the protocol that the server supports, with the major number in the upper half.
 *
 * **Details**
 *
 * PostgreSQL sends the whole version. An earlier protocol chapter said that it is the minor number alone, and some
 * servers send that: a value without a major number gets the one that the client requested, 3.
 *
 * @category getters
 * @since 0.1.0
 */
export const newestVersion = (message: NegotiateProtocolVersion): number =>
  message.newestVersion >>> 16 === 0 ? 0x3_0000 | message.newestVersion : message.newestVersion
