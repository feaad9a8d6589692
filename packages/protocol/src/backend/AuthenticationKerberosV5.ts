import * as Wire from "../Wire.ts"

/**
 * The server wants Kerberos V5, which no supported server has asked for since PostgreSQL 9.3.
 *
 * @category messages
 * @since 0.1.0
 */
export const AuthenticationKerberosV5 = Wire.message("AuthenticationKerberosV5", {
  from: "backend",
  tag: "R",
  code: 2,
  limit: Wire.shortLimit
}, {})

/**
 * The value that {@link AuthenticationKerberosV5} is read to, and written from.
 *
 * @category messages
 * @since 0.1.0
 */
export type AuthenticationKerberosV5 = typeof AuthenticationKerberosV5.Type
