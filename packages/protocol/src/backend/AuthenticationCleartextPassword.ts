import * as Wire from "../Wire.ts"

/**
 * Requests the password in clear text, in a PasswordMessage.
 *
 * @category messages
 * @since 0.1.0
 */
export const AuthenticationCleartextPassword = Wire.message("AuthenticationCleartextPassword", {
  from: "backend",
  tag: "R",
  code: 3
}, {})

/**
 * The decoded {@link AuthenticationCleartextPassword} message.
 *
 * @category messages
 * @since 0.1.0
 */
export type AuthenticationCleartextPassword = typeof AuthenticationCleartextPassword.Type
