import * as Wire from "../Wire.ts"

/**
 * The server's last word within a SASL exchange; for SCRAM, the proof that it knows the password too.
 *
 * @category messages
 * @since 0.1.0
 */
export const AuthenticationSASLFinal = Wire.message("AuthenticationSASLFinal", {
  from: "backend",
  tag: "R",
  code: 12,
  limit: Wire.shortLimit
}, {
  data: Wire.Rest
})

/**
 * The value that {@link AuthenticationSASLFinal} is read to, and written from.
 *
 * @category messages
 * @since 0.1.0
 */
export type AuthenticationSASLFinal = typeof AuthenticationSASLFinal.Type
