import * as Wire from "../Wire.ts"

/**
 * The next token of a GSSAPI or SSPI exchange.
 *
 * @category messages
 * @since 0.1.0
 */
export const AuthenticationGSSContinue = Wire.message("AuthenticationGSSContinue", {
  from: "backend",
  tag: "R",
  code: 8
}, {
  data: Wire.Rest
})

/**
 * The decoded {@link AuthenticationGSSContinue} message.
 *
 * @category messages
 * @since 0.1.0
 */
export type AuthenticationGSSContinue = typeof AuthenticationGSSContinue.Type
