/**
 * The configuration of a connection: endpoints, credentials and options, from an object, a URI or keyword/value string,
 * the environment, and libpq's files.
 *
 * Connection strings have the meaning that libpq documents (chapter "Database Connection Control"). Unknown and
 * unsupported settings are errors rather than ignored, and settings that name a file are resolved by {@link load} only.
 * Other differences from libpq:
 *
 * - The default host is `localhost` on every system; the default connect timeout is 15 seconds.
 * - `verify-full` without a root certificate trusts the runtime's roots, as `sslrootcert=system` does.
 * - A file that is named explicitly must exist.
 * - The default for `user`, the operating system's user, is read from `USER`, `LOGNAME` or `USERNAME`. {@link fromUri}
 *   and {@link fromString} do not read the environment and have no default.
 * - The settings of OAuth require {@link withDeviceFlow}, as the program chooses the HTTP client.
 * - Accepted without effect, since they cannot change anything here: `sslcompression`, `krbsrvname`, `gsslib`,
 *   `gssdelegation`. `packages/docs/settings.md` lists every setting with its field, or the reason for its absence.
 *
 * A host name may resolve to several addresses. The transport tries them; on Node one after the other with a short
 * delay (RFC 8305). When the choice of server matters, because of `target_session_attrs` or `load_balance_hosts`, each
 * address is tried as a separate server with its own timeout, as in libpq.
 *
 * @since 0.1.0
 */
import { PasswordUnavailable, TokenUnavailable } from "@hyperfect/auth/AuthError"
import { TokenProvider } from "@hyperfect/auth/mechanisms/OAuthBearer"
import type * as OAuthFlow from "@hyperfect/auth/OAuthFlow"
import type * as Endpoint from "@hyperfect/transport/Endpoint"
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Console from "effect/Console"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import { dual } from "effect/Function"
import type { HttpClient } from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import { ConnectionConfigError } from "./ConnectionConfigError.ts"
import { applySettings } from "./internal/config/applySettings.ts"
import * as files from "./internal/config/files.ts"
import type * as model from "./internal/config/model.ts"
import { findPassword } from "./internal/config/passfile.ts"
import { addDefaults, tryEffect } from "./internal/config/settings.ts"
import { parseEither, parseUri } from "./internal/config/uri.ts"

export type { Password, SslMode, TargetSessionAttrs, Token } from "./internal/config/model.ts"

/**
 * The servers to connect to, the credentials, and the options of the connection.
 *
 * @category models
 * @since 0.1.0
 */
export interface ConnectionConfig extends model.ConnectionConfig {}

/**
 * The configuration as a service, for programs whose outermost layer chooses the server.
 *
 * @category services
 * @since 0.1.0
 */
export const ConnectionConfig: Context.Service<ConnectionConfig, ConnectionConfig> = Context.Service<ConnectionConfig>(
  "@hyperfect/client/ConnectionConfig"
)

/**
 * Provides a configuration.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (config: ConnectionConfig): Layer.Layer<ConnectionConfig> =>
  Layer.succeed(ConnectionConfig, config)

/**
 * Returns every server of a configuration, in order.
 *
 * @category getters
 * @since 0.1.0
 */
export const endpoints = (config: ConnectionConfig): NonEmptyReadonlyArray<Endpoint.Endpoint> => [
  config.endpoint,
  ...config.alternatives ?? []
]

/** Describes in printable text why a secret could not be fetched. */
const describeProblem = (error: unknown): string =>
  typeof error === "string"
    ? error
    : error instanceof Error && error.message !== ""
    ? error.message
    : Predicate.hasProperty(error, "_tag")
    ? String(error._tag)
    : "the program that fetches it has failed"

