/**
 * Requests to an OAuth authorization server: its metadata document (OpenID Connect Discovery, RFC 8414), and tokens
 * (RFC 6749, RFC 8628).
 *
 * All responses are validated, and errors contain nothing secret: neither the request nor the response.
 */
import * as ErrorField from "@hyperfect/protocol/ErrorField"
import * as Bytes from "effect/Bytes"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { TokenUnavailable } from "../AuthError.ts"
import type { Discovery } from "../mechanisms/OAuthBearer.ts"
import { decodeUtf8 } from "./bytes.ts"

/** The client's identity at the authorization server, and the trusted issuer. */
export interface OAuthClient {
  /**
   * The address of the authorization server, beginning with `https://`. No other authorization server is trusted, even
   * if the database server names one.
   */
  readonly issuer: string
  readonly clientId: string
  readonly clientSecret?: Redacted.Redacted<string> | undefined
}

export const tokenUnavailable = (problem: string) => Effect.fail(new TokenUnavailable({ problem }))

/** As in libpq. */
const maxBodySize = 256 * 1024

const responseTimeout = "30 seconds"

/**
 * An https address: no other scheme, no user information before an `@` that disguises the host, and only characters
 * that are allowed in addresses (RFC 3986), so that it can be shown on a terminal.
 */
