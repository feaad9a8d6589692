import * as Wire from "../Wire.ts"

/**
 * The password, or its MD5 hash, as the server requested it.
 *
 * @category messages
 * @since 0.1.0
 */
export const PasswordMessage = Wire.message("PasswordMessage", { from: "frontend", tag: "p", limit: 65_535 }, {
  password: Wire.SecretCString
})

/**
 * The decoded {@link PasswordMessage} message.
 *
 * @category messages
 * @since 0.1.0
 */
export type PasswordMessage = typeof PasswordMessage.Type
