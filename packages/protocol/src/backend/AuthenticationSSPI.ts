import * as Wire from "../Wire.ts"

/**
 * The server wants SSPI.
 *
 * @category messages
 * @since 0.1.0
 */
export const AuthenticationSSPI = Wire.message("AuthenticationSSPI", {
  from: "backend",
  tag: "R",
  code: 9,
  limit: Wire.shortLimit
}, {})

/**
 * The value that {@link AuthenticationSSPI} is read to, and written from.
 *
 * @category messages
 * @since 0.1.0
 */
export type AuthenticationSSPI = typeof AuthenticationSSPI.Type
