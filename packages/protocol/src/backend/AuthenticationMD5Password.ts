import * as Wire from "../Wire.ts"

/**
 * Requests the password hashed with MD5 and a salt, in a PasswordMessage.
 *
 * @category messages
 * @since 0.1.0
 */
export const AuthenticationMD5Password = Wire.message("AuthenticationMD5Password", {
  from: "backend",
  tag: "R",
  code: 5
}, {
  /** Four bytes that the server chose for this login. */
  salt: Wire.Bytes(4)
})

/**
 * The decoded {@link AuthenticationMD5Password} message.
 *
 * @category messages
 * @since 0.1.0
 */
export type AuthenticationMD5Password = typeof AuthenticationMD5Password.Type
