import * as Wire from "../Wire.ts"

/**
 * The server's final message of a SASL exchange; for SCRAM, the proof that the server knows the password too.
 *
 * @category messages
 * @since 0.1.0
 */
export const AuthenticationSASLFinal = Wire.message(
  "AuthenticationSASLFinal",
  { from: "backend", tag: "R", code: 12 },
  {
    data: Wire.Rest
  }
)

/**
 * The decoded {@link AuthenticationSASLFinal} message.
 *
 * @category messages
 * @since 0.1.0
 */
export type AuthenticationSASLFinal = typeof AuthenticationSASLFinal.Type
