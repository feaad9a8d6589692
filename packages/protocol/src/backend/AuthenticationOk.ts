import * as Wire from "../Wire.ts"

/**
 * The authentication is done: the server takes the client for who it says it is.
 *
 * @category messages
 * @since 0.1.0
 */
export const AuthenticationOk = Wire.message("AuthenticationOk", {
  from: "backend",
  tag: "R",
  code: 0,
  limit: Wire.shortLimit
}, {})

/**
 * The value that {@link AuthenticationOk} is read to, and written from.
 *
 * @category messages
 * @since 0.1.0
 */
export type AuthenticationOk = typeof AuthenticationOk.Type
