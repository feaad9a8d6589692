import * as Wire from "../Wire.ts"

/**
 * The query string was empty; sent in place of CommandComplete.
 *
 * @category messages
 * @since 0.1.0
 */
export const EmptyQueryResponse = Wire.message("EmptyQueryResponse", { from: "backend", tag: "I" }, {})

/**
 * The decoded {@link EmptyQueryResponse} message.
 *
 * @category messages
 * @since 0.1.0
 */
export type EmptyQueryResponse = typeof EmptyQueryResponse.Type
