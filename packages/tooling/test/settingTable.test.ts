/** Every row of the table of settings: none is accepted and ignored, and no error shows a secret. */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import * as ConnectionConfig from "@hyperfect/client/ConnectionConfig"
import * as Conninfo from "@hyperfect/client/Conninfo"
import { ConfigProvider, Effect, FileSystem, Redacted, Result } from "effect"
import { inspect } from "node:util"
import { type Keyword, keywords, type Setting, settingTable } from "../../client/src/internal/config/settingTable.ts"

/** For each setting a value that is used, and settings that it needs beside it. */
const used: { readonly [Key in Keyword]?: readonly [text: string, beside?: Readonly<Record<string, string>>] } = {
  user: ["me"],
  password: ["s3cret"],
  dbname: ["shop"],
  host: ["db"],
  hostaddr: ["10.0.0.1"],
  port: ["5433"],
  options: ["-c a=b"],
  fallback_application_name: ["till"],
  application_name: ["till"],
  connect_timeout: ["3"],
  sslmode: ["require"],
  sslnegotiation: ["direct", { sslmode: "require" }],
  sslrootcert: ["system"],
  sslcert: ["-----BEGIN CERTIFICATE-----"],
  sslkey: ["-----BEGIN s3cret-----"],
  sslpassword: ["s3cret"],
  sslcertmode: ["disable", { sslcert: "-----BEGIN CERTIFICATE-----" }],
  sslcrl: ["-----BEGIN X509 CRL-----"],
  sslsni: ["0"],
  ssl_min_protocol_version: ["TLSv1.3"],
  ssl_max_protocol_version: ["TLSv1.2"],
  require_auth: ["scram-sha-256"],
  channel_binding: ["require"],
  min_protocol_version: ["3.2"],
  max_protocol_version: ["3.2"],
  target_session_attrs: ["primary"],
  load_balance_hosts: ["random"],
  keepalives: ["0"],
  keepalives_idle: ["30"],
  keepalives_interval: ["5"],
  keepalives_count: ["3"],
  oauth_issuer: ["https://issuer.example", { oauth_client_id: "till" }],
  oauth_client_id: ["till", { oauth_issuer: "https://issuer.example" }],
  oauth_client_secret: ["s3cret", { oauth_issuer: "https://issuer.example", oauth_client_id: "till" }],
  oauth_scope: ["openid", { oauth_issuer: "https://issuer.example", oauth_client_id: "till" }],
  scram_client_key: [Buffer.alloc(32, 1).toString("base64"), { scram_server_key: Buffer.alloc(32).toString("base64") }],
  scram_server_key: [Buffer.alloc(32, 1).toString("base64"), { scram_client_key: Buffer.alloc(32).toString("base64") }]
}

/** The settings that are accepted although no field depends on them. */
const withoutEffect: ReadonlyArray<string> = ["servicefile", "sslcompression", "krbsrvname", "gsslib", "gssdelegation"]

/** Shows every field, and secrets too. */
const show = (config: ConnectionConfig.ConnectionConfig): string =>
  JSON.stringify(config, (_, value: unknown) => Redacted.isRedacted(value) ? ["secret", Redacted.value(value)] : value)

const quote = (settings: Readonly<Record<string, string>>): string =>
  Object.entries(settings).map(([key, value]) => `${key}='${value}'`).join(" ")

/** Reads settings by each way that there is. */
const ways = {
  "a keyword/value string": (settings: Readonly<Record<string, string>>) =>
    ConnectionConfig.fromString(quote(settings)),
  "a URI": (settings: Readonly<Record<string, string>>) =>
    ConnectionConfig.fromUri(
      `postgresql://?${Object.entries(settings).map(([key, value]) => `${key}=${encodeURIComponent(value)}`).join("&")}`
    ),
  "a service file": (settings: Readonly<Record<string, string>>) =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const file = `${yield* fs.makeTempDirectoryScoped()}/service.conf`
      const lines = Object.entries(settings).map(([key, value]) => `${key}=${value}`)
      yield* fs.writeFileString(file, ["[all]", ...lines].join("\n"))
      return yield* ConnectionConfig.load(`service=all servicefile='${file}'`)
    }).pipe(
      Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({}))),
      Effect.provide(NodeServices.layer)
    )
}