interface WithSecret {
  <E, R>(
    fetch: Effect.Effect<Redacted.Redacted<string>, E, R>
  ): (config: ConnectionConfig) => Effect.Effect<ConnectionConfig, never, R>
  <E, R>(
    config: ConnectionConfig,
    fetch: Effect.Effect<Redacted.Redacted<string>, E, R>
  ): Effect.Effect<ConnectionConfig, never, R>
}

/** Makes the function that has a secret fetched by an effect, with the services of its caller. */
const withSecret = <Reason extends PasswordUnavailable | TokenUnavailable>(
  Unavailable: new(options: { readonly problem: string; readonly cause: unknown }) => Reason,
  settings: (secret: Effect.Effect<Redacted.Redacted<string>, Reason>) => Partial<ConnectionConfig>
): WithSecret =>
  dual(
    2,
    <E, R>(config: ConnectionConfig, fetch: Effect.Effect<Redacted.Redacted<string>, E, R>) =>
      Effect.map(Effect.context<R>(), (context): ConnectionConfig => {
        const secret = Effect.mapError(
          Effect.provideContext(fetch, context),
          (error) =>
            error instanceof Unavailable ? error : new Unavailable({ problem: describeProblem(error), cause: error })
        )
        return { ...config, ...settings(secret) }
      })
  )

/**
 * Fetches the password with an effect: once per connection, and only when the server requests it.
 *
 * **When to use**
 *
 * Use for passwords that change or expire, such as tokens of a cloud's access management or secrets in a vault. A pool
 * fetches it for each session that it opens, so a new password needs no restart.
 *
 * **Details**
 *
 * The effect's services are taken from the context in which `withPassword` runs. If the effect fails, the connection
 * fails with an `AuthError` whose reason is `PasswordUnavailable`, which has the effect's error as its `cause` and is
 * retryable. The effect replaces every other password of the configuration, including that of a password file.
 *
 * **Gotchas**
 *
 * The message of the effect's error is printed with the reason: it must not contain a secret.
 *
 * **Example** (A password from a service)
 *
 * ```ts
 * import { Client, ConnectionConfig } from "@hyperfect/client"
 * import { Context, Data, Effect, Layer, type Redacted } from "effect"
 *
 * class VaultError extends Data.TaggedError("VaultError")<{ readonly status: number }> {}
 *
 * class Vault extends Context.Service<Vault, {
 *   readonly read: (name: string) => Effect.Effect<Redacted.Redacted<string>, VaultError>
 * }>()("app/Vault") {}
 *
 * const Shop = Layer.unwrap(Effect.gen(function*() {
 *   const config = yield* ConnectionConfig.fromUri("postgresql://app@db.example/shop?sslmode=verify-full")
 *   const password = Effect.flatMap(Vault, (vault) => vault.read("shop"))
 *   return Client.layer(yield* ConnectionConfig.withPassword(config, password))
 * }))
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const withPassword: WithSecret = withSecret(
  PasswordUnavailable,
  (password) => ({ passwordOf: undefined, password })
)

/**
 * Fetches the OAuth token with an effect: once per connection, and only when the server requests it.
 *
 * **Details**
 *
 * Works as {@link withPassword}; the reason of a failure is `TokenUnavailable`.
 *
 * @category combinators
 * @since 0.1.0
 */
export const withToken: WithSecret = withSecret(TokenUnavailable, (token) => ({ token }))

