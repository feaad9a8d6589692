/**
 * A simulated OAuth authorization server: a layer that replaces HTTP and responds as such a server would.
 *
 * It issues tokens, a new one each time, and knows which of them are valid, so `Authenticate.server` with its
 * {@link AuthorizationServer.account | account} simulates a database server that trusts it. Its responses can be
 * replaced, address by address, to test how a client handles a server that is faulty, slow or hostile.
 *
 * @since 0.1.0
 */
import * as Account from "@hyperfect/auth/Account"
import * as Utf8 from "@hyperfect/protocol/Utf8"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"

/**
 * A request, as received by the server.
 *
 * @category models
 * @since 0.1.0
 */
export interface Request {
  readonly url: string
  /** The header `Authorization`. */
  readonly authorization: string | undefined
  readonly form: Readonly<Record<string, string>>
}

/**
 * A status and a body: a string is sent as it is, anything else as JSON.
 *
 * @category models
 * @since 0.1.0
 */
export type HttpResponse = readonly [status: number, body: unknown]

/**
 * Options of the server.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** `https://id.example` when absent. */
  readonly issuer?: string | undefined
  /** The lifetime of a token in seconds; 300 when absent. */
  readonly tokenLifetime?: number | undefined
  /** The lifetime of a code in seconds; 60 when absent. */
  readonly codeLifetime?: number | undefined
  /** The minimum time in seconds between two requests for a token; 5 when absent. */
  readonly interval?: number | undefined
  /** True if the user approves every code at once; true when absent. See `approve`. */
  readonly autoApprove?: boolean | undefined
  /**
   * Responses by address, which replace or extend the normal ones. Each function is called with the number of earlier
   * requests to that address, and returns `undefined` to send no response.
   */
  readonly responses?: Readonly<Record<string, (times: number) => HttpResponse | undefined>> | undefined
}

/**
 * The server as seen by a test, and the user who approves its codes.
 *
 * @category services
 * @since 0.1.0
 */
export class AuthorizationServer extends Context.Service<AuthorizationServer, {
  readonly issuer: string
  /** The URLs of the server: the discovery document, the page for users, and the token endpoint. */
  readonly endpoints: { readonly document: string; readonly page: string; readonly token: string }
  /** An account of a database server that trusts this one. */
  readonly account: Account.Account
  /** Every request so far, in order. */
  readonly requests: Effect.Effect<ReadonlyArray<Request>>
  /** Approves, as the user, all codes that were issued so far. */
  readonly approve: Effect.Effect<void>
  /** Revokes every token that was issued so far. */
  readonly revoke: Effect.Effect<void>
}>()("@hyperfect/testing/AuthorizationServer") {}

/** Web globals that every runtime has, but whose types a platform-independent package cannot assume. */
const globals = globalThis as unknown as {
  readonly Response: new(body: string, init: { readonly status: number }) => never
}

const readForm = (bytes: Uint8Array): Readonly<Record<string, string>> => {
  const pairs = (Utf8.decode(bytes, 0, bytes.length) ?? "").split("&")
  const decode = (part: string) => decodeURIComponent(part.replaceAll("+", " "))
  return Object.fromEntries(pairs.map((pair) => pair.split("=").map(decode)))
}

