/**
 * The password as a salted MD5 hash: AuthenticationMD5Password.
 *
 * It keeps the password from whoever only listens, but not from whoever guesses: MD5 is fast, and the server's copy of
 * the inner hash is as good as the password. PostgreSQL 18 calls it deprecated; Hyper never asks for it.
 *
 * @since 0.1.0
 */
import type * as Backend from "@hyperfect/protocol/Backend"
import * as Digest from "effect/crypto/Digest"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { isSameText, utf8Unsafe } from "./internal/bytes.ts"
import type { ClientExchange } from "./internal/clientExchange.ts"
import type { Failure, ServerExchange } from "./internal/serverExchange.ts"

/**
 * What answers a salt: `md5`, then `md5(md5(password + user) + salt)` in hexadecimal. The texts must be well formed.
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
  const inner = utf8Unsafe(yield* digest.digestHex(Digest.md5, utf8Unsafe(Redacted.value(password) + user)))
  const salted = new Uint8Array(inner.length + salt.length)
  salted.set(inner)
  salted.set(salt, inner.length)
  return `md5${yield* digest.digestHex(Digest.md5, salted)}`
})

/** @internal */
export const client = Effect.fnUntraced(function*<E, R>(
  exchange: ClientExchange<E, R>,
  request: Backend.AuthenticationMD5Password
) {
  const password = yield* exchange.password("md5")
  yield* exchange.send({
    _tag: "PasswordMessage",
    password: yield* hash(exchange.login.user, password, request.salt)
  })
})

/** @internal */
export const server = Effect.fnUntraced(function*(
  exchange: ServerExchange,
  password: Redacted.Redacted<string>
): Effect.fn.Return<void, Failure, Digest.Digest | SecureRandom.SecureRandom> {
  const salt = yield* (yield* SecureRandom.SecureRandom).randomBytes(4)
  const answer = yield* exchange.ask({ _tag: "AuthenticationMD5Password", salt }, "PasswordMessage")
  const wanted = yield* hash(exchange.startup.user, password, salt)
  if (!isSameText(answer.password, wanted)) return yield* exchange.reject
})
