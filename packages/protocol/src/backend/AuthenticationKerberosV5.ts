import * as Wire from "../Wire.ts"

/**
 * Requests Kerberos V5, which no supported server has done since PostgreSQL 9.3.
 *
 * @category messages
 * @since 0.1.0
 */
export const AuthenticationKerberosV5 = Wire.message(
  "AuthenticationKerberosV5",
  { from: "backend", tag: "R", code: 2 },
  {}
)

/**
 * The decoded {@link AuthenticationKerberosV5} message.
 *
 * @category messages
 * @since 0.1.0
 */
export type AuthenticationKerberosV5 = typeof AuthenticationKerberosV5.Type
