/**
 * Ways to get the tokens that {@link OAuthBearer} shows: the provider asks the authorization server that the database
 * server trusts.
 *
 * The two servers know each other; the client is told by the database server where the other one is, and compares that
 * with the issuer that it was made for. A token is kept for as long as it is good, or until it is refused, and one is
 * fetched at a time, however many sessions wait for it.
 *
 * `effect/http` is marked as unstable in Effect 4.1. Which client carries the requests is up to the caller:
 * `FetchHttpClient.layer` is one.
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
import * as Server from "./internal/authorizationServer.ts"
import { type Discovery, TokenProvider } from "./OAuthBearer.ts"

/**
 * Who we are for the authorization server, and which one we trust.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The address of the authorization server, beginning with `https://`. No other is asked, whatever a server says. */
  readonly issuer: string
  readonly clientId: string
  readonly clientSecret?: Redacted.Redacted<string> | undefined
  /** What the tokens shall be good for; what the database server says when absent. */
  readonly scope?: string | undefined
}

/**
 * What a user has to do: visit the page, and type the code there if it is not in the address already.
 *
 * @category models
 * @since 0.1.0
 */
export interface Invitation {
  readonly verificationUri: string
  /** The same with the code in it, if there is such a page. */
  readonly verificationUriComplete: string | undefined
  readonly userCode: string
  /** Milliseconds for which the code is good. */
  readonly lifetime: number
}

/** What gets a new token from the server that the discovery leads to. */
type Fetch = (
  metadata: Effect.Success<ReturnType<typeof Server.metadata>>,
  scope: string | undefined
) => Effect.Effect<Server.Token, TokenUnavailable, HttpClient.HttpClient>

/** So long before its end a token is taken for one that has expired: it has to get to the server, too. */
const margin = 10_000

const layer = (options: Options, fetch: Fetch): Layer.Layer<TokenProvider, never, HttpClient.HttpClient> =>
  Layer.effect(
    TokenProvider,
    Effect.gen(function*() {
      const client = yield* HttpClient.HttpClient
      const one = yield* Semaphore.make(1)
      let kept: { readonly token: Redacted.Redacted<string>; readonly until: number } | undefined

      const renew = Effect.fnUntraced(function*(discovery: Discovery) {
        const metadata = yield* Server.metadata(options, discovery)
        const { lifetime, token } = yield* fetch(metadata, options.scope ?? discovery.scope)
        kept = { token, until: (yield* Clock.currentTimeMillis) + Duration.toMillis(lifetime) - margin }
        return token
      }, Effect.provideService(HttpClient.HttpClient, client))

      const good = Effect.map(
        Clock.currentTimeMillis,
        (now) => kept !== undefined && now < kept.until ? kept.token : undefined
      )

      return TokenProvider.of({
        token: (discovery, refused) =>
          discovery === undefined ? good : one.withPermit(
            // Somebody else may have got one since this one was shown to the server, or while we waited for our turn.
            Effect.flatMap(
              good,
              (token) => token === undefined || token === refused ? renew(discovery) : Effect.succeed(token)
            )
          )
      })
    })
  )

const denied = (code: string) => Server.unavailable(`the authorization server refuses a token (${code})`)

/**
 * Tokens that a user lets us have, on a page of the authorization server and with any device (RFC 8628).
 *
 * **When to use**
 *
 * Use in programs that somebody sits in front of. psql does the same.
 *
 * **Details**
 *
 * `invite` shows the page's address and the code. Then the authorization server is asked, as often as it allows, whether
 * the user has agreed, until the code expires.
 *
 * **Example** (Inviting the user)
 *
 * ```ts
 * import { OAuthFlow } from "@hyperfect/auth"
 * import { Console, Layer } from "effect"
 * import { FetchHttpClient } from "effect/http"
 *
 * const Tokens = OAuthFlow.layerDevice({
 *   issuer: "https://id.example",
 *   clientId: "reports",
 *   invite: ({ userCode, verificationUri }) => Console.error(`Visit ${verificationUri} and enter ${userCode}`)
 * }).pipe(Layer.provide(FetchHttpClient.layer))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerDevice = (
  options: Options & { readonly invite: (invitation: Invitation) => Effect.Effect<unknown> }
): Layer.Layer<TokenProvider, never, HttpClient.HttpClient> =>
  layer(
    options,
    Effect.fnUntraced(function*(metadata, scope) {
      const page = metadata.device_authorization_endpoint
      if (page === undefined) {
        return yield* Server.unavailable(`${options.issuer} has no page where a user could let us have a token`)
      }
      const code = yield* Server.authorizeDevice(options, page, scope)
      yield* options.invite({
        verificationUri: code.verification_uri,
        verificationUriComplete: code.verification_uri_complete,
        userCode: code.user_code,
        lifetime: code.expires_in * 1000
      })
      const end = (yield* Clock.currentTimeMillis) + code.expires_in * 1000
      let interval = Math.max(1, code.interval ?? 5)
      while ((yield* Clock.currentTimeMillis) < end) {
        yield* Effect.sleep(Duration.seconds(interval))
        const answer = yield* Server.requestToken(options, metadata.token_endpoint, {
          grant_type: "urn:ietf:params:oauth:grant-type:device_code",
          device_code: code.device_code
        })
        if (typeof answer !== "string") return answer
        // RFC 8628, section 3.5.
        if (answer === "slow_down") interval += 5
        else if (answer !== "authorization_pending") return yield* denied(answer)
      }
      return yield* Server.unavailable("the user has not agreed in time")
    })
  )

/**
 * Tokens for the program itself, which says who it is by its secret (RFC 6749, section 4.4).
 *
 * **When to use**
 *
 * Use in services that nobody sits in front of.
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
      const answer = yield* Server.requestToken(options, metadata.token_endpoint, {
        grant_type: "client_credentials",
        scope
      })
      return typeof answer === "string" ? yield* denied(answer) : answer
    })
  )