const base = { user: "app" }

describe("each connection setting", () => {
  for (const keyword of keywords) {
    const setting = settingTable[keyword]
    const [text = "s3cret", beside = {}] = used[keyword] ?? []
    if ("place" in setting) {
      for (const [way, read] of Object.entries(ways)) {
        it.effect(`sets a field by ${way}: ${keyword}`, () =>
          Effect.gen(function*() {
            const without = yield* Effect.option(read({ ...base, ...beside }))
            const config = yield* read({ ...base, ...beside, [keyword]: text })
            assert.notDeepEqual(show(config), without._tag === "Some" ? show(without.value) : undefined)
          }))
      }
    } else if (!withoutEffect.includes(keyword)) {
      it.effect(`is refused, for it would be ignored: ${keyword}`, () =>
        Effect.gen(function*() {
          const error = yield* Effect.flip(ConnectionConfig.fromString(quote({ ...base, [keyword]: text })))
          assert.deepStrictEqual([error.setting, error.kind], [keyword, "unsupported"])
          assert.notInclude(inspect(error, { depth: 9 }), "s3cret")
        }))
    }

    it.effect(`is suggested for a similar name: ${keyword}`, () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(Conninfo.parse(`${keyword}_=1`))
        assert.strictEqual(error.message, `${keyword}_: is not a setting; did you mean ${keyword}?`)
      }))

    it.effect(`is named by its error, which shows no value: ${keyword}`, () =>
      Effect.gen(function*() {
        // A value that most readers refuse.
        for (const bad of ["s3cret \u{1}", "s3cret,s3cret,s3cret"]) {
          const read = yield* Effect.result(ConnectionConfig.fromString(quote({ ...base, ...beside, [keyword]: bad })))
          if (Result.isSuccess(read)) continue
          assert.strictEqual(read.failure.setting, keyword === "scram_server_key" ? "scram_client_key" : keyword)
          // An unknown method is named.
          if (keyword === "require_auth") continue
          assert.notInclude(inspect(read.failure, { depth: 9 }) + JSON.stringify(read.failure), "s3cret")
        }
      }))

    if (setting.variable !== undefined) {
      it.effect(`is read from ${setting.variable}`, () =>
        Effect.gen(function*() {
          const named = Object.entries({ ...base, ...beside, [keyword]: text }).map(([key, value]) =>
            [settingTable[key as Keyword].variable!, value] as const
          )
          const provider = ConfigProvider.fromUnknown(Object.fromEntries(named))
          const read = yield* Effect.result(ConnectionConfig.config.parse(provider))
          const wanted = yield* Effect.result(
            ConnectionConfig.fromString(quote({ ...base, ...beside, [keyword]: text }))
          )
          assert.strictEqual(
            Result.isSuccess(read) ? show(read.success) : read.failure.message.replace("SourceError: ", ""),
            Result.isSuccess(wanted) ? show(wanted.success) : wanted.failure.message
          )
        }))
    }

    if (setting.isSecret === true) {
      it.effect(`is redacted: ${keyword}`, () =>
        Effect.gen(function*() {
          const parsed = yield* Conninfo.parse(quote({ [keyword]: "s3cret" }))
          assert.isTrue(Redacted.isRedacted(parsed.get(keyword)))
          const config = yield* Effect.option(
            ConnectionConfig.fromString(quote({ ...base, ...beside, [keyword]: text }))
          )
          assert.notInclude(inspect(config, { depth: 9 }) + JSON.stringify(config), text)
        }))
    }
  }

  it("has a field, or says why it has none", () => {
    const noEffect = () => Result.succeed(undefined)
    // @ts-expect-error no field and no note
    const ignored: Setting = { variable: "PGIGNORED", read: noEffect }
    // @ts-expect-error a value without a field
    const lost: Setting = { note: "", read: (text) => Result.succeed(text) }
    // @ts-expect-error a text for a number
    const wrong: Setting = { place: "connectTimeout", read: (text) => Result.succeed(text) }
    for (const row of [ignored, lost, wrong]) assert.notInclude(Object.values<Setting>(settingTable), row)
  })
})
