/**
 * What is asked of an OAuth authorization server: its document (OpenID Connect Discovery, RFC 8414), and tokens (RFC 6749,
 * RFC 8628).
 *
 * Everything that it says is checked before it is believed, and nothing that is secret is in an error: neither what was
 * sent nor what came back.
 */
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
import type { Discovery } from "../OAuthBearer.ts"
import { utf8Text } from "./bytes.ts"

/** Who we are for the authorization server, and which one we trust. */
export interface Client {
  readonly issuer: string
  readonly clientId: string
  readonly clientSecret?: Redacted.Redacted<string> | undefined
}

export const unavailable = (problem: string) => Effect.fail(new TokenUnavailable({ problem }))

/** As libpq has it. */
const bodyLimit = 256 * 1024

const answerLimit = "30 seconds"

/** Addresses that anybody on the way could answer for are no place for a secret. */
const Address = Schema.String.check(Schema.isPattern(/^https:\/\/[^\s#]+$/i))

const Metadata = Schema.Struct({
  issuer: Schema.String,
  token_endpoint: Address,
  device_authorization_endpoint: Schema.optionalKey(Address)
})

const Seconds = Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 31_536_000 }))

const DeviceAuthorization = Schema.Struct({
  device_code: Schema.String,
  user_code: Schema.String,
  verification_uri: Schema.String,
  verification_uri_complete: Schema.optionalKey(Schema.String),
  expires_in: Seconds,
  interval: Schema.optionalKey(Seconds)
})

const Granted = Schema.Struct({
  access_token: Schema.String,
  token_type: Schema.String,
  expires_in: Schema.optionalKey(Seconds)
})

const Denied = Schema.Struct({ error: Schema.String })

/** A token, and how long it is good for. */
export interface Token {
  readonly token: Redacted.Redacted<string>
  readonly lifetime: Duration.Duration
}

const unreachable = (what: string) => () => unavailable(`${what} cannot be had from the authorization server`)

/** The answer to a request, as JSON. Redirections are not followed: what we send is for one address only. */
const send = Effect.fnUntraced(function*(request: HttpClientRequest.HttpClientRequest, what: string) {
  const { body, status } = yield* Effect.gen(function*() {
    const response = yield* HttpClient.execute(HttpClientRequest.acceptJson(request))
    const chunks: Array<Uint8Array> = []
    let size = 0
    yield* Stream.runForEach(response.stream, (chunk) => {
      chunks.push(chunk)
      size += chunk.length
      return size > bodyLimit ? Effect.fail("long") : Effect.void
    })
    const body = new Uint8Array(size)
    let at = 0
    for (const chunk of chunks) {
      body.set(chunk, at)
      at += chunk.length
    }
    return { body, status: response.status }
  }).pipe(
    Effect.timeout(answerLimit),
    Effect.catch(unreachable(what)),
    Effect.provideService(FetchHttpClient.RequestInit, { redirect: "error" }),
    // It holds codes and secrets.
    Effect.withTracerEnabled(false)
  )
  const json = Option.liftThrowable((): unknown => JSON.parse(utf8Text(body) ?? ""))()
  return { status, json: Option.getOrUndefined(json) }
})

const read = <A>(schema: Schema.Decoder<A>, json: unknown, what: string): Effect.Effect<A, TokenUnavailable> =>
  Effect.catch(
    Schema.decodeUnknownEffect(schema)(json),
    () => unavailable(`${what} of the authorization server is malformed`)
  )

/** The issuer that a document belongs to, by its address: the well-known part stands at its end, or behind its host. */
const issuerOf = (discoveryUrl: string): string | undefined => {
  const issuer = discoveryUrl.replace(/\/\.well-known\/(?:openid-configuration|oauth-authorization-server)(?=\/|$)/, "")
  return issuer === discoveryUrl ? undefined : issuer
}

/**
 * The document of the issuer that we trust. The database server may say where it lies, and must not lead us elsewhere.
 */
export const metadata = Effect.fnUntraced(function*({ issuer }: Client, { discoveryUrl }: Discovery) {
  if (!/^https:\/\/[^\s?#]+$/i.test(issuer)) return yield* unavailable("the issuer is not an address of https://")
  const url = discoveryUrl ?? `${issuer}/.well-known/openid-configuration`
  if (issuerOf(url) !== issuer) {
    return yield* unavailable(`the server has its tokens from ${url}, and ${issuer} is the one to trust`)
  }
  const { json, status } = yield* send(HttpClientRequest.get(url), "the document")
  if (status !== 200) return yield* unavailable(`there is no document at ${url} (${status})`)
  const found = yield* read(Metadata, json, "the document")
  // RFC 8414, section 3.3: or it is somebody else's.
  return found.issuer === issuer ? found : yield* unavailable(`the document at ${url} is that of another issuer`)
})

/** RFC 6749, section 2.3.1: a client with a secret says who it is by that, any other only by its name. */
const post = (
  { clientId, clientSecret }: Client,
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

/** Asks for codes: one for us, one for the user (RFC 8628, section 3.1). */
export const authorizeDevice = Effect.fnUntraced(function*(client: Client, url: string, scope: string | undefined) {
  const { json, status } = yield* send(post(client, url, { scope }), "a code")
  if (status !== 200) {
    return yield* unavailable(`the authorization server has no code for us (${reasonOf(json, status)})`)
  }
  return yield* read(DeviceAuthorization, json, "the code")
})

/** The error code of RFC 6749, or the status. Only what looks like one is printed. */
const reasonOf = (json: unknown, status: number): string => {
  const denied = Schema.decodeUnknownOption(Denied)(json)
  return Option.isSome(denied) && /^[a-z_]{1,40}$/.test(denied.value.error) ? denied.value.error : String(status)
}

/** A token, or the code of the error why there is none (yet). */
export const requestToken = Effect.fnUntraced(function*(
  client: Client,
  url: string,
  parameters: Readonly<Record<string, string | undefined>>
) {
  const { json, status } = yield* send(post(client, url, parameters), "a token")
  if (status !== 200) return reasonOf(json, status)
  const granted = yield* read(Granted, json, "the token")
  if (granted.token_type.toLowerCase() !== "bearer") {
    return yield* unavailable("the token of the authorization server is not a bearer token")
  }
  const token: Token = {
    token: Redacted.make(granted.access_token),
    lifetime: granted.expires_in === undefined ? Duration.infinity : Duration.seconds(granted.expires_in)
  }
  return token
})
