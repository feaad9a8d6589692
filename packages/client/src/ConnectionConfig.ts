/**
 * How to reach a server, and as whom: from an object, a URI or keyword/value string, the environment, and libpq's files.
 *
 * Texts mean what they mean to libpq (its chapter "Database Connection Control"). Where this library differs, it says so:
 * nothing is ignored that could matter, so a setting that is unknown or not supported is an error, and a setting that
 * names a file is read by {@link load} only. The other differences:
 *
 * - A host that is not named is `localhost`, on every system; a connection is given up after 15 seconds unless told
 *   otherwise.
 * - `verify-full` without a root certificate trusts the runtime's roots, as `sslrootcert=system` does.
 * - A file that is named must be there.
 * - The user of the operating system, the default for `user`, is taken from `USER`, `LOGNAME` or `USERNAME`, and not at
 *   all by {@link fromUri} and {@link fromString}, which do not look around.
 * - OAuth has tokens that the program brings, or a provider gets, and no settings for the ways to get one.
 * - Without effect, because there is nothing here that they could change: `sslcompression`, `krbsrvname`, `gsslib`,
 *   `gssdelegation`.
 *
 * A host's name may stand for several addresses. The transport tries them; on Node it does so one after the other, with
 * little time between them (RFC 8305). When it matters which server it is, because of `target_session_attrs` or
 * `load_balance_hosts`, each address is tried as a server of its own, within its own time, as in libpq.
 *
 * @since 0.1.0
 */
import { PasswordUnavailable, TokenUnavailable } from "@hyperfect/auth/AuthError"
import { TokenProvider } from "@hyperfect/auth/OAuthBearer"
import type * as Endpoint from "@hyperfect/transport/Endpoint"
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import { dual } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import { ConfigError } from "./ConfigError.ts"
import type * as model from "./internal/config.ts"
import { parseConninfo } from "./internal/conninfo.ts"
import * as files from "./internal/files.ts"
import { interpret } from "./internal/interpret.ts"
import { findPassword } from "./internal/passfile.ts"
import { addDefaults, effect, type Settings } from "./internal/settings.ts"
import { parseUri, scheme } from "./internal/uri.ts"

export type { Password, SslMode, TargetSessionAttrs, Token } from "./internal/config.ts"

/**
 * How to reach a server, and as whom.
 *
 * @category models
 * @since 0.1.0
 */
export interface ConnectionConfig extends model.ConnectionConfig {}

/**
 * The configuration as a service, for programs that leave it to their outermost layer where the server is.
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
 * Every server of a configuration, in its order.
 *
 * @category getters
 * @since 0.1.0
 */
export const endpoints = (config: ConnectionConfig): NonEmptyReadonlyArray<Endpoint.Endpoint> => [
  config.endpoint,
  ...config.alternatives ?? []
]

/** What can be printed of why a program could not fetch a secret. */
const problemOf = (error: unknown): string =>
  typeof error === "string"
    ? error
    : error instanceof Error && error.message !== ""
    ? error.message
    : Predicate.hasProperty(error, "_tag")
    ? String(error._tag)
    : "the program that fetches it has failed"

/** A program with all that it needs, and with its failure as the reason why there is no secret. */
const fetching = <Reason extends PasswordUnavailable | TokenUnavailable, E, R>(
  fetch: Effect.Effect<Redacted.Redacted<string>, E, R>,
  Unavailable: new(options: { readonly problem: string; readonly cause: unknown }) => Reason
): Effect.Effect<Effect.Effect<Redacted.Redacted<string>, Reason>, never, R> =>
  Effect.map(Effect.context<R>(), (context) =>
    Effect.mapError(
      Effect.provideContext(fetch, context),
      (error) => error instanceof Unavailable ? error : new Unavailable({ problem: problemOf(error), cause: error })
    ))

