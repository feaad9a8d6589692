/** Fetching of tokens from an authorization server, and limits on a malicious one. */
import { assert, describe, it } from "@effect/vitest"
import { AuthError, OAuthBearer, OAuthFlow } from "@hyperfect/auth"
import { AuthorizationServer } from "@hyperfect/testing"
import { Context, Effect, Fiber, Layer, Redacted, Result } from "effect"
import { TestClock } from "effect/testing"
import { inspect } from "node:util"

const issuer = "https://id.example/tenant"
const urls = {
  document: `${issuer}/.well-known/openid-configuration`,
  page: `${issuer}/device`,
  token: `${issuer}/token`
}
const document = { issuer, token_endpoint: urls.token, device_authorization_endpoint: urls.page }
const discovery: OAuthBearer.Discovery = { discoveryUrl: urls.document, scope: "openid db" }
const clientSecret = Redacted.make("cl1ent secret")
const secrets = ["token-", "cl1ent", "device-code"]

type Answers = NonNullable<AuthorizationServer.Options["responses"]>

interface Flow {
  readonly answers?: Answers
  /** Builds the provider over the given server answers. */
  readonly tokens: (answers: Answers) => Layer.Layer<
    OAuthBearer.TokenProvider | AuthorizationServer.AuthorizationServer
  >
}

/**
 * Requests tokens one after the other, each time with the previous one refused; returns them, or the errors, and the
 * requests that the server received.
 */
const ask = (
  { answers = {}, tokens }: Flow,
  ...discoveries: ReadonlyArray<OAuthBearer.Discovery | undefined>
) =>
  Effect.gen(function*() {
    const provider = yield* OAuthBearer.TokenProvider
    const server = yield* AuthorizationServer.AuthorizationServer
    let last: Redacted.Redacted<string> | undefined
    const next = (discovery: OAuthBearer.Discovery | undefined) =>
      Effect.suspend(() => provider.token(discovery, last)).pipe(
        Effect.tap((token) =>
          Effect.sync(() => {
            last = token
          })
        ),
        Effect.result
      )
    const found = yield* Effect.forkChild(
      Effect.forEach(discoveries, next),
      { startImmediately: true }
    )
    yield* TestClock.adjust("4 minutes")
    const results = (yield* Fiber.join(found)).map((result) => {
      if (Result.isSuccess(result)) return result.success === undefined ? undefined : Redacted.value(result.success)
      const said = inspect(result.failure, { depth: 20, showHidden: true }) + JSON.stringify(result.failure)
      for (const secret of secrets) assert.notInclude(said, secret)
      return result.failure.problem
    })
    return { results, asked: yield* server.requests }
  }).pipe(Effect.provide(tokens(answers)))

const by =
  (make: Layer.Layer<OAuthBearer.TokenProvider, never, Layer.Success<ReturnType<typeof AuthorizationServer.layer>>>) =>
  (responses: Answers) => Layer.provideMerge(make, AuthorizationServer.layer({ issuer, responses, interval: 2 }))

const device = (changes: Partial<Parameters<typeof OAuthFlow.layerDevice>[0]> = {}): Flow["tokens"] =>
  by(OAuthFlow.layerDevice({ issuer, clientId: "reports", prompt: () => Effect.void, ...changes }))

const credentials = (changes: Partial<OAuthFlow.Options> = {}): Flow["tokens"] =>
  by(OAuthFlow.layerClientCredentials({ issuer, clientId: "re ports", clientSecret, ...changes } as never))

const pending = (...errors: ReadonlyArray<string>) => (times: number): AuthorizationServer.HttpResponse =>
  times < errors.length
    ? [400, { error: errors[times] }]
    : [200, { access_token: "token-x", token_type: "Bearer", expires_in: 300 }]

