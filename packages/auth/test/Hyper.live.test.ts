import { assert, layer } from "@effect/vitest"
import { Hyperd } from "@hyperfect/hyper"
import { NodePlatform } from "@hyperfect/node"
import { HyperdServer } from "@hyperfect/testing"
import { Effect, Layer, Redacted } from "effect"
import { secret } from "./conversation.ts"
import { connect, loginFailure, queryValue } from "./liveServers.ts"

const password = Redacted.make(secret)

const start = (options: HyperdServer.Options) =>
  Layer.fresh(HyperdServer.layer(options)).pipe(Layer.provideMerge(NodePlatform.layer))

layer(start({ password, user: "admin" }), { excludeTestServices: true })("Login to Hyper by password", (it) => {
  it.effect("succeeds with scram-sha-256", () =>
    Effect.gen(function*() {
      const { endpoint } = yield* Hyperd.Hyperd
      const parameters = { application_name: "caf\u00e9" }
      const { channel, session } = yield* connect(endpoint, { user: "admin", password, parameters })
      assert.strictEqual(session.method, "scram-sha-256")
      assert.strictEqual(session.status, "I")
      assert.isTrue(session.parameters.has("hyper_version"))
      assert.strictEqual(session.parameters.get("application_name"), "caf\u00e9")
      assert.strictEqual(session.key?.secretKey.length, 4)
      assert.strictEqual(yield* queryValue(channel, "select 1 + 1"), "2")
    }))

  it.effect("fails if the password is wrong", () =>
    Effect.gen(function*() {
      const { endpoint } = yield* Hyperd.Hyperd
      const reason = yield* loginFailure(endpoint, { user: "admin", password: Redacted.make("wrong") })
      assert(reason._tag === "Rejected")
      assert.strictEqual(reason.sqlState, "42501")
      assert.strictEqual(reason.text, "unable to connect as 'admin'")
    }))

  it.effect("fails without a password", () =>
    Effect.gen(function*() {
      const { endpoint } = yield* Hyperd.Hyperd
      const reason = yield* loginFailure(endpoint, { user: "admin" })
      assert(reason._tag === "PasswordMissing")
      assert.strictEqual(reason.method, "scram-sha-256")
    }))

  for (const user of ["ghost", "Admin", ""]) {
    it.effect(`fails for an unknown user: ${JSON.stringify(user)}`, () =>
      Effect.gen(function*() {
        const { endpoint } = yield* Hyperd.Hyperd
        const reason = yield* loginFailure(endpoint, { user, password })
        assert(reason._tag === "Rejected")
        assert.strictEqual(reason.sqlState, "42501")
      }))
  }

  it.effect("fails for a database whose file does not exist", () =>
    Effect.gen(function*() {
      const { endpoint } = yield* Hyperd.Hyperd
      const reason = yield* loginFailure(endpoint, { user: "admin", password, database: "nowhere.hyper" })
      assert(reason._tag === "DatabaseMissing")
      assert.strictEqual(reason.sqlState, "58S01")
      assert.strictEqual(reason.database, "nowhere.hyper")
    }))

  it.effect("fails for a setting that does not exist", () =>
    Effect.gen(function*() {
      const { endpoint } = yield* Hyperd.Hyperd
      const login = { user: "admin", password, parameters: { options: "-c no_such_setting=1" } }
      const reason = yield* loginFailure(endpoint, login)
      assert(reason._tag === "Rejected")
      assert.strictEqual(reason.sqlState, "42601")
    }))

  it.effect("reports a likely cause if the server disconnects because of a packet that is too long", () =>
    Effect.gen(function*() {
      const { endpoint } = yield* Hyperd.Hyperd
      const login = { user: "admin", password, parameters: { application_name: "x".repeat(4096) } }
      const reason = yield* loginFailure(endpoint, login)
      assert(reason._tag === "ServerClosed")
      assert.strictEqual(reason.after, "StartupMessage")
      assert.include(reason.message, "4,096 bytes")
    }))
})

// Spaces, the zero width one among them, become ASCII and the soft hyphen is removed, but the ligature and the numeral are kept.
const typed = Redacted.make("\u2168\u00ad \u00a0\u200b\ufb01e\u0301")

layer(start({ password: typed, user: "admin" }), { excludeTestServices: true })(
  "Login to Hyper with a non-ASCII password",
  (it) => {
    it.effect("succeeds with the mapping profile", () =>
      Effect.gen(function*() {
        const { endpoint } = yield* Hyperd.Hyperd
        const login = { user: "admin", password: typed, saslPrep: "mapping" } as const
        const { session } = yield* connect(endpoint, login)
        assert.strictEqual(session.method, "scram-sha-256")
      }))

    it.effect("fails with the full profile", () =>
      Effect.gen(function*() {
        const { endpoint } = yield* Hyperd.Hyperd
        const reason = yield* loginFailure(endpoint, { user: "admin", password: typed })
        assert.strictEqual(reason._tag, "Rejected")
      }))
  }
)

layer(start({ authentication: "trust" }), { excludeTestServices: true })("Login to Hyper by trust", (it) => {
  it.effect("succeeds without a password", () =>
    Effect.gen(function*() {
      const { endpoint, user } = yield* Hyperd.Hyperd
      const { session } = yield* connect(endpoint, { user })
      assert.strictEqual(session.method, "trust")
    }))

  it.effect("fails if the client requires the server to authenticate", () =>
    Effect.gen(function*() {
      const { endpoint, user } = yield* Hyperd.Hyperd
      const reason = yield* loginFailure(endpoint, { user, password }, { methods: ["scram-sha-256"] })
      assert(reason._tag === "MethodRefused")
      assert.strictEqual(reason.method, "trust")
    }))
})
