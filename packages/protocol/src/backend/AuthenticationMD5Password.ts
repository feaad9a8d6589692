import * as Wire from "../Wire.ts"

/**
 * The server wants the password hashed with MD5 and a salt, in a PasswordMessage.
 *
 * @category messages
 * @since 0.1.0
 */
export const AuthenticationMD5Password = Wire.message("AuthenticationMD5Password", {
  from: "backend",
  tag: "R",
  code: 5,
  limit: Wire.shortLimit
}, {
  /** Four bytes that the server chose for this login. */
  salt: Wire.Bytes(4)
})

/**
 * The value that {@link AuthenticationMD5Password} is read to, and written from.
 *
 * @category messages
 * @since 0.1.0
 */
export type AuthenticationMD5Password = typeof AuthenticationMD5Password.Type