/**
 * Gets OAuth tokens from the `TokenProvider` of the context, and new ones in place of those that the server refuses.
 *
 * **Details**
 *
 * A server that refuses a token names where to get a valid one, and closes the connection. The provider is then asked
 * for a token, outside the connect timeout, and a second connection is opened. There is no third attempt.
 *
 * **Example** (A token that the user approves)
 *
 * ```ts
 * import { OAuthFlow } from "@hyperfect/auth"
 * import { Client, ConnectionConfig } from "@hyperfect/client"
 * import { Console, Effect, Layer } from "effect"
 * import { FetchHttpClient } from "effect/http"
 *
 * const Tokens = OAuthFlow.layerDevice({
 *   issuer: "https://id.example",
 *   clientId: "reports",
 *   prompt: ({ userCode, verificationUri }) => Console.error(`Visit ${verificationUri} and enter ${userCode}`)
 * })
 *
 * const Shop = ConnectionConfig.fromUri("postgresql://app@db.example/shop?sslmode=verify-full").pipe(
 *   Effect.flatMap(ConnectionConfig.withTokenProvider),
 *   Effect.map(Client.layer),
 *   Layer.unwrap,
 *   Layer.provide(Tokens),
 *   Layer.provide(FetchHttpClient.layer)
 * )
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const withTokenProvider = (config: ConnectionConfig): Effect.Effect<ConnectionConfig, never, TokenProvider> =>
  Effect.map(TokenProvider, (tokenProvider): ConnectionConfig => ({ ...config, tokenProvider }))

/** Tells the user, as psql does. */
const promptOnConsole = ({ userCode, verificationUri }: OAuthFlow.VerificationPrompt): Effect.Effect<void> =>
  Console.error(`Visit ${verificationUri} and enter the code: ${userCode}`)

/**
 * Gets OAuth tokens that a user authorizes on a page of the authorization server, by the settings `oauth_issuer`,
 * `oauth_client_id`, `oauth_client_secret` and `oauth_scope`.
 *
 * **Details**
 *
 * `prompt` tells the user the page and the code, on the console when absent. The token is shared by the sessions that are
 * opened with the configuration, and fetched again when it has expired or is refused. A configuration without `oauth` is
 * returned unchanged.
 *
 * **Example** (A connection string with OAuth)
 *
 * ```ts
 * import { Client, ConnectionConfig } from "@hyperfect/client"
 * import { Effect, Layer } from "effect"
 * import { FetchHttpClient } from "effect/http"
 *
 * const uri = "postgresql://app@db.example/shop?sslmode=verify-full" +
 *   "&oauth_issuer=https://id.example&oauth_client_id=reports"
 *
 * const Shop = ConnectionConfig.fromUri(uri).pipe(
 *   Effect.flatMap((config) => ConnectionConfig.withDeviceFlow(config)),
 *   Effect.map(Client.layer),
 *   Layer.unwrap,
 *   Layer.provide(FetchHttpClient.layer)
 * )
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const withDeviceFlow = (
  config: ConnectionConfig,
  prompt: (invitation: OAuthFlow.VerificationPrompt) => Effect.Effect<unknown> = promptOnConsole
): Effect.Effect<ConnectionConfig, never, HttpClient> => {
  const { oauth } = config
  if (oauth === undefined) return Effect.succeed(config)
  // By a dynamic import, as few programs have OAuth and its HTTP client takes time to load (M-19).
  return Effect.flatMap(
    Effect.promise(() => import("@hyperfect/auth/OAuthFlow")),
    ({ layerDevice }) => Effect.provide(withTokenProvider(config), layerDevice({ ...oauth, prompt }))
  )
}

/**
 * Parses a connection URI.
 *
 * **Details**
 *
 * `postgresql://user:password@host:port,host:port/database?key=value`, as in libpq, with percent-encoded parts. A host
 * that begins with `/` (as `%2Ftmp`, or `?host=/tmp`) is the directory of a Unix socket. The keys of the query are
 * libpq's keywords; an unknown one is an error.
 *
 * Certificates may be given in the URI as PEM; files are read by {@link load} only.
 *
 * **Example** (A URI)
 *
 * ```ts
 * import { ConnectionConfig } from "@hyperfect/client"
 * import { Effect, Redacted } from "effect"
 * import { strict as assert } from "node:assert"
 *
 * const config = Effect.runSync(ConnectionConfig.fromUri("postgresql://app:s%40fe@db.example:5433/shop?sslmode=verify-full"))
 * assert.deepEqual(config.endpoint, { _tag: "Tcp", host: "db.example", port: 5433 })
 * assert.equal(config.sslMode, "verify-full")
 * assert.equal(Redacted.isRedacted(config.password) && Redacted.value(config.password), "s@fe")
 *
 * const error = Effect.runSync(Effect.flip(ConnectionConfig.fromUri("postgresql://app@db/shop?ssl_mode=require")))
 * assert.equal(error.message, "ssl_mode: is not a setting; did you mean sslmode?")
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromUri = (uri: string): Effect.Effect<ConnectionConfig, ConnectionConfigError> =>
  tryEffect(() => applySettings(parseUri(uri)))

/**
 * Parses a connection string in either of libpq's forms: a URI, or keywords and values.
 *
 * **Details**
 *
 * A text that does not begin with `postgresql://` or `postgres://` is parsed as keywords and values, such as
 * `host=db user=app password='it\'s'`: empty values and values with blanks must be quoted, and a backslash escapes the
 * next character.
 *
 * **Example** (Keywords and values)
 *
 * ```ts
 * import { ConnectionConfig } from "@hyperfect/client"
 * import { Endpoint } from "@hyperfect/transport"
 * import { Effect } from "effect"
 * import { strict as assert } from "node:assert"
 *
 * const config = Effect.runSync(ConnectionConfig.fromString("host=db1,db2 port=5433 user='my app' dbname=shop"))
 * assert.deepEqual(ConnectionConfig.endpoints(config).map(Endpoint.format), ["db1:5433", "db2:5433"])
 * assert.equal(config.user, "my app")
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromString = (text: string): Effect.Effect<ConnectionConfig, ConnectionConfigError> =>
  tryEffect(() => applySettings(parseEither(text)))

const toConfigError = (error: ConnectionConfigError): Config.ConfigError =>
  new Config.ConfigError(new ConfigProvider.SourceError({ message: error.message, cause: error }))

/** Reads the settings from the environment, without the files that only `load` can read. */
const withParameters = (config: ConnectionConfig, parameters: Readonly<Record<string, string>>): ConnectionConfig =>
  Object.keys(parameters).length === 0 ? config : { ...config, parameters }

