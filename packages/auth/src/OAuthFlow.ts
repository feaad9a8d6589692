/**
 * Token providers for {@link OAuthBearer}, which obtain tokens from the authorization server that the database server
 * trusts.
 *
 * The database server sends the client the authorization server's address, which the client compares with its
 * configured issuer. A token is cached until it expires or is rejected, and only one is fetched at a time, however many
 * sessions wait for it.
 *
 * `effect/http` is marked as unstable in Effect 4.1. The caller chooses the HTTP client, for example
 * `FetchHttpClient.layer`.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import * as Semaphore from "effect/Semaphore"
import type { TokenUnavailable } from "./AuthError.ts"
import * as AuthorizationServer from "./internal/authorizationServer.ts"
import { type Discovery, TokenProvider } from "./mechanisms/OAuthBearer.ts"

/**
 * The client's identity at the authorization server, and the trusted issuer.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends AuthorizationServer.OAuthClient {
  /** The scope to request. Defaults to the scope that the database server sends. */
  readonly scope?: string | undefined
}

/**
 * The instructions for the user: visit the page, and enter the code unless the address already contains it.
 *
 * @category models
 * @since 0.1.0
 */
export interface VerificationPrompt {
  readonly verificationUri: string
  /** The address including the code, if there is one. */
  readonly verificationUriComplete: string | undefined
  readonly userCode: string
  /** The validity of the code in milliseconds. */
  readonly lifetime: number
}

/** Fetches a new token from the authorization server found by discovery. */
type FetchToken = (
  metadata: Effect.Success<ReturnType<typeof AuthorizationServer.fetchMetadata>>,
  scope: string | undefined
) => Effect.Effect<AuthorizationServer.Token, TokenUnavailable, HttpClient.HttpClient>

/** Monotonic, because the time of day can be set back. */
const monotonicMillis = Effect.map(Clock.monotonicTimeNanos, (now) => Number(now) / 1e6)

/** A token is considered expired this many milliseconds before its end, to leave time for sending it to the server. */
const expiryMargin = 10_000

const layer = (options: Options, fetch: FetchToken): Layer.Layer<TokenProvider, never, HttpClient.HttpClient> =>
  Layer.effect(
    TokenProvider,
    Effect.gen(function*() {
      const client = yield* HttpClient.HttpClient
      const mutex = yield* Semaphore.make(1)
      let cached: { readonly token: Redacted.Redacted<string>; readonly until: number } | undefined

      const renew = Effect.fnUntraced(function*(discovery: Discovery) {
        const metadata = yield* AuthorizationServer.fetchMetadata(options, discovery)
        const { lifetime, token } = yield* fetch(metadata, options.scope ?? discovery.scope)
        cached = { token, until: (yield* monotonicMillis) + Duration.toMillis(lifetime) - expiryMargin }
        return token
      }, Effect.provideService(HttpClient.HttpClient, client))

      const validToken = Effect.map(
        monotonicMillis,
        (now) => cached !== undefined && now < cached.until ? cached.token : undefined
      )

      return TokenProvider.of({
        token: (discovery, refused) =>
          discovery === undefined ? validToken : mutex.withPermit(
            // Another caller may have fetched one since this one was sent to the server, or while this one waited for
            // the lock.
            Effect.flatMap(
              validToken,
              (token) => token === undefined || token === refused ? renew(discovery) : Effect.succeed(token)
            )
          )
      })
    })
  )

const tokenDenied = (code: string) =>
  AuthorizationServer.tokenUnavailable(`the authorization server refuses a token (${code})`)

/**
 * Provides tokens that a user authorizes on a page of the authorization server, from any device (RFC 8628).
 *
 * **When to use**
 *
 * Use it in interactive programs. psql does the same.
 *
 * **Details**
 *
 * `prompt` receives the page's address and the code. Addresses other than https, malformed addresses, and codes with
 * control characters fail before that. The authorization server is then polled, at the interval that it allows, until
 * the user has agreed or the code expires.
 *
 * **Example** (Prompting the user)
 *
 * ```ts
 * import { OAuthFlow } from "@hyperfect/auth"
 * import { Console, Layer } from "effect"
 * import { FetchHttpClient } from "effect/http"
 *
 * const Tokens = OAuthFlow.layerDevice({
 *   issuer: "https://id.example",
 *   clientId: "reports",
 *   prompt: ({ userCode, verificationUri }) => Console.error(`Visit ${verificationUri} and enter ${userCode}`)
 * }).pipe(Layer.provide(FetchHttpClient.layer))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerDevice = (
  options: Options & { readonly prompt: (invitation: VerificationPrompt) => Effect.Effect<unknown> }
): Layer.Layer<TokenProvider, never, HttpClient.HttpClient> =>
  layer(
    options,
    Effect.fnUntraced(function*(metadata, scope) {
      const page = metadata.device_authorization_endpoint
      if (page === undefined) {
        return yield* AuthorizationServer.tokenUnavailable(
          `${options.issuer} has no page on which a user can authorize a token`
        )
      }
      const code = yield* AuthorizationServer.authorizeDevice(options, page, scope)
      yield* options.prompt({
        verificationUri: code.verification_uri,
        verificationUriComplete: code.verification_uri_complete,
        userCode: code.user_code,
        lifetime: code.expires_in * 1000
      })
      const end = (yield* monotonicMillis) + code.expires_in * 1000
      let interval = Math.max(1, code.interval ?? 5)
      while ((yield* monotonicMillis) < end) {
        yield* Effect.sleep(Duration.seconds(interval))
        const answer = yield* AuthorizationServer.requestToken(options, metadata.token_endpoint, {
          grant_type: "urn:ietf:params:oauth:grant-type:device_code",
          device_code: code.device_code
        })
        if (typeof answer !== "string") return answer
        // RFC 8628, section 3.5.
        if (answer === "slow_down") interval += 5
        else if (answer !== "authorization_pending") return yield* tokenDenied(answer)
      }
      return yield* AuthorizationServer.tokenUnavailable("the user has not agreed in time")
    })
  )

/**
 * Provides tokens for the program itself, which authenticates with its client secret (RFC 6749, section 4.4).
 *
 * **When to use**
 *
 * Use it in services without an interactive user.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerClientCredentials = (
  options: Options & { readonly clientSecret: Redacted.Redacted<string> }
): Layer.Layer<TokenProvider, never, HttpClient.HttpClient> =>
  layer(
    options,
    Effect.fnUntraced(function*(metadata, scope) {
      const answer = yield* AuthorizationServer.requestToken(options, metadata.token_endpoint, {
        grant_type: "client_credentials",
        scope
      })
      return typeof answer === "string" ? yield* tokenDenied(answer) : answer
    })
  )
