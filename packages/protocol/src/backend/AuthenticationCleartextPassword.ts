import * as Wire from "../Wire.ts"

/**
 * The server wants the password as it is, in a PasswordMessage.
 *
 * @category messages
 * @since 0.1.0
 */
export const AuthenticationCleartextPassword = Wire.message("AuthenticationCleartextPassword", {
  from: "backend",
  tag: "R",
  code: 3,
  limit: Wire.shortLimit
}, {})

/**
 * The value that {@link AuthenticationCleartextPassword} is read to, and written from.
 *
 * @category messages
 * @since 0.1.0
 */
export type AuthenticationCleartextPassword = typeof AuthenticationCleartextPassword.Type