describe("OAuthFlow.layerDevice", () => {
  it.effect("prompts the user and polls for the token", () =>
    Effect.gen(function*() {
      const invitations: Array<OAuthFlow.VerificationPrompt> = []
      const { asked, results } = yield* ask({
        answers: { [urls.token]: pending("authorization_pending", "authorization_pending") },
        tokens: device({ prompt: (invitation) => Effect.sync(() => invitations.push(invitation)) })
      }, discovery)
      assert.deepStrictEqual(results, ["token-x"])
      assert.deepStrictEqual(invitations, [{
        verificationUri: `${issuer}/go`,
        verificationUriComplete: `${issuer}/go?code=ABCD-EFGH`,
        userCode: "ABCD-EFGH",
        lifetime: 60_000
      }])
      const request = { authorization: undefined, url: urls.token }
      const form = {
        client_id: "reports",
        device_code: "device-code",
        grant_type: "urn:ietf:params:oauth:grant-type:device_code"
      }
      assert.deepStrictEqual(asked, [
        { url: urls.document, authorization: undefined, form: {} },
        { url: urls.page, authorization: undefined, form: { client_id: "reports", scope: "openid db" } },
        { ...request, form },
        { ...request, form },
        { ...request, form }
      ])
    }))

  it.effect("polls at the interval that the server allows", () =>
    Effect.gen(function*() {
      const context = yield* Layer.build(device()({ [urls.token]: pending("authorization_pending", "slow_down") }))
      const provider = Context.get(context, OAuthBearer.TokenProvider)
      const server = Context.get(context, AuthorizationServer.AuthorizationServer)
      const token = yield* Effect.forkChild(provider.token(discovery), { startImmediately: true })
      const counts: Array<number> = []
      for (let second = 0; second <= 12; second++) {
        // The server's answers take turns of the event loop, but no time.
        for (let turn = 0; turn < 5; turn++) {
          yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
        }
        counts.push((yield* server.requests).filter(({ url }) => url === urls.token).length)
        yield* TestClock.adjust("1 second")
      }
      assert.deepStrictEqual(counts, [0, 0, 1, 1, 2, 2, 2, 2, 2, 2, 2, 3, 3])
      assert.isDefined(yield* Fiber.join(token))
    }))

  const ends = (what: string, answers: Answers, problem: string): void =>
    it.effect(`stops polling if ${what}`, () =>
      Effect.gen(function*() {
        const { results } = yield* ask({ answers, tokens: device() }, discovery)
        assert.deepStrictEqual(results, [problem])
      }))
  const always = (...answer: AuthorizationServer.HttpResponse) => () => answer
  const code = { device_code: "device-code", user_code: "X", verification_uri: `${issuer}/go` }

  ends(
    "access is denied",
    { [urls.token]: pending("authorization_pending", "access_denied") },
    "the authorization server refuses a token (access_denied)"
  )
  ends(
    "the code has expired",
    { [urls.token]: pending("expired_token") },
    "the authorization server refuses a token (expired_token)"
  )
  ends(
    "the user does not answer in time",
    { [urls.token]: always(400, { error: "authorization_pending" }) },
    "the user has not agreed in time"
  )
  ends(
    "there is no page",
    { [urls.document]: always(200, { issuer, token_endpoint: urls.token }) },
    `${issuer} has no page on which a user can authorize a token`
  )
  ends(
    "no code is issued",
    { [urls.page]: always(401, { error: "invalid_client" }) },
    "the authorization server has no code for us (invalid_client)"
  )
  ends(
    "the code is invalid",
    { [urls.page]: always(200, { ...code, expires_in: -1 }) },
    "the code of the authorization server is malformed"
  )
  for (
    const address of [
      "javascript:alert(1)",
      "http://id.example/go",
      "https://id.example@evil.example/go",
      "https://id.example/\u001b]0;x\u0007",
      "https://id.example/\u009b31m",
      "https://id.example/ x",
      "https://\u0456d.example/go",
      "https:\\\\evil.example",
      "id.example/go"
    ]
  ) {
    for (const place of ["verification_uri", "verification_uri_complete"]) {
      ends(
        `${place} is ${JSON.stringify(address)}`,
        { [urls.page]: always(200, { ...code, expires_in: 60, [place]: address }) },
        "the code of the authorization server is malformed"
      )
    }
    for (const place of ["token_endpoint", "device_authorization_endpoint"]) {
      ends(
        `${place} is ${JSON.stringify(address)}`,
        { [urls.document]: always(200, { ...document, [place]: address }) },
        "the document of the authorization server is malformed"
      )
    }
  }
  ends(
    "the code contains control characters",
    { [urls.page]: always(200, { ...code, expires_in: 60, user_code: "A\u001b[2J" }) },
    "the code of the authorization server is malformed"
  )
  ends(
    "the token has another type",
    { [urls.token]: always(200, { access_token: "token-x", token_type: "mac" }) },
    "the token of the authorization server is not a bearer token"
  )
  ends(
    "the error code is not printable",
    { [urls.token]: always(400, { error: "token-x\nleaked" }) },
    "the authorization server refuses a token (400)"
  )
  ends(
    "the server does not answer",
    { [urls.page]: () => undefined },
    "a code cannot be had from the authorization server"
  )
})

describe("OAuthFlow.layerClientCredentials", () => {
  it.effect("authenticates with the secret only", () =>
    Effect.gen(function*() {
      const { asked, results } = yield* ask({ tokens: credentials({ scope: "mine" }) }, discovery)
      assert.deepStrictEqual(results, ["token-1"])
      const basic = Buffer.from("re%20ports:cl1ent%20secret").toString("base64")
      assert.deepStrictEqual(asked[1], {
        url: urls.token,
        authorization: `Basic ${basic}`,
        form: { client_id: "re ports", grant_type: "client_credentials", scope: "mine" }
      })
    }))

  it.effect("reports that the client is unknown", () =>
    Effect.gen(function*() {
      const answers: Answers = { [urls.token]: () => [401, { error: "invalid_client" }] }
      const { results } = yield* ask({ answers, tokens: credentials() }, discovery)
      assert.deepStrictEqual(results, ["the authorization server refuses a token (invalid_client)"])
    }))
})

