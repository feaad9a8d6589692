import * as Wire from "../Wire.ts"

/**
 * The query string was empty; this stands in place of CommandComplete.
 *
 * @category messages
 * @since 0.1.0
 */
export const EmptyQueryResponse = Wire.message("EmptyQueryResponse", {
  from: "backend",
  tag: "I",
  limit: Wire.shortLimit
}, {})

/**
 * The value that {@link EmptyQueryResponse} is read to, and written from.
 *
 * @category messages
 * @since 0.1.0
 */
export type EmptyQueryResponse = typeof EmptyQueryResponse.Type
