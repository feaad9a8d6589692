/** A client without explicit configuration, which finds its settings where libpq would. */
import { assert, layer } from "@effect/vitest"
import { Authenticate } from "@hyperfect/auth"
import * as Client from "@hyperfect/client/Client"
import * as NodePlatform from "@hyperfect/node/NodePlatform"
import * as Certificates from "@hyperfect/testing/Certificates"
import * as PostgresServer from "@hyperfect/testing/PostgresServer"
import { ConfigProvider, Context, Effect, FileSystem, Layer, Redacted } from "effect"

/** A server with TLS, and a home directory with the files needed to connect to it. */
class HomeDirectory
  extends Context.Service<HomeDirectory, { readonly path: string; readonly port: number }>()("test/Home")
{}

const password = "it's: s3cret\\"

const layerHome = Layer.effect(
  HomeDirectory,
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const authority = yield* Certificates.makeAuthority({ name: "Root" })
    const { endpoint } = yield* PostgresServer.make({
      password: Redacted.make(password),
      databases: ["shop"],
      tls: { ...yield* authority.issue({ name: "server", hosts: ["localhost"] }), required: true }
    })
    const path = yield* fs.makeTempDirectoryScoped()
    const write = (name: string, text: string) => fs.writeFileString(`${path}/${name}`, text, { mode: 0o600 })
    yield* fs.makeDirectory(`${path}/.postgresql`)
    yield* write(".postgresql/root.crt", authority.certificate)
    yield* write(".pgpass", `*:*:*:postgres:${password.replaceAll(/[\\:]/g, "\\$&")}\n`)
    yield* write(".pg_service.conf", `[shop]\nhost=localhost\nhostaddr=127.0.0.1\nport=${endpoint.port}\ndbname=shop\n`)
    return HomeDirectory.of({ path, port: endpoint.port })
  })
).pipe(Layer.provideMerge(NodePlatform.layer))

const connectionInfoQuery = "select current_database() as database, current_setting('application_name') as name, ssl " +
  "from pg_stat_ssl where pid = pg_backend_pid()"

const queryConnectionInfo = (text: string | undefined, variables: Readonly<Record<string, string>>) =>
  Effect.gen(function*() {
    const { path } = yield* HomeDirectory
    const environment = ConfigProvider.fromUnknown({ HOME: path, ...variables })
    const rows = Effect.map(
      Effect.flatMap(Client.Client, (client) => client.query(connectionInfoQuery)),
      (result) => result.rows
    )
    return yield* rows.pipe(
      Effect.provide(Client.layerConninfo(text), { local: true }),
      Effect.provide(Authenticate.layerCrypto),
      Effect.provideService(ConfigProvider.ConfigProvider, environment)
    )
  })

layer(layerHome, { excludeTestServices: true, timeout: "60 seconds" })("Client.layerConninfo", (it) => {
  it.effect("finds service, password and root certificate", () =>
    Effect.gen(function*() {
      const variables = { PGSERVICE: "shop", PGUSER: "postgres", PGSSLMODE: "verify-full", PGAPPNAME: "till" }
      assert.deepStrictEqual(yield* queryConnectionInfo(undefined, variables), [{
        database: "shop",
        name: "till",
        ssl: true
      }])
    }))

  it.effect("prefers explicit settings", () =>
    Effect.gen(function*() {
      const text = "service=shop user=postgres dbname=postgres application_name=told"
      const rows = yield* queryConnectionInfo(text, { PGAPPNAME: "till", PGDATABASE: "nonsense" })
      assert.deepStrictEqual(rows, [{ database: "postgres", name: "told", ssl: true }])
    }))

  it.effect("authenticates as strictly as required", () =>
    Effect.gen(function*() {
      const strict = "service=shop user=postgres channel_binding=require require_auth=scram-sha-256"
      assert.strictEqual((yield* queryConnectionInfo(strict, {})).length, 1)
      const unbound = yield* Effect.flip(queryConnectionInfo(`${strict} sslmode=disable`, {}))
      assert.strictEqual(unbound._tag === "AuthError" && unbound.reason._tag, "ChannelBindingUnavailable")
      const refused = yield* Effect.flip(
        queryConnectionInfo("service=shop user=postgres", { PGREQUIREAUTH: "!scram-sha-256" })
      )
      assert.strictEqual(refused._tag === "AuthError" && refused.reason._tag, "MethodRefused")
    }))

  it.effect("fails with a reason if it has less than the server requires", () =>
    Effect.gen(function*() {
      const rejected = yield* Effect.flip(queryConnectionInfo("service=shop user=postgres sslmode=disable", {}))
      assert.strictEqual(rejected._tag === "AuthError" && rejected.reason._tag, "Rejected")
      const missing = yield* Effect.flip(queryConnectionInfo("service=shop user=somebody", {}))
      assert.strictEqual(missing._tag === "AuthError" && missing.reason._tag, "PasswordMissing")
      const wrong = yield* Effect.flip(queryConnectionInfo("service=shop user=postgres password=s3cret", {}))
      assert.strictEqual(wrong._tag === "AuthError" && wrong.reason._tag, "Rejected")
      assert.notInclude(`${wrong.message} ${JSON.stringify(wrong)}`, "s3cret")
      const unknown = yield* Effect.flip(queryConnectionInfo("service=shop user=postgres aplication_name=x", {}))
      assert.strictEqual(unknown.message, "aplication_name: is not a setting; did you mean application_name?")
    }))
})