/**
 * The configuration that the `PG*` variables describe, from Effect's `ConfigProvider`.
 *
 * **When to use**
 *
 * Use where there are no files, such as in a browser, or with another provider; {@link load} also reads files.
 *
 * **Details**
 *
 * The variables are those of libpq, such as `PGHOST`, `PGPORT`, `PGUSER`, `PGPASSWORD`, `PGDATABASE`, `PGSSLMODE`. An
 * invalid variable is an error, whether or not it would have been used. `PGSERVICE` is refused.
 *
 * **Example** (Variables)
 *
 * ```ts
 * import { ConnectionConfig } from "@hyperfect/client"
 * import { ConfigProvider, Effect } from "effect"
 * import { strict as assert } from "node:assert"
 *
 * const variables = { PGHOST: "db.example", PGUSER: "app", PGPASSWORD: "s3cret" }
 * const config = Effect.runSync(ConnectionConfig.config.parse(ConfigProvider.fromUnknown(variables)))
 * assert.deepEqual(config.endpoint, { _tag: "Tcp", host: "db.example", port: 5432 })
 * assert.equal(String(config.password), "<redacted>")
 * ```
 *
 * @category config
 * @since 0.1.0
 */
export const config: Config.Config<ConnectionConfig> = Config.mapEffect(
  files.environment,
  ({ parameters, settings, user }) =>
    Effect.mapError(tryEffect(() => withParameters(applySettings(settings, user), parameters)), toConfigError)
)

/**
 * A configuration from Effect's `Config`: the settings themselves, or a connection string in the forms of
 * {@link fromString}.
 *
 * @category models
 * @since 0.1.0
 */
export type Source = Config.Config<ConnectionConfig | string | Redacted.Redacted<string>>

