import * as Wire from "../Wire.ts"

/**
 * A piece of a COPY stream, in either direction.
 *
 * **Details**
 *
 * Message boundaries have no meaning in data sent by a client; a PostgreSQL server sends one row per message.
 *
 * @category messages
 * @since 0.1.0
 */
export const CopyData = Wire.message("CopyData", { from: "both", tag: "d", limit: Wire.longLimit }, {
  data: Wire.Rest
})

/**
 * The decoded {@link CopyData} message.
 *
 * @category messages
 * @since 0.1.0
 */
export type CopyData = typeof CopyData.Type
