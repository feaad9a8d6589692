import { assert, layer } from "@effect/vitest"
import { Account, Authenticate, ScramVerifier } from "@hyperfect/auth"
import type { Policy } from "@hyperfect/auth"
import { NodePlatform } from "@hyperfect/node"
import { PostgresServer } from "@hyperfect/testing"
import { Effect, Exit, Layer, Redacted } from "effect"
import { converse, secret } from "./conversation.ts"
import { connect, loginFailure, queryValue } from "./liveServers.ts"

const password = Redacted.make(secret)
const anywhere: Policy.Policy = { allowCleartextWithoutTls: true, allowMd5WithoutTls: true }

/** Created by this package, and set on the server in place of a password. */
const ours = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$" +
  "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="

/** The cases of PostgreSQL's SASLprep tests: the examples of RFC 4013, and prohibited text, which is used unchanged. */
const prepared = {
  mapped: { stored: "IX", right: ["I\u00adX", "\u2168", "IX"], wrong: ["ix"] },
  plain: { stored: "a", right: ["a", "\u00aa"], wrong: ["A"] },
  ordinal: { stored: "\u00aa", right: ["a", "\u00aa"], wrong: [] },
  zerowidth: { stored: "a\u200bb", right: ["a b", "a\u200bb"], wrong: ["ab"] },
  control: { stored: "foo\u0007bar", right: ["foo\u0007bar"], wrong: ["foobar"] },
  bidirectional: { stored: "foo\u06271bar", right: ["foo\u06271bar"], wrong: ["foo1\u0627bar", "foobar"] }
}

const Server = PostgresServer.layer({
  databases: ["app"],
  hba: [
    "local all all password",
    "host all trusting all trust",
    "host all clear all password",
    "host all hashing all md5",
    "host all banned all reject"
  ],
  setup: [
    ...["trusting", "clear", "banned", "proving"].map((role) => `create role ${role} login password '${secret}'`),
    `create role full_up login connection limit 0 password '${secret}'`,
    "create role numeral login password U&'\\2168\\00adx'",
    "create role prohibited login password U&'a\\0627\\0031'",
    ...Object.entries(prepared).map(([role, { stored }]) => `create role ${role} login password '${stored}'`),
    `create role verified login password '${ours}'`,
    "set scram_iterations = 4095",
    `create role hasty login password '${secret}'`,
    "set password_encryption = 'md5'",
    `create role hashing login password '${secret}'`
  ]
}).pipe(Layer.provideMerge(NodePlatform.layer))

