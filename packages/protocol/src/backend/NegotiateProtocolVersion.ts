import * as Wire from "../Wire.ts"

/**
 * The server does not speak the minor version, or does not know an option, that the client has asked for.
 *
 * @category messages
 * @since 0.1.0
 */
export const NegotiateProtocolVersion = Wire.message("NegotiateProtocolVersion", {
  from: "backend",
  tag: "v",
  limit: Wire.shortLimit
}, {
  /** The newest version that the server speaks: its minor number alone, or the whole version as PostgreSQL sends it. */
  newestVersion: Wire.Int32,
  /** The start-up options beginning with `_pq_.` that the server does not know. */
  unrecognizedOptions: Wire.Array(Wire.Int32, Wire.CString)
})

/**
 * The value that {@link NegotiateProtocolVersion} is read to, and written from.
 *
 * @category messages
 * @since 0.1.0
 */
export type NegotiateProtocolVersion = typeof NegotiateProtocolVersion.Type

/**
 * The newest version of the protocol that the server speaks, major number in the upper half.
 *
 * **Details**
 *
 * PostgreSQL sends the whole version. The chapter once said that it is the minor number alone, and servers that took it
 * by its word send that: what has no major number then has the one that the client has asked for, 3.
 *
 * @category getters
 * @since 0.1.0
 */
export const newestVersion = (message: NegotiateProtocolVersion): number =>
  message.newestVersion >>> 16 === 0 ? 0x3_0000 | message.newestVersion : message.newestVersion
