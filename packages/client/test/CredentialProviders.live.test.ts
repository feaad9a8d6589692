/** Passwords and tokens that a program provides, and its failures. */
import { assert } from "@effect/vitest"
import { ScramVerifier } from "@hyperfect/auth"
import * as ConnectionConfig from "@hyperfect/client/ConnectionConfig"
import * as Conninfo from "@hyperfect/client/Conninfo"
import * as Pool from "@hyperfect/client/Pool"
import * as Session from "@hyperfect/client/Session"
import { Context, Data, Effect, Redacted } from "effect"
import { inspect } from "node:util"
import { describeServers, TestServer, uniqueName } from "./liveServers.ts"

class VaultError extends Data.TaggedError("VaultError")<{ readonly status: number }> {}

/** A service that holds the password, and counts how often it is read. */
class Vault
  extends Context.Service<Vault, { isSealed: boolean; readCount: number; password: string }>()("test/Vault")
{}

const readPassword = Effect.flatMap(Vault, (vault) =>
  Effect.suspend(() => {
    vault.readCount++
    return vault.isSealed ? Effect.fail(new VaultError({ status: 503 })) : Effect.succeed(Redacted.make(vault.password))
  }))

/** A vault with the password of the file's server, and a configuration that reads it. */
const setUp = Effect.gen(function*() {
  const { config } = yield* TestServer
  const vault = {
    isSealed: false,
    readCount: 0,
    password: Redacted.value(config.password as Redacted.Redacted<string>)
  }
  const asking = yield* ConnectionConfig.withPassword(config, readPassword).pipe(Effect.provideService(Vault, vault))
  return { config: asking, vault }
})

describeServers({
  both: (it) => {
    it.effect("a session opens with a password that a program provides, which is called for each session", () =>
      Effect.gen(function*() {
        const { config, vault } = yield* setUp
        for (const asked of [1, 2, 3]) {
          yield* Effect.scoped(Session.make(config))
          assert.strictEqual(vault.readCount, asked)
        }
      }))

    it.effect("opening fails at once with the error of a program that fails", () =>
      Effect.gen(function*() {
        const { config, vault } = yield* setUp
        vault.isSealed = true
        const error = yield* Effect.flip(Session.make(config))
        assert(error._tag === "AuthError" && error.reason._tag === "PasswordUnavailable")
        assert.strictEqual(error.message, "could not obtain a password: VaultError")
        assert.deepStrictEqual(error.reason.cause, new VaultError({ status: 503 }))
        assert.isTrue(error.isRetryable)
        vault.isSealed = false
        yield* Session.make(config)
      }))

    it.effect("a pool calls the program again for each session that it opens", () =>
      Effect.gen(function*() {
        const { config, vault } = yield* setUp
        const pool = yield* Pool.make(config, { max: 3, acquireTimeout: "2 seconds" })
        assert.strictEqual(vault.readCount, 1)
        // Only connections that cannot open may run into this timeout.
        const borrow = (count: number) =>
          Effect.scoped(Effect.all(Array.from({ length: count }, () => pool.session), { discard: true }))
        const patiently = <A, E extends { readonly _tag: string }>(effect: Effect.Effect<A, E>) =>
          Effect.retry(effect, { while: ({ _tag }) => _tag === "PoolError" })
        yield* patiently(borrow(2))
        assert.strictEqual(vault.readCount, 2)
        vault.isSealed = true
        const error = yield* Effect.flip(borrow(3))
        assert(error._tag === "PoolError" && error.reason._tag === "AcquireTimeout")
        assert.include(error.message, "could not obtain a password: VaultError")
        // Open sessions keep working, and the pool recovers as soon as the vault does.
        assert.deepStrictEqual((yield* patiently(pool.values("select 1"))).rows, [[1]])
        vault.isSealed = false
        yield* patiently(borrow(3))
      }))
  },
  postgres: (it) => {
    it.effect("a session opens with SCRAM keys in place of the password", () =>
      Effect.gen(function*() {
        const { config } = yield* TestServer
        const admin = yield* Session.make(config)
        const name = uniqueName("keyed")
        const password = Redacted.make("derived from")
        yield* admin.execute(`create role ${name} login password '${Redacted.value(password)}'`)
        const { rows: [row] } = yield* admin.values(`select rolpassword from pg_authid where rolname = '${name}'`)
        const verifier = ScramVerifier.parse(Redacted.make(String(row![0])))!
        const keys = yield* ScramVerifier.deriveKeys(password, verifier.salt, verifier.iterations)
        const [client, server] = [keys.clientKey, keys.serverKey].map((key) => Buffer.from(key).toString("base64"))
        const text = `host=x user=${name} scram_client_key=${client} scram_server_key=${server}`
        const keyed = yield* ConnectionConfig.fromString(text)
        assert.notInclude(inspect(keyed, { depth: 10 }), client!)
        assert.notInclude(inspect(yield* Conninfo.parse(text), { depth: 10 }), server!)
        const session = yield* Session.make({ ...config, ...keyed, endpoint: config.endpoint, password: undefined })
        assert.strictEqual(session.authentication, "scram-sha-256")
        // The keys do not fit another salt of the same password.
        yield* admin.execute(`alter role ${name} password '${Redacted.value(password)}'`)
        const stale = { ...config, ...keyed, endpoint: config.endpoint, password: undefined }
        const error = yield* Effect.flip(Session.make(stale))
        assert.strictEqual(error._tag === "AuthError" && error.reason._tag, "Rejected")
      }))

    it.effect("the password may change while a pool is open", () =>
      Effect.gen(function*() {
        const { config, vault } = yield* setUp
        const name = uniqueName("rotating")
        const admin = yield* Session.make(config)
        const set = (password: string) =>
          Effect.gen(function*() {
            yield* admin.query(`alter role ${name} password '${password}'`)
            vault.password = password
          })
        yield* admin.query(`create role ${name} login`)
        yield* set("first")
        const pool = yield* Pool.make({ ...config, user: name }, { max: 2 })
        yield* set("second")
        const users = Effect.flatMap(pool.session, (session) => session.values("select current_user"))
        const results = yield* Effect.scoped(Effect.all([users, users]))
        assert.deepStrictEqual(results.map(({ rows }) => rows), [[[name]], [[name]]])
      }))
  }
})
