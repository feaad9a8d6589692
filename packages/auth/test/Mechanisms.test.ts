/** Laws that hold for every mechanism of the table, on both halves, and for everything that is not in it. */
import { assert, describe, it } from "@effect/vitest"
import { Account, Authenticate, Policy, RequireAuth, ScramVerifier } from "@hyperfect/auth"
import type { AuthError, Login } from "@hyperfect/auth"
import { mechanisms } from "@hyperfect/auth/mechanisms/table"
import { Backend } from "@hyperfect/protocol"
import { InMemory, MessageChannel } from "@hyperfect/transport"
import { Effect, Exit, Redacted, Result } from "effect"
import { converse, failureOf, reasonOf, secret } from "./conversation.ts"

const password = Redacted.make(secret)
const anywhere: Policy.Policy = { allowCleartextWithoutTls: true, allowMd5WithoutTls: true }

interface Case {
  readonly login: Login.Login
  /** `undefined` if the mechanism has no server's half. */
  readonly account: Effect.Effect<Account.Account, AuthError.AuthError, Authenticate.Services> | undefined
}

const token = Uint8Array.of(7)
const gss: Login.Login = { user: "app", gss: () => Effect.succeed(() => Effect.succeed({ token, isComplete: true })) }

const cases: Readonly<Record<Policy.Method, Case>> = {
  trust: { login: { user: "app" }, account: Effect.succeed(Account.trust) },
  password: { login: { user: "app", password }, account: Effect.succeed(Account.password(password)) },
  md5: { login: { user: "app", password }, account: Effect.succeed(Account.password(password, "md5")) },
  gss: { login: gss, account: undefined },
  sspi: { login: gss, account: undefined },
  oauth: {
    login: { user: "app", token: password },
    account: Effect.succeed(Account.oauth({
      verify: (token) => Effect.succeed(Redacted.value(token) === secret),
      discoveryUrl: "https://issuer.example.org/.well-known/openid-configuration",
      scope: "db"
    }))
  },
  "scram-sha-256": {
    login: { user: "app", password },
    account: Effect.map(ScramVerifier.make(password), Account.scramSha256)
  }
}

/** Our server's half, or a server that accepts any token of a mechanism that has none. */
const serve = (name: Policy.Method) => (channel: MessageChannel.Server) =>
  Effect.gen(function*() {
    const { account } = cases[name]
    if (account !== undefined) {
      const found = yield* Effect.orDie(account)
      yield* Authenticate.server(channel, { account: () => Effect.succeed(found) })
      return
    }
    yield* channel.receive
    channel.phase = "gss"
    yield* channel.send({ _tag: name === "gss" ? "AuthenticationGSS" : "AuthenticationSSPI" })
    yield* channel.receive
    yield* channel.send({ _tag: "AuthenticationOk" }, { _tag: "ReadyForQuery", status: "I" })
  })

/** A server that makes one request, given as bytes. */
const requesting = (bytes: Uint8Array) => (channel: MessageChannel.Server, line: InMemory.InMemoryConnection) =>
  Effect.gen(function*() {
    yield* channel.receive
    yield* line.write(bytes)
    return yield* channel.receive
  })

