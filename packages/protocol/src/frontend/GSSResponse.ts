import * as Wire from "../Wire.ts"

/**
 * The next token of a GSSAPI or SSPI exchange.
 *
 * @category messages
 * @since 0.1.0
 */
export const GSSResponse = Wire.message("GSSResponse", { from: "frontend", tag: "p", limit: 65_535 }, {
  data: Wire.Rest
})

/**
 * The decoded {@link GSSResponse} message.
 *
 * @category messages
 * @since 0.1.0
 */
export type GSSResponse = typeof GSSResponse.Type
