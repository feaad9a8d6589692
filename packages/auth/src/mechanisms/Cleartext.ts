/**
 * The password in clear text: AuthenticationCleartextPassword (protocol, "Start-up").
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { constantTimeEquals } from "../internal/bytes.ts"
import { expectAuthenticationOk } from "../internal/clientExchange.ts"
import * as Mechanism from "../internal/mechanism.ts"
import type { ServerExchange } from "../internal/serverExchange.ts"

/**
 * A user who sends the password in clear text.
 *
 * @category models
 * @since 0.1.0
 */
export interface Account {
  readonly method: "password"
  readonly password: Redacted.Redacted<string>
}

/** @internal */
export const definition = Mechanism.make({
  name: "password",
  requireAuth: "password",
  request: "AuthenticationCleartextPassword",
  exposes: "password",
  client: (exchange) =>
    Effect.succeed({
      run: Effect.gen(function*() {
        const password = yield* exchange.password("password")
        yield* exchange.send({ _tag: "PasswordMessage", password: Redacted.value(password) })
        yield* expectAuthenticationOk(exchange)
      })
    }),
  server: Effect.fnUntraced(function*(exchange: ServerExchange, account: Account) {
    const answer = yield* exchange.request({ _tag: "AuthenticationCleartextPassword" }, "PasswordMessage")
    // An empty password is treated as missing, as in PostgreSQL (CVE-2017-7546): an account without a password must not be
    // open to everyone.
    if (answer.password === "") return yield* exchange.refuse("28P01", "empty password returned by client")
    if (!constantTimeEquals(answer.password, Redacted.value(account.password))) return yield* exchange.reject
  })
})
