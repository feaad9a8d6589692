/**
 * OAUTHBEARER (RFC 7628), which PostgreSQL has from version 18 on: the client shows a token that somebody else has given
 * it, and the server asks whether it is good.
 *
 * The token is the secret itself, and the server proves nothing: whoever it is sent to can use it. So it goes over TLS
 * only, unless the policy allows otherwise, and the certificate should be verified (`verify-full`).
 *
 * How to get a token is not known here. A program that knows gives it to the log-in. One that does not can learn from
 * the server: a log-in without a token ends with a `TokenRefused` that says where tokens come from, and
 * {@link withTokenProvider} goes on from there, with a provider such as those of `OAuthFlow`.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type { Account } from "./Account.ts"
import {
  AuthError,
  fromReason,
  MechanismMalformed,
  TokenInvalid,
  TokenRefused,
  type TokenUnavailable
} from "./AuthError.ts"
import { utf8Text, utf8Unsafe } from "./internal/bytes.ts"
import { type ClientExchange, type Failure, unexpected } from "./internal/clientExchange.ts"
import type { ServerExchange } from "./internal/serverExchange.ts"

/**
 * The mechanism's name in SASL.
 *
 * @category constants
 * @since 0.1.0
 */
export const mechanism = "OAUTHBEARER"

/**
 * What a server says about the tokens that it takes.
 *
 * @category models
 * @since 0.1.0
 */
export interface Discovery {
  /** Where the document lies that says how to get one (RFC 8414, OpenID Connect Discovery); begins with `https://`. */
  readonly discoveryUrl: string | undefined
  /** What it must be good for. */
  readonly scope: string | undefined
}

/**
 * Gets tokens: from a cache, with a client's own credentials, or by asking the user to visit a page.
 *
 * **Details**
 *
 * It is asked without a `discovery` before the first attempt to log in; then it may return a token that it has, or
 * `undefined`. When the server has refused that, it is asked again with what the server said and with what was `refused`,
 * if there was a token; `undefined` means then that it can do nothing with it.
 *
 * **Gotchas**
 *
 * The server says where tokens come from, and it may lie: compare the address with the one that is expected before
 * anything secret goes there.
 *
 * @category services
 * @since 0.1.0
 */
export class TokenProvider extends Context.Service<TokenProvider, {
  readonly token: (
    discovery: Discovery | undefined,
    refused?: Redacted.Redacted<string>
  ) => Effect.Effect<Redacted.Redacted<string> | undefined, TokenUnavailable>
}>()("@hyperfect/auth/OAuthBearer/TokenProvider") {}

/**
 * Runs an attempt to log in with the provider's token, and once more with a new one when the server refuses it.
 *
 * **When to use**
 *
 * Use when tokens expire, or when only the server knows where they come from.
 *
 * **Details**
 *
 * The attempt must open a connection of its own each time: a server that has refused a token closes. It is given
 * `undefined` when the provider has no token yet; then the server is asked what it wants.
 *
 * @category running
 * @since 0.1.0
 */
export const withTokenProvider = Effect.fnUntraced(function*<A, E, R>(
  attempt: (token: Redacted.Redacted<string> | undefined) => Effect.Effect<A, E, R>
): Effect.fn.Return<A, E | AuthError, R | TokenProvider> {
  const provider = yield* TokenProvider
  const known = yield* Effect.mapError(provider.token(undefined), fromReason)
  const first = yield* Effect.result(attempt(known))
  if (Result.isSuccess(first)) return first.success
  const error = first.failure
  if (!(error instanceof AuthError) || error.reason._tag !== "TokenRefused") return yield* Effect.fail(error)
  const { discoveryUrl, scope } = error.reason
  const fresh = yield* Effect.mapError(provider.token({ discoveryUrl, scope }, known), fromReason)
  return fresh === undefined ? yield* Effect.fail(error) : yield* attempt(fresh)
})

/** What stands before and behind every pair. */
const separator = "\u0001"

/** RFC 6750, section 2.1. Nothing else may get between the separators. */
const isToken = (text: string): boolean => /^[A-Za-z0-9._~+/-]+=*$/.test(text)

const initialResponse = (token: Redacted.Redacted<string> | undefined): Uint8Array => {
  const value = token === undefined ? "" : `Bearer ${Redacted.value(token)}`
  return utf8Unsafe(["n,,", `auth=${value}`, "", ""].join(separator))
}

const dummyResponse = utf8Unsafe(separator)

type MessageName = "initial client response" | "server error response" | "dummy client response"

const malformed = (messageName: MessageName, problem: string): Result.Result<never, MechanismMalformed> =>
  Result.fail(new MechanismMalformed({ mechanism, messageName, problem }))

const optionalText = (value: unknown): value is string | undefined =>
  value === undefined || (typeof value === "string" && !/\p{Cc}/u.test(value))

const jsonObject = (text: string): Readonly<Record<string, unknown>> | undefined => {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? value as Readonly<Record<string, unknown>>
      : undefined
  } catch {
    return undefined
  }
}

/**
 * Why a server refuses a token, and where it wants one from.
 *
 * @category models
 * @since 0.1.0
 */
export interface ErrorResponse extends Discovery {
  /** Such as `invalid_token` (RFC 6750, section 3.1). */
  readonly status: string
}

/**
 * Reads what a server answers to a token that it does not take (RFC 7628, section 3.2.2).
 *
 * @category decoding
 * @since 0.1.0
 */
