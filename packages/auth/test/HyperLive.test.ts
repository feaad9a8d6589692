import { assert, layer } from "@effect/vitest"
import { Hyperd } from "@hyperfect/hyper"
import { NodePlatform } from "@hyperfect/node"
import { HyperdServer } from "@hyperfect/testing"
import { Effect, Layer, Redacted } from "effect"
import { secret } from "./conversation.ts"
import { open, refusal, value } from "./live.ts"

const password = Redacted.make(secret)

const start = (options: HyperdServer.Options) =>
  Layer.fresh(HyperdServer.layer(options)).pipe(Layer.provideMerge(NodePlatform.layer))

layer(start({ password, user: "admin" }), { excludeTestServices: true })("a log-in to Hyper by password", (it) => {
  it.effect("succeeds with scram-sha-256", () =>
    Effect.gen(function*() {
      const { endpoint } = yield* Hyperd.Hyperd
      const parameters = { application_name: "caf\u00e9" }
      const { channel, session } = yield* open(endpoint, { user: "admin", password, parameters })
      assert.strictEqual(session.method, "scram-sha-256")
      assert.strictEqual(session.status, "I")
      assert.isTrue(session.parameters.has("hyper_version"))
      assert.strictEqual(session.parameters.get("application_name"), "caf\u00e9")
      assert.strictEqual(session.key?.secretKey.length, 4)
      assert.strictEqual(yield* value(channel, "select 1 + 1"), "2")
    }))

  it.effect("fails when the password is wrong", () =>
    Effect.gen(function*() {
      const { endpoint } = yield* Hyperd.Hyperd
      const reason = yield* refusal(endpoint, { user: "admin", password: Redacted.make("wrong") })
      assert(reason._tag === "Rejected")
      assert.strictEqual(reason.sqlState, "42501")
      assert.strictEqual(reason.text, "unable to connect as 'admin'")
    }))

  it.effect("fails without a password", () =>
    Effect.gen(function*() {
      const { endpoint } = yield* Hyperd.Hyperd
      const reason = yield* refusal(endpoint, { user: "admin" })
      assert(reason._tag === "PasswordMissing")
      assert.strictEqual(reason.method, "scram-sha-256")
    }))

  for (const user of ["ghost", "Admin", ""]) {
    it.effect(`is refused a user whom nobody knows: ${JSON.stringify(user)}`, () =>
      Effect.gen(function*() {
        const { endpoint } = yield* Hyperd.Hyperd
        const reason = yield* refusal(endpoint, { user, password })
        assert(reason._tag === "Rejected")
        assert.strictEqual(reason.sqlState, "42501")
      }))
  }

  it.effect("is refused a database whose file does not exist", () =>
    Effect.gen(function*() {
      const { endpoint } = yield* Hyperd.Hyperd
      const reason = yield* refusal(endpoint, { user: "admin", password, database: "nowhere.hyper" })
      assert(reason._tag === "DatabaseMissing")
      assert.strictEqual(reason.sqlState, "58S01")
      assert.strictEqual(reason.database, "nowhere.hyper")
    }))

  it.effect("is refused a setting that does not exist", () =>
    Effect.gen(function*() {
      const { endpoint } = yield* Hyperd.Hyperd
      const login = { user: "admin", password, parameters: { options: "-c no_such_setting=1" } }
      const reason = yield* refusal(endpoint, login)
      assert(reason._tag === "Rejected")
      assert.strictEqual(reason.sqlState, "42601")
    }))

  it.effect("says what may be wrong when the server hangs up over a packet that is too long", () =>
    Effect.gen(function*() {
      const { endpoint } = yield* Hyperd.Hyperd
      const login = { user: "admin", password, parameters: { application_name: "x".repeat(4096) } }
      const reason = yield* refusal(endpoint, login)
      assert(reason._tag === "ServerClosed")
      assert.strictEqual(reason.after, "StartupMessage")
      assert.include(reason.message, "4,096 bytes")
    }))
})

// Spaces become ASCII and the soft hyphen vanishes, but the ligature and the numeral stay.
const typed = Redacted.make("\u2168\u00ad \u00a0\ufb01e\u0301")

layer(start({ password: typed, user: "admin" }), { excludeTestServices: true })("a password beyond ASCII", (it) => {
  it.effect("is only mapped by Hyper, and so by us when told so", () =>
    Effect.gen(function*() {
      const { endpoint } = yield* Hyperd.Hyperd
      const login = { user: "admin", password: typed, saslPrep: "mapping" } as const
      const { session } = yield* open(endpoint, login)
      assert.strictEqual(session.method, "scram-sha-256")
    }))

  it.effect("is not recognized by Hyper when it is prepared in full", () =>
    Effect.gen(function*() {
      const { endpoint } = yield* Hyperd.Hyperd
      const reason = yield* refusal(endpoint, { user: "admin", password: typed })
      assert.strictEqual(reason._tag, "Rejected")
    }))
})

layer(start({ authentication: "trust" }), { excludeTestServices: true })("a log-in to Hyper by trust", (it) => {
  it.effect("succeeds without a password", () =>
    Effect.gen(function*() {
      const { endpoint, user } = yield* Hyperd.Hyperd
      const { session } = yield* open(endpoint, { user })
      assert.strictEqual(session.method, "trust")
    }))

  it.effect("fails when the caller wants the server to prove itself", () =>
    Effect.gen(function*() {
      const { endpoint, user } = yield* Hyperd.Hyperd
      const reason = yield* refusal(endpoint, { user, password }, { methods: ["scram-sha-256"] })
      assert(reason._tag === "MethodRefused")
      assert.strictEqual(reason.method, "trust")
    }))
})
