/**
 * The password in clear text: AuthenticationCleartextPassword.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { isSameText } from "./internal/bytes.ts"
import type { ClientExchange } from "./internal/clientExchange.ts"
import type { Failure, ServerExchange } from "./internal/serverExchange.ts"

/** @internal */
export const client = <E, R>(exchange: ClientExchange<E, R>) =>
  Effect.flatMap(
    exchange.password("password"),
    (password) => exchange.send({ _tag: "PasswordMessage", password: Redacted.value(password) })
  )

/** @internal */
export const server = Effect.fnUntraced(function*(
  exchange: ServerExchange,
  password: Redacted.Redacted<string>
): Effect.fn.Return<void, Failure> {
  const answer = yield* exchange.ask({ _tag: "AuthenticationCleartextPassword" }, "PasswordMessage")
  if (!isSameText(answer.password, Redacted.value(password))) return yield* exchange.reject
})