/**
 * Lets a program fetch the password: for each connection anew, and only when the server asks for it.
 *
 * **When to use**
 *
 * Use for passwords that change or expire, such as tokens of a cloud's access management or what a vault holds. A pool
 * asks again for each session that it opens, so a new password needs no restart.
 *
 * **Details**
 *
 * What the program needs is taken from where it is handed over. When it fails, the connection fails with an `AuthError`
 * whose reason is `PasswordUnavailable`, which has the program's error as its `cause` and can be retried. It takes the
 * place of every other password of the configuration, those of a password file included.
 *
 * **Gotchas**
 *
 * The error's message is printed with the reason: it should not tell a secret.
 *
 * **Example** (A password that a service makes)
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
export const withPassword: {
  <E, R>(
    fetch: Effect.Effect<Redacted.Redacted<string>, E, R>
  ): (config: ConnectionConfig) => Effect.Effect<ConnectionConfig, never, R>
  <E, R>(
    config: ConnectionConfig,
    fetch: Effect.Effect<Redacted.Redacted<string>, E, R>
  ): Effect.Effect<ConnectionConfig, never, R>
} = dual(
  2,
  <E, R>(config: ConnectionConfig, fetch: Effect.Effect<Redacted.Redacted<string>, E, R>) =>
    Effect.map(
      fetching(fetch, PasswordUnavailable),
      (password): ConnectionConfig => ({ ...config, passwordOf: undefined, password })
    )
)

/**
 * Lets a program fetch the OAuth token: for each connection anew, and only when the server asks for it.
 *
 * **Details**
 *
 * As with {@link withPassword}; the reason of a failure is `TokenUnavailable`.
 *
 * @category combinators
 * @since 0.1.0
 */
export const withToken: {
  <E, R>(
    fetch: Effect.Effect<Redacted.Redacted<string>, E, R>
  ): (config: ConnectionConfig) => Effect.Effect<ConnectionConfig, never, R>
  <E, R>(
    config: ConnectionConfig,
    fetch: Effect.Effect<Redacted.Redacted<string>, E, R>
  ): Effect.Effect<ConnectionConfig, never, R>
} = dual(
  2,
  <E, R>(config: ConnectionConfig, fetch: Effect.Effect<Redacted.Redacted<string>, E, R>) =>
    Effect.map(fetching(fetch, TokenUnavailable), (token): ConnectionConfig => ({ ...config, token }))
)

/**
 * Lets the provider of the context get the OAuth tokens, and new ones in place of those that the server refuses.
 *
 * **Details**
 *
 * A server that refuses a token says where there are better ones, and closes. Then the provider is asked, for which the
 * time for connecting does not count, and another connection is opened. There is no third one.
 *
 * **Example** (A token that the user lets us have)
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
 *   invite: ({ userCode, verificationUri }) => Console.error(`Visit ${verificationUri} and enter ${userCode}`)
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
export const withTokenProvider = (
  config: ConnectionConfig
): Effect.Effect<ConnectionConfig, never, TokenProvider> =>
  Effect.map(TokenProvider, (tokenProvider): ConnectionConfig => ({ ...config, tokenProvider }))

const parse = (text: string): Settings => (scheme.test(text) ? parseUri(text) : parseConninfo(text))

/**
 * Reads a connection URI.
 *
 * **Details**
 *
 * `postgresql://user:password@host:port,host:port/database?key=value`, as libpq writes it, parts percent-encoded. A host
 * that begins with `/` (as `%2Ftmp`, or `?host=/tmp`) is the directory of a Unix socket. The keys of the query are libpq's
 * keywords; an unknown one is an error.
 *
 * Certificates can stand in the URI as PEM; files are read by {@link load}.
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
export const fromUri = (uri: string): Effect.Effect<ConnectionConfig, ConfigError> =>
  effect(() => interpret(parseUri(uri)))

/**
 * Reads a connection string in either of libpq's forms: a URI, or keywords and values.
 *
 * **Details**
 *
 * A text that does not begin with `postgresql://` or `postgres://` is one of keywords and values, such as
 * `host=db user=app password='it\'s'`: values that are empty or hold blanks want quotes, and a backslash takes the next
 * character as it is.
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
export const fromString = (text: string): Effect.Effect<ConnectionConfig, ConfigError> =>
  effect(() => interpret(parse(text)))

const toConfigError = (error: ConfigError): Config.ConfigError =>
  new Config.ConfigError(new ConfigProvider.SourceError({ message: error.message, cause: error }))

/** What the environment says, without the files that only `load` can look into. */
const withParameters = (config: ConnectionConfig, parameters: Readonly<Record<string, string>>): ConnectionConfig =>
  Object.keys(parameters).length === 0 ? config : { ...config, parameters }

