import * as Wire from "../Wire.ts"

/**
 * Requests a SASL exchange and lists the server's mechanisms.
 *
 * @category messages
 * @since 0.1.0
 */
export const AuthenticationSASL = Wire.message("AuthenticationSASL", { from: "backend", tag: "R", code: 10 }, {
  /** The names of the SASL mechanisms that the server offers, most preferred first. */
  mechanisms: Wire.Terminated(Wire.NonEmptyCString)
})

/**
 * The decoded {@link AuthenticationSASL} message.
 *
 * @category messages
 * @since 0.1.0
 */
export type AuthenticationSASL = typeof AuthenticationSASL.Type
