import * as Wire from "../Wire.ts"

/**
 * Chooses a SASL mechanism and starts it.
 *
 * @category messages
 * @since 0.1.0
 */
export const SASLInitialResponse = Wire.message("SASLInitialResponse", { from: "frontend", tag: "p", limit: 65_535 }, {
  /** The mechanism that the client has chosen. */
  mechanism: Wire.CString,
  /** The first message of the mechanism; null for none. */
  data: Wire.Nullable
})

/**
 * The decoded {@link SASLInitialResponse} message.
 *
 * @category messages
 * @since 0.1.0
 */
export type SASLInitialResponse = typeof SASLInitialResponse.Type
