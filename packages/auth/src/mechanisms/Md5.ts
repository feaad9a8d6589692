/**
 * The password as a salted MD5 hash: AuthenticationMD5Password (protocol, "Start-up").
 *
 * It hides the password from eavesdroppers, but does not protect it from guessing: MD5 is fast, and the server's copy
 * of the inner hash is equivalent to the password. PostgreSQL 18 deprecates it; Hyper never requests it.
 *
 * @since 0.1.0
 */
import * as Bytes from "effect/Bytes"
import * as Digest from "effect/crypto/Digest"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { constantTimeEquals, encodeUtf8Unsafe } from "../internal/bytes.ts"
import { expectAuthenticationOk } from "../internal/clientExchange.ts"
import * as Mechanism from "../internal/mechanism.ts"
import type { ServerExchange } from "../internal/serverExchange.ts"

/**
 * Returns the response to a salt: `md5`, then `md5(md5(password + user) + salt)` in hexadecimal. The texts must be well
 * formed.
 *
 * @category combinators
 * @since 0.1.0
 */
export const hash = Effect.fnUntraced(function*(
  user: string,
  password: Redacted.Redacted<string>,
  salt: Uint8Array
): Effect.fn.Return<string, never, Digest.Digest> {
  const digest = yield* Digest.Digest
  const inner = encodeUtf8Unsafe(yield* digest.digestHex(Digest.md5, encodeUtf8Unsafe(Redacted.value(password) + user)))
  return `md5${yield* digest.digestHex(Digest.md5, Bytes.concat([inner, salt]))}`
})

/**
 * A user who sends a salted hash of the password.
 *
 * @category models
 * @since 0.1.0
 */
export interface Account {
  readonly method: "md5"
  readonly password: Redacted.Redacted<string>
}

/** @internal */
export const definition = Mechanism.make({
  name: "md5",
  requireAuth: "md5",
  request: "AuthenticationMD5Password",
  exposes: "hash",
  client: (exchange, request) =>
    Effect.succeed({
      run: Effect.gen(function*() {
        const password = yield* exchange.password("md5")
        const answer = yield* hash(exchange.login.user, password, request.salt)
        yield* exchange.send({ _tag: "PasswordMessage", password: answer })
        yield* expectAuthenticationOk(exchange)
      })
    }),
  server: Effect.fnUntraced(function*(exchange: ServerExchange, { password }: Account) {
    const salt = yield* (yield* SecureRandom.SecureRandom).randomBytes(4)
    const answer = yield* exchange.request({ _tag: "AuthenticationMD5Password", salt }, "PasswordMessage")
    const wanted = yield* hash(exchange.startup.user, password, salt)
    // An empty password is treated as missing, as in PostgreSQL (CVE-2017-7546): an account without a password must not be
    // open to everyone.
    const isNone = Redacted.value(password) === ""
    if (!constantTimeEquals(answer.password, wanted) || isNone) return yield* exchange.reject
  })
})
