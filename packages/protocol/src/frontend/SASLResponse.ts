import * as Wire from "../Wire.ts"

/**
 * The client's answer to a SASL challenge.
 *
 * @category messages
 * @since 0.1.0
 */
export const SASLResponse = Wire.message("SASLResponse", { from: "frontend", tag: "p", limit: 65_535 }, {
  data: Wire.Rest
})

/**
 * The value that {@link SASLResponse} is read to, and written from.
 *
 * @category messages
 * @since 0.1.0
 */
export type SASLResponse = typeof SASLResponse.Type