const message = (text: string, ...codes: ReadonlyArray<number>): Uint8Array => {
  const body = Buffer.concat([Buffer.from(codes), Buffer.from(text, "latin1")])
  const head = Buffer.alloc(5, "R")
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

describe("Mechanisms", () => {
  for (const { exposes, name, requireAuth } of mechanisms) {
    const { account, login } = cases[name]

    it.effect(`${name} logs in if it is the only allowed method`, () =>
      Effect.gen(function*() {
        const { exit, played } = yield* converse(serve(name), { login, policy: { ...anywhere, methods: [name] } })
        assert(Exit.isSuccess(exit) && Exit.isSuccess(played))
        assert.deepStrictEqual([exit.value.method, exit.value.channelBound], [name, false])
      }))

    it.effect(`${name} is refused by a policy without it`, () =>
      Effect.gen(function*() {
        const methods = Result.getOrThrow(RequireAuth.parse(`!${requireAuth}`))!
        assert.notInclude(methods, name)
        for (const list of [methods, []]) {
          const { exit, wroteSecret } = yield* converse(serve(name), { login, policy: { ...anywhere, methods: list } })
          const reason = reasonOf(exit)
          assert(reason._tag === "MethodRefused")
          assert.deepStrictEqual([reason.method, reason.rule], [name, "method"])
          assert.isFalse(wroteSecret)
        }
      }))

    it.effect(`${name} is refused without TLS if it exposes a secret`, () =>
      Effect.gen(function*() {
        const { exit, wroteSecret } = yield* converse(serve(name), { login })
        assert.strictEqual(Exit.isFailure(exit), exposes !== "nothing")
        if (exposes !== "nothing") assert.strictEqual(reasonOf(exit)._tag, "MethodRefused")
        assert.isFalse(wroteSecret)
      }))

    it.effect(`${name} is refused if channel binding is required`, () =>
      Effect.gen(function*() {
        const { exit, written } = yield* converse(serve(name), { login, policy: { channelBinding: "require" } })
        assert.strictEqual(reasonOf(exit)._tag, "ChannelBindingUnavailable")
        assert.strictEqual(written.length, 0)
      }))

    if (account === undefined) {
      it.effect(`${name} is refused as the method of an account`, () =>
        Effect.gen(function*() {
          const account = { method: name } as unknown as Account.Account
          const { exit } = yield* converse(
            (channel) => Authenticate.server(channel, { account: () => Effect.succeed(account) }),
            { login }
          )
          const reason = reasonOf(exit)
          assert(reason._tag === "Rejected")
          assert.strictEqual(reason.sqlState, "28000")
        }))
    }
  }

  it("have names of their own", () => {
    for (
      const names of [
        mechanisms.map(({ name }) => name),
        mechanisms.map(({ requireAuth }) => requireAuth),
        mechanisms.flatMap(({ sasl }) => sasl)
      ]
    ) {
      assert.strictEqual(new Set<string>(names).size, names.length)
    }
    assert.deepStrictEqual(mechanisms.map(({ name }) => name), Policy.methods)
  })
})

describe("Mechanisms > not in the table", () => {
  const login: Login.Login = { ...gss, password, token: password }

  it.effect("refuses any other code of a request, and sends nothing", () =>
    Effect.gen(function*() {
      const requests = mechanisms.map(({ request }) =>
        Backend.messages.find(({ definition }) => definition.name === request)!.definition.code
      )
      const codes = [...Array.from({ length: 32 }, (_, i) => i), 127, 128, 255]
      for (const code of codes.filter((code) => !requests.includes(code))) {
        for (const bytes of [message("", 0, 0, 0, code), message("SCRAM-SHA-256\0\0", code, 0, 0, code)]) {
          const { exit, played, wroteSecret } = yield* converse(requesting(bytes), { login, policy: anywhere })
          const failure = failureOf(exit)
          // Kerberos V5 has a message, and no mechanism.
          if (failure._tag === "AuthError") {
            assert.deepStrictEqual([failure.reason._tag, code], ["MethodUnsupported", 2])
          } else assert.strictEqual(failure._tag, "ProtocolError")
          assert.isFalse(wroteSecret)
          assert.isTrue(Exit.isFailure(played), "nothing was sent")
        }
      }
    }))

  it.effect("refuses any other name of a SASL mechanism, and sends nothing", () =>
    Effect.gen(function*() {
      for (const name of ["scram-sha-256", "SCRAM-SHA-512", "PLAIN", "EXTERNAL", "toString", "OAUTHBEARER "]) {
        const bytes = message(`${name}\0\0`, 0, 0, 0, 10)
        const { exit, played } = yield* converse(requesting(bytes), { login, policy: anywhere })
        const reason = reasonOf(exit)
        assert(reason._tag === "MethodUnsupported")
        assert.deepStrictEqual(reason.offered, [name])
        assert.isTrue(Exit.isFailure(played), "nothing was sent")
      }
    }))

  const answerWith = (mechanism: string, name: Policy.Method) =>
    Effect.gen(function*() {
      const pair = yield* InMemory.pair()
      const client = MessageChannel.client(pair.client)
      yield* Effect.forkChild(Effect.gen(function*() {
        yield* client.send({
          _tag: "StartupMessage",
          protocolVersion: 196608,
          parameters: [{ name: "user", value: "app" }]
        })
        yield* client.receive
        yield* client.send({ _tag: "SASLInitialResponse", mechanism, data: new Uint8Array(0) })
      }))
      return yield* Effect.exit(serve(name)(MessageChannel.server(pair.server)))
    }).pipe(Effect.scoped, Effect.provide(Authenticate.layerCrypto))

  for (const { name, sasl } of mechanisms.filter(({ sasl }) => sasl.length > 0)) {
    it.effect(`a client that selects another mechanism is refused by the server's half of ${name}`, () =>
      Effect.gen(function*() {
        for (const mechanism of ["SCRAM-SHA-512", "", sasl[0]!.toLowerCase()]) {
          assert.strictEqual(reasonOf(yield* answerWith(mechanism, name))._tag, "MechanismMalformed")
        }
      }))
  }
})