describe("OAuthFlow > token", () => {
  it.effect("is not fetched before a server requests one", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* ask({ tokens: credentials() }, undefined), { results: [undefined], asked: [] })
    }))

  it.effect("is cached until it is refused or has expired", () =>
    Effect.gen(function*() {
      const { results } = yield* ask({ tokens: credentials() }, discovery, undefined, undefined, discovery, undefined)
      assert.deepStrictEqual(results, ["token-1", "token-1", "token-1", "token-2", "token-2"])
      const provider = Context.get(yield* Layer.build(credentials()({})), OAuthBearer.TokenProvider)
      assert.isDefined(yield* provider.token(discovery))
      yield* TestClock.adjust("4 minutes")
      assert.isDefined(yield* provider.token(undefined))
      yield* TestClock.adjust("55 seconds")
      assert.isUndefined(yield* provider.token(undefined))
    }))

  it.effect("is fetched once for all concurrent callers", () =>
    Effect.gen(function*() {
      const context = yield* Layer.build(credentials()({}))
      const provider = Context.get(context, OAuthBearer.TokenProvider)
      const server = Context.get(context, AuthorizationServer.AuthorizationServer)
      const all = (refused: Redacted.Redacted<string> | undefined) =>
        Effect.all(Array.from({ length: 10 }, () => provider.token(discovery, refused)), { concurrency: "unbounded" })
      const expected = ["token-1", "token-2"]
      let refused: Redacted.Redacted<string> | undefined
      for (const [i, token] of expected.entries()) {
        // Later callers have been refused the same one.
        const found = [...yield* all(refused), ...yield* all(refused)]
        assert.deepStrictEqual(new Set(found.map((token) => token && Redacted.value(token))), new Set([token]))
        const asked = yield* server.requests
        assert.strictEqual(asked.filter(({ url }) => url === urls.token).length, i + 1)
        refused = found[0]
      }
    }))
})

describe("OAuthFlow > metadata document", () => {
  it.effect("is fetched from each of the locations of OpenID and RFC 8414", () =>
    Effect.gen(function*() {
      for (
        const url of [
          urls.document,
          `${issuer}/.well-known/oauth-authorization-server`,
          "https://id.example/.well-known/oauth-authorization-server/tenant",
          "https://id.example/.well-known/openid-configuration/tenant"
        ]
      ) {
        const answers: Answers = { [url]: () => [200, document] }
        const { results } = yield* ask({ answers, tokens: credentials() }, { discoveryUrl: url, scope: undefined })
        assert.deepStrictEqual(results, ["token-1"])
      }
    }))

  it.effect("is fetched from the issuer if the server does not name its location", () =>
    Effect.gen(function*() {
      const nowhere = { discoveryUrl: undefined, scope: undefined }
      const { asked, results } = yield* ask({ tokens: credentials() }, nowhere)
      assert.deepStrictEqual(results, ["token-1"])
      assert.strictEqual(asked[0]?.url, urls.document)
    }))

  it.effect("is not fetched from an untrusted location", () =>
    Effect.gen(function*() {
      for (
        const url of [
          "https://evil.example/tenant/.well-known/openid-configuration",
          "https://id.example/other/.well-known/openid-configuration",
          `${issuer}/.well-known/openid-configuration/x`,
          issuer
        ]
      ) {
        assert.deepStrictEqual(yield* ask({ tokens: credentials() }, { discoveryUrl: url, scope: undefined }), {
          results: [`the server has its tokens from ${url}, and ${issuer} is the one to trust`],
          asked: []
        })
      }
    }))

  const refused = (what: string, answer: AuthorizationServer.HttpResponse, problem: string): void =>
    it.effect(`is rejected if it ${what}`, () =>
      Effect.gen(function*() {
        const answers: Answers = { [urls.document]: () => answer }
        const { asked, results } = yield* ask({ answers, tokens: credentials() }, discovery)
        assert.deepStrictEqual(results, [problem])
        assert.strictEqual(asked.length, 1)
      }))
  const malformed = "the document of the authorization server is malformed"

  refused(
    "belongs to another issuer",
    [200, { ...document, issuer: "https://evil.example" }],
    `the document at ${urls.document} is that of another issuer`
  )
  refused("does not exist", [404, "no"], `there is no document at ${urls.document} (404)`)
  refused("is not JSON", [200, "<html>"], malformed)
  refused("is empty", [200, ""], malformed)
  refused("is too long", [200, " ".repeat(300_000)], "the document cannot be had from the authorization server")
  refused(
    "contains an insecure address",
    [200, { ...document, token_endpoint: "http://id.example/token" }],
    malformed
  )

  it.effect("is not fetched from an insecure issuer", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* ask({ tokens: credentials({ issuer: "http://id.example" }) }, discovery), {
        results: ["the issuer is not an address of https://"],
        asked: []
      })
    }))
})

describe("OAuthFlow > provider failures", () => {
  it.effect("can be reported by an AuthError", () =>
    Effect.gen(function*() {
      const context = yield* Layer.build(credentials()({ [urls.token]: () => [500, "oops"] }))
      const error = yield* Effect.flip(Context.get(context, OAuthBearer.TokenProvider).token(discovery))
      assert.strictEqual(
        AuthError.fromReason(error).message,
        "could not obtain an OAuth token: the authorization server refuses a token (500)"
      )
    }))
})