const httpsUrl = /^https:\/\/(?:\[[\da-f:.]+\]|[\w.~%-]+)(?::\d{1,5})?(?:[/?#][!#-;=?-Z[\]_a-z~%]*)?$/i

/** A secret must not be sent to an address that an intermediary can impersonate (RFC 6749, section 3.2). */
const HttpsUrl = Schema.String.check(Schema.isPattern(httpsUrl), Schema.isPattern(/^[^#]+$/))

/** The address of a page for the user may contain a `#`. */
const PageUrl = Schema.String.check(Schema.isPattern(httpsUrl))

/** Text that a user reads and types: it may be printed on a terminal. */
const PrintableText = Schema.String.check(
  Schema.makeFilter((text) => text !== "" && ErrorField.printable(text) === text)
)

const Metadata = Schema.Struct({
  issuer: Schema.String,
  token_endpoint: HttpsUrl,
  device_authorization_endpoint: Schema.optionalKey(HttpsUrl)
})

const Seconds = Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 31_536_000 }))

const DeviceAuthorization = Schema.Struct({
  device_code: Schema.String,
  user_code: PrintableText,
  verification_uri: PageUrl,
  verification_uri_complete: Schema.optionalKey(PageUrl),
  expires_in: Seconds,
  interval: Schema.optionalKey(Seconds)
})

const TokenResponse = Schema.Struct({
  access_token: Schema.String,
  token_type: Schema.String,
  expires_in: Schema.optionalKey(Seconds)
})

const TokenErrorResponse = Schema.Struct({ error: Schema.String })

/** A token and its validity. */
export interface Token {
  readonly token: Redacted.Redacted<string>
  readonly lifetime: Duration.Duration
}

const unreachable = (what: string) => () => tokenUnavailable(`${what} cannot be had from the authorization server`)

/**
 * Returns the response to a request, as JSON. Redirects are not followed: the request is meant for one address only.
 */
const send = Effect.fnUntraced(function*(request: HttpClientRequest.HttpClientRequest, what: string) {
  const { body, status } = yield* Effect.gen(function*() {
    const response = yield* HttpClient.execute(HttpClientRequest.acceptJson(request))
    const chunks: Array<Uint8Array> = []
    let size = 0
    yield* Stream.runForEach(response.stream, (chunk) => {
      chunks.push(chunk)
      size += chunk.length
      return size > maxBodySize ? Effect.fail("long") : Effect.void
    })
    return { body: Bytes.concat(chunks), status: response.status }
  }).pipe(
    Effect.timeout(responseTimeout),
    Effect.catch(unreachable(what)),
    Effect.provideService(FetchHttpClient.RequestInit, { redirect: "error" }),
    // The request contains codes and secrets.
    Effect.withTracerEnabled(false)
  )
  const json = Option.liftThrowable((): unknown => JSON.parse(decodeUtf8(body) ?? ""))()
  return { status, json: Option.getOrUndefined(json) }
})

const decodeResponse = <A>(
  schema: Schema.Decoder<A>,
  json: unknown,
  what: string
): Effect.Effect<A, TokenUnavailable> =>
  Effect.catch(
    Schema.decodeUnknownEffect(schema)(json),
    () => tokenUnavailable(`${what} of the authorization server is malformed`)
  )

/** Returns the issuer of a document, by its address: the well-known part is at its end, or after its host. */
const issuerOf = (discoveryUrl: string): string | undefined => {
  const issuer = discoveryUrl.replace(/\/\.well-known\/(?:openid-configuration|oauth-authorization-server)(?=\/|$)/, "")
  return issuer === discoveryUrl ? undefined : issuer
}

/**
 * Fetches the document of the trusted issuer. The database server may name its address, but it must belong to the
 * issuer.
 */
export const fetchMetadata = Effect.fnUntraced(function*({ issuer }: OAuthClient, { discoveryUrl }: Discovery) {
  if (!/^https:\/\/[^\s?#]+$/i.test(issuer)) return yield* tokenUnavailable("the issuer is not an address of https://")
  const url = discoveryUrl ?? `${issuer}/.well-known/openid-configuration`
  if (issuerOf(url) !== issuer) {
    return yield* tokenUnavailable(`the server has its tokens from ${url}, and ${issuer} is the one to trust`)
  }
  const { json, status } = yield* send(HttpClientRequest.get(url), "the document")
  if (status !== 200) return yield* tokenUnavailable(`there is no document at ${url} (${status})`)
  const found = yield* decodeResponse(Metadata, json, "the document")
  // RFC 8414, section 3.3: otherwise the document belongs to another issuer.
  return found.issuer === issuer ? found : yield* tokenUnavailable(`the document at ${url} is that of another issuer`)
})

/** RFC 6749, section 2.3.1: a client with a secret authenticates with it, any other sends only its name. */
const post = (
  { clientId, clientSecret }: OAuthClient,
  url: string,
  parameters: Readonly<Record<string, string | undefined>>
): HttpClientRequest.HttpClientRequest => {
  const sent = Object.entries({ ...parameters, client_id: clientId }).filter((entry): entry is [string, string] =>
    entry[1] !== undefined
  )
  const request = HttpClientRequest.bodyUrlParams(HttpClientRequest.post(url), sent)
  return clientSecret === undefined ? request : HttpClientRequest.basicAuth(
    request,
    encodeURIComponent(clientId),
    Redacted.make(encodeURIComponent(Redacted.value(clientSecret)))
  )
}

/** Requests codes: one for the client, one for the user (RFC 8628, section 3.1). */
export const authorizeDevice = Effect.fnUntraced(
  function*(client: OAuthClient, url: string, scope: string | undefined) {
    const { json, status } = yield* send(post(client, url, { scope }), "a code")
    if (status !== 200) {
      return yield* tokenUnavailable(`the authorization server has no code for us (${errorCode(json, status)})`)
    }
    return yield* decodeResponse(DeviceAuthorization, json, "the code")
  }
)

/** Returns the error code of RFC 6749, or the status. Only well-formed codes are printed. */
const errorCode = (json: unknown, status: number): string => {
  const denied = Schema.decodeUnknownOption(TokenErrorResponse)(json)
  return Option.isSome(denied) && /^[a-z_]{1,40}$/.test(denied.value.error) ? denied.value.error : String(status)
}

/** Returns a token, or the error code that explains why there is none (yet). */
export const requestToken = Effect.fnUntraced(function*(
  client: OAuthClient,
  url: string,
  parameters: Readonly<Record<string, string | undefined>>
) {
  const { json, status } = yield* send(post(client, url, parameters), "a token")
  if (status !== 200) return errorCode(json, status)
  const granted = yield* decodeResponse(TokenResponse, json, "the token")
  if (granted.token_type.toLowerCase() !== "bearer") {
    return yield* tokenUnavailable("the token of the authorization server is not a bearer token")
  }
  const token: Token = {
    token: Redacted.make(granted.access_token),
    lifetime: granted.expires_in === undefined ? Duration.infinity : Duration.seconds(granted.expires_in)
  }
  return token
})
