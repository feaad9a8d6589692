import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { type AuthError, fromReason, PasswordInvalid } from "../AuthError.ts"

/** Returns the password if it can be written as a C string of UTF-8. */
export const check = (password: Redacted.Redacted<string>): Effect.Effect<Redacted.Redacted<string>, AuthError> => {
  const text = Redacted.value(password)
  const problem = text.includes("\0")
    ? "it contains a NUL character"
    : text.isWellFormed()
    ? undefined
    : "it contains an unpaired surrogate"
  return problem === undefined ? Effect.succeed(password) : Effect.fail(fromReason(new PasswordInvalid({ problem })))
}
