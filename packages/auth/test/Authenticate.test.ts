import { assert, describe, it } from "@effect/vitest"
import { Account, Authenticate, ScramVerifier } from "@hyperfect/auth"
import type { AuthError, Login, Policy } from "@hyperfect/auth"
import type { Backend } from "@hyperfect/protocol"
import type { MessageChannel } from "@hyperfect/transport"
import { Data, Effect, Exit, Layer, Redacted } from "effect"
import { CryptoError, Kdf } from "effect/crypto"
import { converse, failureOf, reasonOf, secret } from "./conversation.ts"

const password = Redacted.make(secret)
const login: Login.Login = { user: "app", password, database: "shop" }

const verifier = ScramVerifier.make(password, { salt: Uint8Array.from(Buffer.from("0123456789abcdef")) })

type TestedMethod = Exclude<Policy.Method, "gss" | "oauth" | "sspi">

const accounts: Readonly<
  Record<TestedMethod, Effect.Effect<Account.Account, AuthError.AuthError, Authenticate.Services>>
> = {
  trust: Effect.succeed(Account.trust),
  password: Effect.succeed(Account.password(password)),
  md5: Effect.succeed(Account.password(password, "md5")),
  "scram-sha-256": Effect.map(verifier, Account.scramSha256)
}

const methods = ["trust", "password", "md5", "scram-sha-256"] as const

const parameters = { server_version: "18.0", client_encoding: "UTF8" }

const serving = (method: TestedMethod, options?: Partial<Authenticate.ServerOptions<never, never>>) =>
(
  channel: MessageChannel.Server
) =>
  Effect.flatMap(
    Effect.orDie(accounts[method]),
    (account) => Authenticate.server(channel, { account: () => Effect.succeed(account), parameters, ...options })
  )

const anywhere: Policy.Policy = { allowCleartextWithoutTls: true, allowMd5WithoutTls: true }

describe("Authenticate.client and Authenticate.server", () => {
  for (const method of methods) {
    it.effect(`log in with ${method}`, () =>
      Effect.gen(function*() {
        const { exit, played, wroteSecret } = yield* converse(serving(method), { login, policy: anywhere })
        assert(Exit.isSuccess(exit) && Exit.isSuccess(played) && played.value._tag === "Client")
        assert.strictEqual(exit.value.method, method)
        assert.strictEqual(played.value.method, method)
        assert.deepStrictEqual(Object.fromEntries(exit.value.parameters), parameters)
        assert.strictEqual(exit.value.status, "I")
        assert.deepStrictEqual(exit.value.key, played.value.key)
        assert.strictEqual(played.value.startup.user, "app")
        assert.strictEqual(played.value.startup.database, "shop")
        assert.strictEqual(wroteSecret, method === "password")
      }))

    it.effect(`log in with ${method} one byte at a time`, () =>
      Effect.gen(function*() {
        const { exit } = yield* converse(serving(method), { login, policy: anywhere, line: { capacity: 1 } })
        assert(Exit.isSuccess(exit))
        assert.strictEqual(exit.value.method, method)
      }))
  }

  for (const method of methods.slice(1)) {
    it.effect(`fail to log in with ${method} and a wrong password`, () =>
      Effect.gen(function*() {
        const wrong = { ...login, password: Redacted.make(`${secret}!`) }
        const { exit, played } = yield* converse(serving(method), { login: wrong, policy: anywhere })
        for (const reason of [reasonOf(exit), reasonOf(played)]) {
          assert(reason._tag === "Rejected")
          assert.strictEqual(reason.sqlState, "28P01")
          assert.strictEqual(reason.text, "password authentication failed for user \"app\"")
        }
      }))
  }

  it.effect("agree on a non-ASCII password, however it was typed", () =>
    Effect.gen(function*() {
      const stored = Redacted.make("caf\u00e9 \u2168")
      const typed = Redacted.make("cafe\u0301\u00a0IX")
      const account = Effect.map(Effect.orDie(ScramVerifier.make(stored)), Account.scramSha256)
      const { exit } = yield* converse(
        (channel) =>
          Effect.flatMap(
            account,
            (account) => Authenticate.server(channel, { account: () => Effect.succeed(account) })
          ),
        { login: { user: "app", password: typed } }
      )
      assert(Exit.isSuccess(exit))
    }))

  it.effect("agree on a password that only one of them would normalize, if configured so", () =>
    Effect.gen(function*() {
      const numeral = Redacted.make("\u2168\u00ad")
      const account = Effect.map(
        Effect.orDie(ScramVerifier.make(numeral, { saslPrep: "mapping" })),
        Account.scramSha256
      )
      const server = (channel: MessageChannel.Server) =>
        Effect.flatMap(account, (account) => Authenticate.server(channel, { account: () => Effect.succeed(account) }))
      const mapping = yield* converse(server, { login: { user: "app", password: numeral, saslPrep: "mapping" } })
      assert(Exit.isSuccess(mapping.exit))
      const full = yield* converse(server, { login: { user: "app", password: numeral } })
      assert.strictEqual(reasonOf(full.exit)._tag, "Rejected")
    }))
})