/**
 * The configuration that the `PG*` variables describe, from Effect's `ConfigProvider`.
 *
 * **When to use**
 *
 * Use where there are no files, such as in a browser, or with another provider; {@link load} knows more.
 *
 * **Details**
 *
 * The variables are those of libpq, such as `PGHOST`, `PGPORT`, `PGUSER`, `PGPASSWORD`, `PGDATABASE`, `PGSSLMODE`. A
 * variable that is wrong fails, whether or not it would have been needed. `PGSERVICE` is not followed but refused.
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
    Effect.mapError(effect(() => withParameters(interpret(settings, user), parameters)), toConfigError)
)

/**
 * The configuration that a connection string describes, in the forms of {@link fromString}, from Effect's `Config`.
 *
 * **Example** (A URI from a variable)
 *
 * ```ts
 * import { ConnectionConfig } from "@hyperfect/client"
 * import { Config, ConfigProvider, Effect } from "effect"
 * import { strict as assert } from "node:assert"
 *
 * const variables = ConfigProvider.fromUnknown({ DATABASE_URL: "postgresql://app:s3cret@db.example/shop" })
 * const found = Effect.runSync(ConnectionConfig.configString(Config.Redacted("DATABASE_URL")).parse(variables))
 * assert.deepEqual(found.endpoint, { _tag: "Tcp", host: "db.example", port: 5432 })
 * ```
 *
 * @category config
 * @since 0.1.0
 */
export const configString = (
  text: Config.Config<string | Redacted.Redacted<string>>
): Config.Config<ConnectionConfig> =>
  Config.mapEffect(
    text,
    (text) => Effect.mapError(fromString(Redacted.isRedacted(text) ? Redacted.value(text) : text), toConfigError)
  )

/**
 * Provides the configuration that Effect's `Config` describes: that of {@link config}, or another one.
 *
 * **Example** (A pool for wherever the environment says)
 *
 * ```ts
 * import { ConnectionConfig, Pool } from "@hyperfect/client"
 * import { Config, Effect, Layer } from "effect"
 *
 * const Database = Layer.unwrap(Effect.map(ConnectionConfig.ConnectionConfig, (config) => Pool.layer(config)))
 *
 * const Live = Database.pipe(Layer.provide(ConnectionConfig.layerConfig()))
 *
 * const Other = Database.pipe(
 *   Layer.provide(ConnectionConfig.layerConfig(ConnectionConfig.configString(Config.Redacted("DATABASE_URL"))))
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  self: Config.Config<ConnectionConfig> = config
): Layer.Layer<ConnectionConfig, Config.ConfigError> => Layer.effect(ConnectionConfig, self)

/**
 * Finds the configuration the way libpq does: in a connection string, a service, the environment, and files.
 *
 * **Details**
 *
 * Each setting is taken from the first of these that has it:
 *
 * 1. the text, in the forms of {@link fromString};
 * 2. the service that the text or `PGSERVICE` names, in the service file: that of `PGSERVICEFILE`, else
 *    `~/.pg_service.conf`, else `pg_service.conf` in `PGSYSCONFDIR`;
 * 3. the `PG*` variables;
 * 4. the password file, for the password: that of `passfile` or `PGPASSFILE`, else `~/.pgpass`. It is read once; each
 *    host may have a password of its own;
 * 5. the defaults.
 *
 * `sslrootcert`, `sslcert`, `sslkey` and `sslcrl` name files, or are PEM themselves; when they are absent,
 * `~/.postgresql/root.crt`, `postgresql.crt`, `postgresql.key` and `root.crl` are used if they are there.
 *
 * **Gotchas**
 *
 * A password file that others than its owner can use is not used, with a warning; a key file like that is an error.
 *
 * @category constructors
 * @since 0.1.0
 */
export const load = Effect.fnUntraced(function*(text = ""): Effect.fn.Return<
  ConnectionConfig,
  ConfigError,
  FileSystem.FileSystem
> {
  const settings = yield* effect(() => parse(text))
  const environment = yield* Effect.mapError(
    files.environment,
    (error) => new ConfigError({ setting: "environment", kind: "invalid", problem: error.message })
  )
  yield* files.addService(settings, environment)
  addDefaults(settings, environment.settings)
  yield* files.readCertificates(settings, environment)
  const entries = (settings.get("password") ?? "") === "" ? yield* files.passwords(settings, environment) : []
  for (const key of ["service", "servicefile", "passfile"]) settings.delete(key)
  const found = yield* effect(() => interpret(settings, environment.user))
  const { database = found.user, user } = found
  return withParameters(
    entries.length === 0
      ? found
      : { ...found, passwordOf: (endpoint) => findPassword(entries, endpoint, database, user) },
    environment.parameters
  )
})
