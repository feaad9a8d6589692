/**
 * An OAuth authorization server that is not there: a layer in place of HTTP, which answers as such a server would.
 *
 * It hands out tokens, each another one, and knows which of them are good; so a database server that trusts it can be
 * played by `Authenticate.server` with its {@link AuthorizationServer.account | account}. What it says can be replaced,
 * address by address, to see what a client makes of a server that is wrong, slow or hostile.
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
 * A request, as the server has seen it.
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
 * A status, and a body: sent as it is when it is a text, else as JSON.
 *
 * @category models
 * @since 0.1.0
 */
export type Answer = readonly [status: number, body: unknown]

/**
 * How the server is to behave.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** `https://id.example` when absent. */
  readonly issuer?: string | undefined
  /** Seconds for which a token is good; 300 when absent. */
  readonly tokenLifetime?: number | undefined
  /** Seconds for which a code is good; 60 when absent. */
  readonly codeLifetime?: number | undefined
  /** Seconds between two questions for a token; 5 when absent. */
  readonly interval?: number | undefined
  /** Whether a user agrees to every code at once; true when absent. See `approve`. */
  readonly isApproved?: boolean | undefined
  /**
   * What is said at an address in place of, or beside, what an honest server says. It is given how often the address was
   * asked before. `undefined` for no answer at all.
   */
  readonly answers?: Readonly<Record<string, (times: number) => Answer | undefined>> | undefined
}

/**
 * The server as a test sees it, and as the person in front of it does.
 *
 * @category services
 * @since 0.1.0
 */
export class AuthorizationServer extends Context.Service<AuthorizationServer, {
  readonly issuer: string
  /** The addresses of what it has: the document, the page for users, the place where tokens are. */
  readonly addresses: { readonly document: string; readonly page: string; readonly token: string }
  /** An account of a database server that trusts this one. */
  readonly account: Account.Account
  /** Every request so far, in order. */
  readonly requests: Effect.Effect<ReadonlyArray<Request>>
  /** The user agrees to the codes that were given out. */
  readonly approve: Effect.Effect<void>
  /** Takes every token back that was given out. */
  readonly revoke: Effect.Effect<void>
}>()("@hyperfect/testing/AuthorizationServer") {}

/** What every runtime has of the web's own, which is not among the types of a package for all of them. */
const web = globalThis as unknown as {
  readonly Response: new(body: string, init: { readonly status: number }) => never
}

const readForm = (bytes: Uint8Array): Readonly<Record<string, string>> => {
  const pairs = (Utf8.decode(bytes, 0, bytes.length) ?? "").split("&")
  const decode = (part: string) => decodeURIComponent(part.replaceAll("+", " "))
  return Object.fromEntries(pairs.map((pair) => pair.split("=").map(decode)))
}

/**
 * Provides an authorization server, and the HTTP client that it is the only thing to be reached by.
 *
 * **Example** (A log-in with a token)
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
 *     const line = yield* InMemory.pair()
 *     yield* Effect.forkScoped(
 *       Authenticate.server(MessageChannel.server(line.server), { account: () => Effect.succeed(account) })
 *     )
 *     const channel = MessageChannel.client(line.client)
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
    const addresses = {
      document: `${issuer}/.well-known/openid-configuration`,
      page: `${issuer}/device`,
      token: `${issuer}/token`
    }
    const requests: Array<Request> = []
    /** Until when a token is good. */
    const good = new Map<string, number>()
    let isApproved = options.isApproved ?? true

    const grant = (now: number): Answer => {
      const token = `token-${good.size + 1}`
      good.set(token, now + tokenLifetime * 1000)
      return [200, { access_token: token, token_type: "bearer", expires_in: tokenLifetime }]
    }

    const honest = ({ form, url }: Request, now: number): Answer => {
      switch (url) {
        case addresses.document:
          return [200, {
            issuer,
            device_authorization_endpoint: addresses.page,
            token_endpoint: addresses.token,
            grant_types_supported: ["client_credentials", "urn:ietf:params:oauth:grant-type:device_code"]
          }]
        case addresses.page:
          return [200, {
            device_code: "device-code",
            user_code: "ABCD-EFGH",
            verification_uri: `${issuer}/go`,
            verification_uri_complete: `${issuer}/go?code=ABCD-EFGH`,
            expires_in: codeLifetime,
            interval
          }]
        case addresses.token:
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
        const replaced = options.answers?.[url.href]
        const answer = replaced === undefined ? honest(seen, now) : replaced(times)
        if (answer === undefined) return Effect.never
        const [status, body] = answer
        const text = typeof body === "string" ? body : JSON.stringify(body)
        return Effect.succeed(HttpClientResponse.fromWeb(request, new web.Response(text, { status })))
      })
    )

    const server = AuthorizationServer.of({
      issuer,
      addresses,
      account: Account.oauth({
        discoveryUrl: addresses.document,
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