describe("Authenticate.client", () => {
  const trusting = serving("trust")

  it.effect("sends the database and further parameters after the user, in order", () =>
    Effect.gen(function*() {
      const parameters = { application_name: "caf\u00e9", options: "-c a=b" }
      const { played } = yield* converse(trusting, { login: { user: "app", database: "shop", parameters } })
      assert(Exit.isSuccess(played) && played.value._tag === "Client")
      assert.deepStrictEqual(Array.from(played.value.startup.parameters), [
        ["user", "app"],
        ["database", "shop"],
        ["application_name", "caf\u00e9"],
        ["options", "-c a=b"]
      ])
      assert.deepStrictEqual(played.value.startup.version, [3, 0])
    }))

  it.effect("omits a database that was not given", () =>
    Effect.gen(function*() {
      const { played } = yield* converse(trusting, { login: { user: "app" } })
      assert(Exit.isSuccess(played) && played.value._tag === "Client")
      assert.deepStrictEqual(Array.from(played.value.startup.parameters), [["user", "app"]])
    }))

  for (
    const [what, bad] of [
      ["a user with a NUL", { user: "a\0b" }],
      ["a user with an unpaired surrogate", { user: "a\ud800" }],
      ["a database with a NUL", { user: "a", database: "a\0b" }],
      ["a parameter without a name", { user: "a", parameters: { "": "x" } }],
      ["a second user among the parameters", { user: "a", parameters: { user: "b" } }],
      ["a second database among the parameters", { user: "a", parameters: { database: "b" } }],
      ["more than a server reads", { user: "a", parameters: { options: "x".repeat(10_000) } }]
    ] as const
  ) {
    it.effect(`sends nothing for ${what}`, () =>
      Effect.gen(function*() {
        const { exit, written } = yield* converse((channel) => channel.receive, { login: bad })
        assert.strictEqual(failureOf(exit)._tag, "ProtocolError")
        assert.strictEqual(written.length, 0)
      }))
  }

  it.effect("fetches the password only if it is requested", () =>
    Effect.gen(function*() {
      let fetched = 0
      const fetching = { user: "app", password: Effect.sync(() => (fetched++, password)) }
      yield* converse(trusting, { login: fetching })
      assert.strictEqual(fetched, 0)
      const { exit } = yield* converse(serving("scram-sha-256"), { login: fetching })
      assert(Exit.isSuccess(exit))
      assert.strictEqual(fetched, 1)
    }))

  it.effect("derives the keys of a password once per salt and iteration count", () =>
    Effect.gen(function*() {
      let derivations = 0
      const counted = Layer.effect(
        Kdf.Kdf,
        Effect.map(Kdf.Kdf, ({ derive }) => ({
          derive: (...args: Parameters<typeof derive>) => Effect.suspend(() => (derivations++, derive(...args)))
        }))
      )
      const crypto = Layer.provideMerge(counted, Authenticate.layerCrypto)
      const making = (salt: string, iterations: number) =>
        Effect.map(
          ScramVerifier.make(password, { salt: Uint8Array.from(Buffer.from(salt)), iterations }),
          Account.scramSha256
        )
      const [first, saltier, ...others] = yield* Effect.all(
        ["0123456789abcdef", "fedcba9876543210", "salt 1", "salt 2", "salt 3", "salt 4"].map((salt) =>
          making(salt, 4096)
        )
      ).pipe(Effect.provide(Authenticate.layerCrypto))
      const slower = yield* Effect.provide(making("0123456789abcdef", 5000), Authenticate.layerCrypto)
      const logIn = (account: Account.Account, login: Login.Login, isLetIn = true) =>
        Effect.gen(function*() {
          const before = derivations
          const serve = (channel: MessageChannel.Server) =>
            Authenticate.server(channel, { account: () => Effect.succeed(account), parameters })
          const { exit } = yield* converse(serve, { login, crypto })
          assert.strictEqual(Exit.isSuccess(exit), isLetIn)
          return derivations - before
        })
      const again = { ...login, password: Redacted.make(secret) }
      assert.strictEqual(yield* logIn(first!, again), 1)
      assert.strictEqual(yield* logIn(first!, again), 0)
      assert.strictEqual(yield* logIn(saltier!, again), 1)
      assert.strictEqual(yield* logIn(slower, again), 1)
      assert.strictEqual(yield* logIn(first!, again), 0)
      // Another object is another password with a possibly different value; so is the same object with another
      // preparation.
      assert.strictEqual(yield* logIn(first!, { ...login, password: Redacted.make("wrong") }, false), 1)
      assert.strictEqual(yield* logIn(first!, { ...login, password: Redacted.make(secret) }), 1)
      assert.strictEqual(yield* logIn(first!, { ...again, saslPrep: "mapping" }), 1)
      // A server that invents salts only causes evictions.
      for (const other of others) assert.strictEqual(yield* logIn(other, again), 1)
      assert.strictEqual(yield* logIn(first!, again), 1)
      assert.strictEqual(yield* logIn(others.at(-1)!, again), 0)
    }))

  it.effect("passes on the failure of the password effect", () =>
    Effect.gen(function*() {
      class VaultSealed extends Data.TaggedError("VaultSealed")<{}> {}
      const { exit } = yield* converse(serving("md5"), {
        login: { user: "app", password: new VaultSealed() },
        policy: anywhere
      })
      assert.strictEqual(failureOf(exit)._tag, "VaultSealed")
    }))

  for (const method of methods.slice(1)) {
    for (const [what, none] of [["no", undefined], ["an empty", Redacted.make("")]] as const) {
      it.effect(`reports that there is ${what} password for ${method}`, () =>
        Effect.gen(function*() {
          const { exit } = yield* converse(serving(method), {
            login: { user: "app", password: none },
            policy: anywhere
          })
          const reason = reasonOf(exit)
          assert(reason._tag === "PasswordMissing")
          assert.strictEqual(reason.method, method)
          assert.strictEqual(reason.user, "app")
        }))
    }

    it.effect(`reports a password that is not a Redacted string for ${method}, without printing it`, () =>
      Effect.gen(function*() {
        const wiped = Redacted.make(secret)
        Redacted.wipeUnsafe(wiped)
        const forged = JSON.parse(`{ "~effect/Redacted": {}, "label": "${secret}" }`)
        for (const password of [secret, Effect.succeed(secret), wiped, { secret }, forged]) {
          const { exit } = yield* converse(serving(method), {
            login: { user: "app", password: password as never },
            policy: anywhere
          })
          assert.strictEqual(reasonOf(exit)._tag, "PasswordInvalid")
          assert.notInclude(`${JSON.stringify(exit)} ${String(exit)}`, secret)
        }
      }))

    it.effect(`reports a password with a NUL for ${method}`, () =>
      Effect.gen(function*() {
        const broken = { user: "app", password: Redacted.make(`${secret}\0`) }
        const { exit } = yield* converse(serving(method), { login: broken, policy: anywhere })
        assert.strictEqual(reasonOf(exit)._tag, "PasswordInvalid")
      }))
  }

  it.effect("reports a runtime that lacks a required algorithm", () =>
    Effect.gen(function*() {
      const reason = new CryptoError.Unsupported({ description: "no PBKDF2 here" })
      const broken = Layer.succeed(Kdf.Kdf, {
        derive: () => Effect.fail(new CryptoError.CryptoError({ module: "Kdf", method: "derive", reason }))
      })
      const error = yield* Effect.flip(ScramVerifier.make(password).pipe(Effect.provide(broken)))
      assert.strictEqual(error.reason._tag, "CryptoFailed")
      assert.strictEqual(error.message, "the runtime cannot compute what the authentication method needs")
    }).pipe(Effect.provide(Authenticate.layerCrypto)))

  it.effect("keeps the notices received at any point", () =>
    Effect.gen(function*() {
      const notice = (text: string): Backend.NoticeResponse => ({
        _tag: "NoticeResponse",
        fields: [{ code: "S", value: "NOTICE" }, { code: "M", value: text }]
      })
      const { exit } = yield* converse((channel) =>
        Effect.gen(function*() {
          yield* channel.receive
          yield* channel.send(notice("before"), { _tag: "AuthenticationOk" }, notice("within"), {
            _tag: "ReadyForQuery",
            status: "I"
          })
        }), { login })
      assert(Exit.isSuccess(exit))
      assert.deepStrictEqual(exit.value.notices, [notice("before"), notice("within")])
      assert.isUndefined(exit.value.key)
    }))

  it.effect("returns the protocol options that the server does not know", () =>
    Effect.gen(function*() {
      const asking = { user: "app", parameters: { "_pq_.speed": "9", application_name: "x" } }
      const { exit } = yield* converse(trusting, { login: asking })
      assert(Exit.isSuccess(exit))
      assert.deepStrictEqual(exit.value.unrecognizedOptions, ["_pq_.speed"])
    }))
})

