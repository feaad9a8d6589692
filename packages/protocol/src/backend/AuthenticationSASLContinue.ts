import * as Wire from "../Wire.ts"

/**
 * The server's challenge within a SASL exchange.
 *
 * @category messages
 * @since 0.1.0
 */
export const AuthenticationSASLContinue = Wire.message("AuthenticationSASLContinue", {
  from: "backend",
  tag: "R",
  code: 11
}, {
  data: Wire.Rest
})

/**
 * The decoded {@link AuthenticationSASLContinue} message.
 *
 * @category messages
 * @since 0.1.0
 */
export type AuthenticationSASLContinue = typeof AuthenticationSASLContinue.Type
