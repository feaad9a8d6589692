import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { AuthError } from "../AuthError.ts"

const isSecret = (u: unknown): u is Redacted.Redacted<string> => {
  if (!Redacted.isRedacted(u)) return false
  try {
    return typeof Redacted.value(u) === "string"
  } catch {
    return false // wiped, or of another copy of effect
  }
}

/**
 * Returns the secret itself, or the one that the effect fetches. Any other value is rejected and not run: Effect would
 * print it.
 *
 * @internal
 */
export const fetch = <E, R>(
  secret: Redacted.Redacted<string> | Effect.Effect<Redacted.Redacted<string>, E, R>,
  invalid: () => AuthError
): Effect.Effect<Redacted.Redacted<string>, AuthError | E, R> =>
  isSecret(secret)
    ? Effect.succeed(secret)
    : Redacted.isRedacted(secret) || !Effect.isEffect(secret)
    ? Effect.failSync(invalid)
    : Effect.flatMap(secret, (fetched) => isSecret(fetched) ? Effect.succeed(fetched) : Effect.failSync(invalid))
