/**
 * OAUTHBEARER (RFC 7628), in PostgreSQL since version 18: the client presents a token issued by a third party, and the
 * server verifies it.
 *
 * The token itself is the secret, and the server proves nothing: any server that receives it can use it. It is
 * therefore sent only over TLS, unless the policy allows otherwise, and the certificate should be verified
 * (`verify-full`).
 *
 * This module does not obtain tokens. A program that has one passes it to the login. Otherwise a login without a token
 * fails with a `TokenRefused` that states where tokens can be obtained, and {@link withTokenProvider} retries with a
 * token from a provider such as those of `OAuthFlow`.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import {
  AuthError,
  fromReason,
  MechanismMalformed,
  noSecret,
  TokenInvalid,
  TokenRefused,
  type TokenUnavailable
} from "../AuthError.ts"
import { decodeUtf8, encodeUtf8Unsafe } from "../internal/bytes.ts"
import { type ClientExchange, type Failure, unexpected } from "../internal/clientExchange.ts"
import * as Mechanism from "../internal/mechanism.ts"
import * as Secret from "../internal/secret.ts"
import type { ServerExchange } from "../internal/serverExchange.ts"

/**
 * The mechanism's name in SASL.
 *
 * @category constants
 * @since 0.1.0
 */
export const mechanism = "OAUTHBEARER"

/**
 * The server's description of acceptable tokens.
 *
 * @category models
 * @since 0.1.0
 */
export interface Discovery {
  /**
   * The address of the discovery document for obtaining a token (RFC 8414, OpenID Connect Discovery); begins with
   * `https://`.
   */
  readonly discoveryUrl: string | undefined
  /** The scope that the token must have. */
  readonly scope: string | undefined
}

/**
 * Provides tokens: from a cache, with a client's own credentials, or by sending the user to a page.
 *
 * **Details**
 *
 * Called without a `discovery` before the first login attempt; it may then return a cached token, or `undefined`. If
 * the server rejects that, it is called again with the server's `discovery` and with the `refused` token, if there was
 * one; `undefined` then means that no token can be obtained.
 *
 * **Gotchas**
 *
 * The server reports where tokens can be obtained, and it may lie: compare the address with the expected one before
 * sending a secret there.
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
 * Runs a login attempt with the provider's token, and once more with a new one if the server rejects it.
 *
 * **When to use**
 *
 * Use it if tokens expire, or if only the server knows where they can be obtained.
 *
 * **Details**
 *
 * The attempt must open a new connection each time: a server that has rejected a token disconnects. It receives
 * `undefined` if the provider has no token yet; the server is then queried for its requirements.
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

/** The separator before and after every pair. */
const separator = "\u0001"

/** RFC 6750, section 2.1. Prevents other characters between the separators. */
const isToken = (text: string): boolean => /^[A-Za-z0-9._~+/-]+=*$/.test(text)

const initialResponse = (token: Redacted.Redacted<string> | undefined): Uint8Array => {
  const value = token === undefined ? "" : `Bearer ${Redacted.value(token)}`
  return encodeUtf8Unsafe(["n,,", `auth=${value}`, "", ""].join(separator))
}

const dummyResponse = encodeUtf8Unsafe(separator)

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
 * The server's reason for rejecting a token, and its requirements.
 *
 * @category models
 * @since 0.1.0
 */
export interface ErrorResponse extends Discovery {
  /** The status, such as `invalid_token` (RFC 6750, section 3.1). */
  readonly status: string
}

/**
 * Parses a server's response to a rejected token (RFC 7628, section 3.2.2).
 *
 * @category decoding
 * @since 0.1.0
 */
export const readErrorResponse = (bytes: Uint8Array): Result.Result<ErrorResponse, MechanismMalformed> => {
  const name = "server error response"
  const text = decodeUtf8(bytes)
  if (text === undefined) return malformed(name, "it is not UTF-8")
  const fields = jsonObject(text)
  if (fields === undefined) return malformed(name, "it is not a JSON object")
  const field = (key: string): unknown => Object.hasOwn(fields, key) ? fields[key] : undefined
  const status = field("status")
  const discoveryUrl = field("openid-configuration")
  const scope = field("scope")
  if (status === undefined || !optionalText(status)) return malformed(name, "status is not a text")
  if (!optionalText(scope)) return malformed(name, "scope is not a text")
  // A secret must not be sent to an address that an intermediary can impersonate (RFC 8414, section 6.1).
  if (!optionalText(discoveryUrl) || (discoveryUrl !== undefined && !/^https:\/\/[^\s]+$/i.test(discoveryUrl))) {
    return malformed(name, "openid-configuration is not an address that begins with https://")
  }
  return Result.succeed({ status, discoveryUrl, scope })
}