describe("Authenticate.client > ErrorResponse", () => {
  const refusing = (sqlState: string) => (channel: MessageChannel.Server) =>
    Effect.andThen(
      channel.receive,
      channel.send({
        _tag: "ErrorResponse",
        fields: [
          { code: "S", value: "FATAL" },
          { code: "C", value: sqlState },
          { code: "M", value: "no" },
          { code: "H", value: "a hint" }
        ]
      })
    )

  for (
    const [sqlState, isRetryable] of [
      ["28P01", false],
      ["28000", false],
      ["42501", false],
      ["08000", false],
      ["0A000", false],
      ["53300", true],
      ["57P01", true],
      ["57P03", true],
      ["57P04", false]
    ] as const
  ) {
    it.effect(`is ${isRetryable ? "retryable" : "not retryable"} with SQLSTATE ${sqlState}`, () =>
      Effect.gen(function*() {
        const { exit } = yield* converse(refusing(sqlState), { login })
        const failure = failureOf(exit)
        assert(failure._tag === "AuthError" && failure.reason._tag === "Rejected")
        assert.strictEqual(failure.reason.sqlState, sqlState)
        assert.strictEqual(failure.reason.fields.length, 4)
        assert.strictEqual(failure.isRetryable, isRetryable)
      }))
  }

  for (const sqlState of ["3D000", "58S01"]) {
    it.effect(`becomes DatabaseMissing with SQLSTATE ${sqlState}`, () =>
      Effect.gen(function*() {
        const { exit } = yield* converse(refusing(sqlState), { login })
        const reason = reasonOf(exit)
        assert(reason._tag === "DatabaseMissing")
        assert.strictEqual(reason.database, "shop")
        assert.strictEqual(
          reason.message,
          `the server has no database "shop": no (${sqlState}); create it, or check its name`
        )
      }))
  }

  it.effect("may have no fields", () =>
    Effect.gen(function*() {
      const { exit } = yield* converse(
        (channel) => Effect.andThen(channel.receive, channel.send({ _tag: "ErrorResponse", fields: [] })),
        { login }
      )
      assert.strictEqual(reasonOf(exit).message, "the server refused \"app\": no message")
    }))
})