/**
 * Reads connection strings that come from Effect's `Config`; settings remain as they are.
 *
 * **Example** (A URI from a variable)
 *
 * ```ts
 * import { ConnectionConfig } from "@hyperfect/client"
 * import { Config, ConfigProvider, Effect } from "effect"
 * import { strict as assert } from "node:assert"
 *
 * const variables = ConfigProvider.fromUnknown({ DATABASE_URL: "postgresql://app:s3cret@db.example/shop" })
 * const found = Effect.runSync(ConnectionConfig.fromConfig(Config.Redacted("DATABASE_URL")).parse(variables))
 * assert.deepEqual(found.endpoint, { _tag: "Tcp", host: "db.example", port: 5432 })
 * ```
 *
 * @category config
 * @since 0.1.0
 */
export const fromConfig = (self: Source): Config.Config<ConnectionConfig> =>
  Config.mapEffect(self, (found) => {
    const text = Redacted.isRedacted(found) ? Redacted.value(found) : found
    return typeof text === "string" ? Effect.mapError(fromString(text), toConfigError) : Effect.succeed(text)
  })

/**
 * Provides the configuration that Effect's `Config` describes: by default {@link config}.
 *
 * @see `Pool.layerConfig` and `Client.layerConfig` for a pool and a client of it
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (self: Source = config): Layer.Layer<ConnectionConfig, Config.ConfigError> =>
  Layer.effect(ConnectionConfig, fromConfig(self))

/**
 * Resolves the configuration as libpq does, from a connection string, a service, the environment, and files.
 *
 * **Details**
 *
 * Each setting is taken from the first of these sources that has it:
 *
 * 1. the text, in the forms of {@link fromString};
 * 2. the service that the text or `PGSERVICE` names, in the service file: that of `PGSERVICEFILE`, else
 *    `~/.pg_service.conf`, else `pg_service.conf` in `PGSYSCONFDIR`;
 * 3. the `PG*` variables;
 * 4. the password file, for the password: that of `passfile` or `PGPASSFILE`, else `~/.pgpass`. It is read once; each
 *    host may have a password of its own;
 * 5. the defaults.
 *
 * `sslrootcert`, `sslcert`, `sslkey` and `sslcrl` are file names or PEM text; when absent, `~/.postgresql/root.crt`,
 * `postgresql.crt`, `postgresql.key` and `root.crl` are used if they exist.
 *
 * **Gotchas**
 *
 * A password file that is accessible to users other than its owner is ignored with a warning; a key file with such
 * permissions is an error.
 *
 * @category constructors
 * @since 0.1.0
 */
export const load = Effect.fnUntraced(function*(text = ""): Effect.fn.Return<
  ConnectionConfig,
  ConnectionConfigError,
  FileSystem.FileSystem
> {
  const settings = yield* tryEffect(() => parseEither(text))
  const environment = yield* Effect.mapError(
    files.environment,
    (error) => new ConnectionConfigError({ setting: "environment", kind: "invalid", problem: error.message })
  )
  yield* files.applyService(settings, environment)
  addDefaults(settings, environment.settings)
  yield* files.readCertificates(settings, environment)
  const entries = (settings.get("password") ?? "") === "" ? yield* files.readPassfile(settings, environment) : []
  for (const key of ["service", "servicefile", "passfile"] as const) settings.delete(key)
  const found = yield* tryEffect(() => applySettings(settings, environment.user))
  const { database = found.user, user } = found
  for (const endpoint of endpoints(found)) {
    const password = findPassword(entries, endpoint, database, user)
    if (password instanceof ConnectionConfigError) return yield* password
  }
  return withParameters(
    entries.length === 0 ? found : {
      ...found,
      passwordOf: (endpoint) => {
        const password = findPassword(entries, endpoint, database, user)
        return password instanceof ConnectionConfigError ? undefined : password
      }
    },
    environment.parameters
  )
})