/** Returns the token, if there is one. It is requested only here. */
const tokenOf = <E, R>(
  { login: { token } }: ClientExchange<E, R>
): Effect.Effect<Redacted.Redacted<string> | undefined, AuthError | E, R> => {
  if (token === undefined) return Effect.succeed(undefined)
  const secret = Secret.fetch(token, () => fromReason(new TokenInvalid({ problem: noSecret })))
  return Effect.flatMap(secret, (token): Effect.Effect<Redacted.Redacted<string>, AuthError> => {
    const text = Redacted.value(token)
    return isToken(text) ? Effect.succeed(token) : Effect.fail(fromReason(
      new TokenInvalid({ problem: text === "" ? "it is empty" : "it has characters that no bearer token has" })
    ))
  })
}

/**
 * Presents the token, up to and including the server's AuthenticationOk. Without a token, queries the server's
 * requirements.
 */
const present = Effect.fnUntraced(function*<E, R>(
  exchange: ClientExchange<E, R>
): Effect.fn.Return<void, Failure | E, R> {
  const token = yield* tokenOf(exchange)
  yield* exchange.send({ _tag: "SASLInitialResponse", mechanism, data: initialResponse(token) })

  const answer = yield* exchange.receive
  // A server that admits the client without a token has not requested what the policy allows.
  if (answer._tag === "AuthenticationOk" && token !== undefined) return
  if (answer._tag !== "AuthenticationSASLContinue") return yield* unexpected(answer, "AuthenticationSASLContinue")
  const response = readErrorResponse(answer.data)
  if (Result.isFailure(response)) return yield* fromReason(response.failure)

  // The server waits for this before it rejects the login; its error contains less than the response above.
  const last = yield* Effect.andThen(
    exchange.send({ _tag: "SASLResponse", data: dummyResponse }),
    exchange.receive
  ).pipe(Effect.catchTag("AuthError", () => Effect.succeed(undefined)))
  if (last !== undefined) return yield* unexpected(last, "ErrorResponse")
  return yield* fromReason(
    new TokenRefused({ user: exchange.login.user, sent: token !== undefined, ...response.success })
  )
})

/**
 * Reads the token from the client's first message; `undefined` if there is none, because the client queries the
 * server's requirements.
 *
 * @category decoding
 * @since 0.1.0
 */
export const readInitialResponse = (
  bytes: Uint8Array
): Result.Result<Redacted.Redacted<string> | undefined, MechanismMalformed> => {
  const name = "initial client response"
  const text = decodeUtf8(bytes)
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

/**
 * The tokens accepted for a user, and the location from which clients can get them.
 *
 * @category models
 * @since 0.1.0
 */
export interface Tokens {
  /** Succeeds with true if a token is valid. */
  readonly verify: (token: Redacted.Redacted<string>) => Effect.Effect<boolean>
  /** The address of the discovery document for obtaining a token. */
  readonly discoveryUrl: string
  /** The scope that a token must have. */
  readonly scope: string
}

/**
 * A user who presents a bearer token.
 *
 * @category models
 * @since 0.1.0
 */
export interface Account extends Tokens {
  readonly method: "oauth"
}

/** Requests a token and has it verified. */
const verify = Effect.fnUntraced(function*(
  exchange: ServerExchange,
  account: Account
): Effect.fn.Return<void, Failure> {
  const read = <A>(result: Result.Result<A, MechanismMalformed>) =>
    Result.isSuccess(result) ? Effect.succeed(result.success) : exchange.malformed(result.failure)

  const initial = yield* exchange.request(
    { _tag: "AuthenticationSASL", mechanisms: [mechanism] },
    "SASLInitialResponse"
  )
  if (initial.mechanism !== mechanism || initial.data === null) {
    return yield* read(malformed("initial client response", "it is of another mechanism"))
  }
  const token = yield* read(readInitialResponse(initial.data))
  if (token !== undefined && (yield* account.verify(token)) === true) return

  const response = JSON.stringify({
    status: "invalid_token",
    "openid-configuration": account.discoveryUrl,
    scope: account.scope
  })
  const challenge = { _tag: "AuthenticationSASLContinue", data: encodeUtf8Unsafe(response) } as const
  const last = yield* exchange.request(challenge, "SASLResponse")
  if (decodeUtf8(last.data) !== separator) {
    return yield* read(malformed("dummy client response", "it is something else"))
  }
  return yield* exchange.rejectToken
})

/** @internal */
export const definition = Mechanism.make({
  name: "oauth",
  requireAuth: "oauth",
  request: "AuthenticationSASL",
  sasl: [mechanism],
  exposes: "token",
  client: (exchange) => {
    const { password, scramKeys, token } = exchange.login
    const isPreferred = token !== undefined && password === undefined && scramKeys === undefined
    return Effect.succeed({ run: present(exchange), isPreferred })
  },
  server: verify
})
