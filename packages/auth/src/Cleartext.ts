/**
 * The password in clear text: AuthenticationCleartextPassword.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { ClientExchange } from "./internal/clientExchange.ts"

/** @internal */
export const client = <E, R>(exchange: ClientExchange<E, R>) =>
  Effect.flatMap(
    exchange.password("password"),
    (password) => exchange.send({ _tag: "PasswordMessage", password: Redacted.value(password) })
  )
