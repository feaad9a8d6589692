import * as Wire from "../Wire.ts"

/**
 * The end of a COPY stream, in either direction.
 *
 * @category messages
 * @since 0.1.0
 */
export const CopyDone = Wire.message("CopyDone", { from: "both", tag: "c" }, {})

/**
 * The decoded {@link CopyDone} message.
 *
 * @category messages
 * @since 0.1.0
 */
export type CopyDone = typeof CopyDone.Type
