import * as Wire from "../Wire.ts"

/**
 * Authentication succeeded.
 *
 * @category messages
 * @since 0.1.0
 */
export const AuthenticationOk = Wire.message("AuthenticationOk", { from: "backend", tag: "R", code: 0 }, {})

/**
 * The decoded {@link AuthenticationOk} message.
 *
 * @category messages
 * @since 0.1.0
 */
export type AuthenticationOk = typeof AuthenticationOk.Type
