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
 * @category messages
 * @since 0.1.0
 */
export type AuthenticationGSS = typeof AuthenticationGSS.Type