layer(Server, { excludeTestServices: true })("Login to PostgreSQL 18", (it) => {
  const methods = { trusting: "trust", clear: "password", hashing: "md5", proving: "scram-sha-256" } as const

  for (const [user, method] of Object.entries(methods)) {
    it.effect(`succeeds with ${method}`, () =>
      Effect.gen(function*() {
        const { endpoint } = yield* PostgresServer.PostgresServer
        const parameters = { application_name: "caf\u00e9" }
        const login = { user, password, database: "app", parameters }
        const { channel, session } = yield* connect(endpoint, login, anywhere)
        assert.strictEqual(session.method, method)
        assert.strictEqual(session.status, "I")
        assert.match(session.parameters.get("server_version") ?? "", /^18/)
        assert.strictEqual(session.parameters.get("session_authorization"), user)
        assert.strictEqual(session.key?.secretKey.length, 4)
        assert.strictEqual(yield* queryValue(channel, "select pg_backend_pid()"), `${session.key?.processId}`)
        assert.strictEqual(
          yield* queryValue(channel, "select current_user || ' ' || current_database()"),
          `${user} app`
        )
      }))

    if (method !== "trust") {
      it.effect(`fails with ${method} if the password is wrong`, () =>
        Effect.gen(function*() {
          const { endpoint } = yield* PostgresServer.PostgresServer
          const login = { user, password: Redacted.make("wrong"), database: "app" }
          const reason = yield* loginFailure(endpoint, login, anywhere)
          assert(reason._tag === "Rejected")
          assert.strictEqual(reason.sqlState, "28P01")
          assert.strictEqual(reason.user, user)
        }))
    }
  }

  it.effect("does not send the password in clear text over TCP", () =>
    Effect.gen(function*() {
      const { endpoint } = yield* PostgresServer.PostgresServer
      const reason = yield* loginFailure(endpoint, { user: "clear", password, database: "app" })
      assert.strictEqual(reason._tag, "MethodRefused")
    }))

  it.effect("may send it in clear text over a Unix socket", () =>
    Effect.gen(function*() {
      const { socket } = yield* PostgresServer.PostgresServer
      const { session } = yield* connect(socket, { user: "clear", password, database: "app" }, anywhere)
      assert.strictEqual(session.method, "password")
    }))

  it.effect("fails for an unknown user", () =>
    Effect.gen(function*() {
      const { endpoint } = yield* PostgresServer.PostgresServer
      const reason = yield* loginFailure(endpoint, { user: "ghost", password, database: "app" })
      assert(reason._tag === "Rejected")
      assert.strictEqual(reason.sqlState, "28P01")
    }))

  it.effect("fails for a user that pg_hba.conf rejects", () =>
    Effect.gen(function*() {
      const { endpoint } = yield* PostgresServer.PostgresServer
      const reason = yield* loginFailure(endpoint, { user: "banned", password, database: "app" })
      assert(reason._tag === "Rejected")
      assert.strictEqual(reason.sqlState, "28000")
      assert.include(reason.message, "pg_hba.conf")
    }))

  it.effect("fails for a database that does not exist", () =>
    Effect.gen(function*() {
      const { endpoint } = yield* PostgresServer.PostgresServer
      const reason = yield* loginFailure(endpoint, { user: "trusting", database: "nowhere" })
      assert(reason._tag === "DatabaseMissing")
      assert.strictEqual(reason.sqlState, "3D000")
      assert.strictEqual(reason.database, "nowhere")
    }))

  it.effect("uses the database of the user's name if none is given", () =>
    Effect.gen(function*() {
      const { endpoint } = yield* PostgresServer.PostgresServer
      const reason = yield* loginFailure(endpoint, { user: "trusting" })
      assert(reason._tag === "DatabaseMissing")
      assert.strictEqual(reason.database, "trusting")
    }))

  it.effect("is retryable if there are too many connections", () =>
    Effect.gen(function*() {
      const { endpoint } = yield* PostgresServer.PostgresServer
      const reason = yield* loginFailure(endpoint, { user: "full_up", password, database: "app" })
      assert(reason._tag === "Rejected")
      assert.strictEqual(reason.sqlState, "53300")
      assert.isTrue(reason.isRetryable)
    }))

  it.effect("fails for a setting that does not exist", () =>
    Effect.gen(function*() {
      const { endpoint } = yield* PostgresServer.PostgresServer
      const login = { user: "trusting", database: "app", parameters: { no_such_setting: "1" } }
      const reason = yield* loginFailure(endpoint, login)
      assert(reason._tag === "Rejected")
      assert.strictEqual(reason.sqlState, "42704")
    }))

  it.effect("returns the options that the server does not know", () =>
    Effect.gen(function*() {
      const { endpoint } = yield* PostgresServer.PostgresServer
      const login = { user: "trusting", database: "app", parameters: { "_pq_.no_such_option": "1" } }
      const { session } = yield* connect(endpoint, login)
      assert.deepStrictEqual(session.unrecognizedOptions, ["_pq_.no_such_option"])
    }))

  for (const [user, { right, wrong }] of Object.entries(prepared)) {
    it.effect(`distinguishes equivalent from different passwords: ${user}`, () =>
      Effect.gen(function*() {
        const { endpoint } = yield* PostgresServer.PostgresServer
        for (const typed of right) {
          const { session } = yield* connect(endpoint, { user, password: Redacted.make(typed), database: "app" })
          assert.strictEqual(session.method, "scram-sha-256")
        }
        for (const typed of wrong) {
          const reason = yield* loginFailure(endpoint, { user, password: Redacted.make(typed), database: "app" })
          assert(reason._tag === "Rejected")
          assert.strictEqual(reason.sqlState, "28P01")
        }
      }))
  }

  for (const typed of ["IXx", "\u2168x", "I\u00adX\u200dx"]) {
    it.effect(`prepares a password like the server: ${JSON.stringify(typed)}`, () =>
      Effect.gen(function*() {
        const { endpoint } = yield* PostgresServer.PostgresServer
        const login = { user: "numeral", password: Redacted.make(typed), database: "app" }
        const { session } = yield* connect(endpoint, login)
        assert.strictEqual(session.method, "scram-sha-256")
      }))
  }

  it.effect("uses a prohibited password unchanged, like the server", () =>
    Effect.gen(function*() {
      const { endpoint } = yield* PostgresServer.PostgresServer
      const login = { user: "prohibited", password: Redacted.make("a\u0627\u0031"), database: "app" }
      const { session } = yield* connect(endpoint, login)
      assert.strictEqual(session.method, "scram-sha-256")
    }))

  it.effect("uses the server's iteration count", () =>
    Effect.gen(function*() {
      const { endpoint } = yield* PostgresServer.PostgresServer
      const login = { user: "hasty", password, database: "app" }
      const reason = yield* loginFailure(endpoint, login)
      assert(reason._tag === "IterationsOutOfBounds")
      assert.strictEqual(reason.iterations, 4095)
      const { session } = yield* connect(endpoint, login, { minIterations: 4095 })
      assert.strictEqual(session.method, "scram-sha-256")
    }))

  it.effect("succeeds with a verifier created by ScramVerifier", () =>
    Effect.gen(function*() {
      const { endpoint } = yield* PostgresServer.PostgresServer
      const login = { user: "verified", password: Redacted.make("pencil"), database: "app" }
      const { session } = yield* connect(endpoint, login)
      assert.strictEqual(session.method, "scram-sha-256")
    }))

  it.effect("succeeds against Authenticate.server with a verifier created by PostgreSQL", () =>
    Effect.gen(function*() {
      const server = yield* PostgresServer.PostgresServer
      const { channel } = yield* connect(server.endpoint, {
        user: server.user,
        password: server.password,
        database: "app"
      })
      const stored = yield* queryValue(channel, "select rolpassword from pg_authid where rolname = 'proving'")
      const verifier = ScramVerifier.parse(Redacted.make(stored))
      assert(verifier !== undefined)
      const { exit } = yield* converse(
        (channel) => Authenticate.server(channel, { account: () => Effect.succeed(Account.scramSha256(verifier)) }),
        { login: { user: "proving", password } }
      )
      assert(Exit.isSuccess(exit))
      assert.strictEqual(exit.value.method, "scram-sha-256")
    }))
})