export const readErrorResponse = (bytes: Uint8Array): Result.Result<ErrorResponse, MechanismMalformed> => {
  const name = "server error response"
  const text = utf8Text(bytes)
  if (text === undefined) return malformed(name, "it is not UTF-8")
  const fields = jsonObject(text)
  if (fields === undefined) return malformed(name, "it is not a JSON object")
  const field = (key: string): unknown => Object.hasOwn(fields, key) ? fields[key] : undefined
  const status = field("status")
  const discoveryUrl = field("openid-configuration")
  const scope = field("scope")
  if (status === undefined || !optionalText(status)) return malformed(name, "status is not a text")
  if (!optionalText(scope)) return malformed(name, "scope is not a text")
  // An address that anybody on the way can answer for is no place to take a secret to.
  if (!optionalText(discoveryUrl) || (discoveryUrl !== undefined && !/^https:\/\/[^\s]+$/i.test(discoveryUrl))) {
    return malformed(name, "openid-configuration is not an address that begins with https://")
  }
  return Result.succeed({ status, discoveryUrl, scope })
}

/** The token, when there is one. It is asked for only here. */
const tokenOf = <E, R>(
  { login: { token } }: ClientExchange<E, R>
): Effect.Effect<Redacted.Redacted<string> | undefined, AuthError | E, R> => {
  if (token === undefined) return Effect.succeed(undefined)
  const secret: Effect.Effect<Redacted.Redacted<string>, E, R> = Redacted.isRedacted(token)
    ? Effect.succeed(token)
    : token
  return Effect.flatMap(secret, (token): Effect.Effect<Redacted.Redacted<string>, AuthError> => {
    const text = Redacted.value(token)
    return isToken(text) ? Effect.succeed(token) : Effect.fail(fromReason(
      new TokenInvalid({ problem: text === "" ? "it is empty" : "it has characters that no bearer token has" })
    ))
  })
}

/**
 * Shows the token, up to and with the server's AuthenticationOk. Without one, learns what the server wants.
 *
 * @internal
 */
export const client = Effect.fnUntraced(function*<E, R>(
  exchange: ClientExchange<E, R>
): Effect.fn.Return<void, Failure | E, R> {
  const token = yield* tokenOf(exchange)
  yield* exchange.send({ _tag: "SASLInitialResponse", mechanism, data: initialResponse(token) })

  const answer = yield* exchange.receive
  // A server that lets us in without a token has not asked for what the policy allows.
  if (answer._tag === "AuthenticationOk" && token !== undefined) return
  if (answer._tag !== "AuthenticationSASLContinue") return yield* unexpected(answer, "AuthenticationSASLContinue")
  const response = readErrorResponse(answer.data)
  if (Result.isFailure(response)) return yield* fromReason(response.failure)

  // The server waits for this before it says no; what it says then tells less than what we know.
  const last = yield* Effect.andThen(
    exchange.send({ _tag: "SASLResponse", data: dummyResponse }),
    exchange.receive
  ).pipe(
    Effect.catchTag("AuthError", () => Effect.succeed(undefined))
  )
  if (last !== undefined) return yield* unexpected(last, "ErrorResponse")
  return yield* fromReason(
    new TokenRefused({ user: exchange.login.user, sent: token !== undefined, ...response.success })
  )
})

/**
 * Reads the token out of the client's first message; `undefined` when there is none, because the client wants to know
 * what the server takes.
 *
 * @category decoding
 * @since 0.1.0
 */
export const readInitialResponse = (
  bytes: Uint8Array
): Result.Result<Redacted.Redacted<string> | undefined, MechanismMalformed> => {
  const name = "initial client response"
  const text = utf8Text(bytes)
  if (text === undefined) return malformed(name, "it is not UTF-8")
  const [header, ...parts] = text.split(separator)
  if (!/^[ny],,$/.test(header!)) return malformed(name, "it has no GS2 header without binding and identity")
  if (parts.length < 2 || parts.at(-1) !== "" || parts.at(-2) !== "") {
    return malformed(name, "it does not end as it must")
  }
  const pairs = parts.slice(0, -2)
  if (!pairs.every((pair) => /^[A-Za-z]+=[\x20-\x7e\t\r\n]*$/.test(pair))) return malformed(name, "it is not all pairs")
  const values = pairs.filter((pair) => pair.startsWith("auth="))
  if (values.length !== 1) return malformed(name, "it has not one auth=")
  const value = values[0]!.slice("auth=".length)
  if (value === "") return Result.succeed(undefined)
  const token = /^Bearer +(.*)$/i.exec(value)?.[1]
  return token !== undefined && isToken(token)
    ? Result.succeed(Redacted.make(token))
    : malformed(name, "auth= is not a bearer token")
}

/** @internal */
export const server = Effect.fnUntraced(function*(
  exchange: ServerExchange,
  account: Extract<Account, { readonly method: "oauth" }>
): Effect.fn.Return<void, Failure> {
  const read = <A>(result: Result.Result<A, MechanismMalformed>) =>
    Result.isSuccess(result) ? Effect.succeed(result.success) : exchange.malformed(result.failure)

  const initial = yield* exchange.ask({ _tag: "AuthenticationSASL", mechanisms: [mechanism] }, "SASLInitialResponse")
  if (initial.mechanism !== mechanism || initial.data === null) {
    return yield* read(malformed("initial client response", "it is of another mechanism"))
  }
  const token = yield* read(readInitialResponse(initial.data))
  if (token !== undefined && (yield* account.verify(token))) return

  const response = JSON.stringify({
    status: "invalid_token",
    "openid-configuration": account.discoveryUrl,
    scope: account.scope
  })
  const challenge = { _tag: "AuthenticationSASLContinue", data: utf8Unsafe(response) } as const
  const last = yield* exchange.ask(challenge, "SASLResponse")
  if (utf8Text(last.data) !== separator) return yield* read(malformed("dummy client response", "it is something else"))
  return yield* exchange.rejectToken
})