/**
 * Provides an authorization server, and the HTTP client that reaches it and nothing else.
 *
 * **Example** (A login with a token)
 *
 * ```ts
 * import { Authenticate, OAuthBearer, OAuthFlow } from "@hyperfect/auth"
 * import { AuthorizationServer } from "@hyperfect/testing"
 * import { InMemory, MessageChannel } from "@hyperfect/transport"
 * import { Effect, Layer, Redacted } from "effect"
 * import { strict as assert } from "node:assert"
 *
 * const Tokens = OAuthFlow.layerClientCredentials({
 *   issuer: "https://id.example",
 *   clientId: "reports",
 *   clientSecret: Redacted.make("s3cret")
 * })
 *
 * const program = Effect.gen(function*() {
 *   const { account } = yield* AuthorizationServer.AuthorizationServer
 *   const session = yield* OAuthBearer.withTokenProvider(Effect.fnUntraced(function*(token) {
 *     const { client, server } = yield* InMemory.pair()
 *     yield* Effect.forkScoped(
 *       Authenticate.server(MessageChannel.server(server), { account: () => Effect.succeed(account) })
 *     )
 *     const channel = MessageChannel.client(client)
 *     return yield* Authenticate.client(channel, { user: "app", token }, { allowCleartextWithoutTls: true })
 *   }))
 *   return session.method
 * }).pipe(
 *   Effect.scoped,
 *   Effect.provide(Tokens.pipe(Layer.provideMerge(AuthorizationServer.layer()))),
 *   Effect.provide(Authenticate.layerCrypto)
 * )
 *
 * assert.equal(await Effect.runPromise(program), "oauth")
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options = {}): Layer.Layer<AuthorizationServer | HttpClient.HttpClient> =>
  Layer.effectContext(Effect.sync(() => {
    const { codeLifetime = 60, interval = 5, issuer = "https://id.example", tokenLifetime = 300 } = options
    const endpoints = {
      document: `${issuer}/.well-known/openid-configuration`,
      page: `${issuer}/device`,
      token: `${issuer}/token`
    }
    const requests: Array<Request> = []
    /** The times at which the tokens expire. */
    const good = new Map<string, number>()
    let isApproved = options.autoApprove ?? true

    const grant = (now: number): HttpResponse => {
      const token = `token-${good.size + 1}`
      good.set(token, now + tokenLifetime * 1000)
      return [200, { access_token: token, token_type: "bearer", expires_in: tokenLifetime }]
    }

    const honest = ({ form, url }: Request, now: number): HttpResponse => {
      switch (url) {
        case endpoints.document:
          return [200, {
            issuer,
            device_authorization_endpoint: endpoints.page,
            token_endpoint: endpoints.token,
            grant_types_supported: ["client_credentials", "urn:ietf:params:oauth:grant-type:device_code"]
          }]
        case endpoints.page:
          return [200, {
            device_code: "device-code",
            user_code: "ABCD-EFGH",
            verification_uri: `${issuer}/go`,
            verification_uri_complete: `${issuer}/go?code=ABCD-EFGH`,
            expires_in: codeLifetime,
            interval
          }]
        case endpoints.token:
          return isApproved || form["grant_type"] === "client_credentials"
            ? grant(now)
            : [400, { error: "authorization_pending" }]
        default:
          return [404, "there is nothing here"]
      }
    }

    const client = HttpClient.make((request, url) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        const { body: sent } = request
        const times = requests.filter((earlier) => earlier.url === url.href).length
        const seen: Request = {
          url: url.href,
          authorization: request.headers["authorization"],
          form: sent._tag === "Uint8Array" ? readForm(sent.body) : {}
        }
        requests.push(seen)
        const replaced = options.responses?.[url.href]
        const answer = replaced === undefined ? honest(seen, now) : replaced(times)
        if (answer === undefined) return Effect.never
        const [status, body] = answer
        const text = typeof body === "string" ? body : JSON.stringify(body)
        return Effect.succeed(HttpClientResponse.fromWeb(request, new globals.Response(text, { status })))
      })
    )

    const server = AuthorizationServer.of({
      issuer,
      endpoints,
      account: Account.oauth({
        discoveryUrl: endpoints.document,
        scope: "openid",
        verify: (token) => Effect.map(Clock.currentTimeMillis, (now) => (good.get(Redacted.value(token)) ?? 0) > now)
      }),
      requests: Effect.sync(() => [...requests]),
      approve: Effect.sync(() => {
        isApproved = true
      }),
      revoke: Effect.sync(() => {
        for (const token of good.keys()) good.set(token, 0)
      })
    })
    return Context.make(AuthorizationServer, server).pipe(Context.add(HttpClient.HttpClient, client))
  }))
