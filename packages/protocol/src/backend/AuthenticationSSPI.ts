import * as Wire from "../Wire.ts"

/**
 * Requests SSPI authentication.
 *
 * @category messages
 * @since 0.1.0
 */
export const AuthenticationSSPI = Wire.message("AuthenticationSSPI", { from: "backend", tag: "R", code: 9 }, {})

/**
 * The decoded {@link AuthenticationSSPI} message.
 *
 * @category messages
 * @since 0.1.0
 */
export type AuthenticationSSPI = typeof AuthenticationSSPI.Type
