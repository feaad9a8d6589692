import * as Wire from "../Wire.ts"

/**
 * The client's response to a SASL challenge.
 *
 * @category messages
 * @since 0.1.0
 */
export const SASLResponse = Wire.message("SASLResponse", { from: "frontend", tag: "p", limit: 65_535 }, {
  data: Wire.Rest
})

/**
 * The decoded {@link SASLResponse} message.
 *
 * @category messages
 * @since 0.1.0
 */
export type SASLResponse = typeof SASLResponse.Type
