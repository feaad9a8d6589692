import * as Wire from "../Wire.ts"

/**
 * Requests GSSAPI authentication.
 *
 * @category messages
 * @since 0.1.0
 */
export const AuthenticationGSS = Wire.message("AuthenticationGSS", { from: "backend", tag: "R", code: 7 }, {})

/**
 * The decoded {@link AuthenticationGSS} message.
 *
 * @category messages
 * @since 0.1.0
 */
export type AuthenticationGSS = typeof AuthenticationGSS.Type
