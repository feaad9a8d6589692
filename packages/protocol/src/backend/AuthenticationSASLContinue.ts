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
  code: 11,
  limit: Wire.shortLimit
}, {
  data: Wire.Rest
})

/**
 * The value that {@link AuthenticationSASLContinue} is read to, and written from.
 *
 * @category messages
 * @since 0.1.0
 */
export type AuthenticationSASLContinue = typeof AuthenticationSASLContinue.Type
