import * as Wire from "../Wire.ts"

/**
 * A piece of a COPY stream, in either direction.
 *
 * **Details**
 *
 * Where one message ends and the next begins means nothing when the client sends; a PostgreSQL server sends one row in each.
 *
 * @category messages
 * @since 0.1.0
 */
export const CopyData = Wire.message("CopyData", { from: "both", tag: "d", limit: Wire.longLimit }, {
  data: Wire.Rest
})

/**
 * The value that {@link CopyData} is read to, and written from.
 *
 * @category messages
 * @since 0.1.0
 */
export type CopyData = typeof CopyData.Type
