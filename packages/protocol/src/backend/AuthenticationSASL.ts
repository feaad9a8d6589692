import * as Wire from "../Wire.ts"

/**
 * The server wants a SASL exchange and names its mechanisms.
 *
 * @category messages
 * @since 0.1.0
 */
export const AuthenticationSASL = Wire.message("AuthenticationSASL", {
  from: "backend",
  tag: "R",
  code: 10,
  limit: Wire.shortLimit
}, {
  /** Names of the SASL mechanisms that the server offers, the preferred one first. */
  mechanisms: Wire.Terminated(Wire.NonEmptyCString)
})

/**
 * The value that {@link AuthenticationSASL} is read to, and written from.
 *
 * @category messages
 * @since 0.1.0
 */
export type AuthenticationSASL = typeof AuthenticationSASL.Type
