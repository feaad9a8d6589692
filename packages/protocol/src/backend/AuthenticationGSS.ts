import * as Wire from "../Wire.ts"

/**
 * The server wants GSSAPI.
 *
 * @category messages
 * @since 0.1.0
 */
export const AuthenticationGSS = Wire.message("AuthenticationGSS", {
  from: "backend",
  tag: "R",
  code: 7,
  limit: Wire.shortLimit
}, {})

/**
 * The value that {@link AuthenticationGSS} is read to, and written from.
 *
 * @category messages
 * @since 0.1.0
 */
export type AuthenticationGSS = typeof AuthenticationGSS.Type
