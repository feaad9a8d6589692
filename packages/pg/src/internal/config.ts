/**
 * The options of `pg` as the configuration of a connection.
 *
 * @internal
 */
import * as ConnectionConfig from "@hyperfect/client/ConnectionConfig"
import { ConnectionConfigError } from "@hyperfect/client/ConnectionConfigError"
import * as Conninfo from "@hyperfect/client/Conninfo"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Redacted from "effect/Redacted"
import type { TypeParsers } from "./model.ts"

/**
 * The options of TLS. Others, such as `checkServerIdentity`, are refused: what is verified must not be less than was asked
 * for.
 *
 * @category models
 * @since 0.1.0
 */
export interface TlsConfig {
  /** False to accept any certificate; true when absent. */
  readonly rejectUnauthorized?: boolean | undefined
  /** Certificates and keys, in PEM. */
  readonly ca?: string | Uint8Array | undefined
  readonly cert?: string | Uint8Array | undefined
  readonly key?: string | Uint8Array | undefined
  readonly passphrase?: string | undefined
}

/**
 * The options of a client.
 *
 * **Details**
 *
 * Options that are absent are looked up as in libpq: in the `PG*` variables, the service file and the password file.
 * A setting of the connection string is preferred to an option.
 *
 * @category models
 * @since 0.1.0
 */
export interface ClientConfig {
  /** A URI, or keywords and values, as in libpq. */
  readonly connectionString?: string | undefined
  readonly host?: string | undefined
  readonly port?: number | undefined
  readonly user?: string | undefined
  /** The password, or a function that returns it for each connection. */
  readonly password?: string | (() => string | Promise<string>) | undefined
  readonly database?: string | undefined
  /**
   * True to verify the certificate and its name, false for no TLS. When absent or null, `sslmode` decides, which is
   * `prefer` when absent.
   */
  readonly ssl?: boolean | TlsConfig | null | undefined
  readonly sslnegotiation?: "postgres" | "direct" | undefined
  readonly application_name?: string | undefined
  readonly fallback_application_name?: string | undefined
  readonly options?: string | undefined
  /** Limits that the server sets, in milliseconds. */
  readonly statement_timeout?: number | false | undefined
  readonly lock_timeout?: number | false | undefined
  readonly idle_in_transaction_session_timeout?: number | false | undefined
  /** The time limit of each query, in milliseconds, after which it is cancelled; none when absent or 0. */
  readonly query_timeout?: number | undefined
  /** The time limit of connecting, and of waiting for a connection of a pool, in milliseconds. */
  readonly connectionTimeoutMillis?: number | undefined
  readonly keepAlive?: boolean | undefined
  readonly keepAliveInitialDelayMillis?: number | undefined
  /** The parsers of values; those of {@link types} when absent. */
  readonly types?: TypeParsers | undefined
}

/** The keywords of libpq for options that are single values. */
const keywords = {
  host: "host",
  port: "port",
  user: "user",
  password: "password",
  database: "dbname",
  sslnegotiation: "sslnegotiation",
  application_name: "application_name",
  fallback_application_name: "fallback_application_name",
  options: "options"
} as const satisfies Partial<Record<keyof ClientConfig, string>>

const timeouts = ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"] as const

const pem = (text: string | Uint8Array | undefined): string | undefined =>
  text instanceof Uint8Array ? new TextDecoder().decode(text) : text

const notSupported = (setting: string, problem: string) =>
  Effect.fail(new ConnectionConfigError({ setting, kind: "unsupported", problem }))

const tlsSettings = Effect.fnUntraced(function*(ssl: ClientConfig["ssl"]): Effect.fn.Return<
  Readonly<Record<string, string | undefined>>,
  ConnectionConfigError
> {
  if (ssl === undefined || ssl === null) return {}
  if (ssl === false) return { sslmode: "disable" }
  if (ssl !== true && typeof ssl !== "object") {
    return yield* notSupported("ssl", "is a boolean, or an object of options")
  }
  const { ca, cert, key, passphrase, rejectUnauthorized = true, ...others }: TlsConfig = ssl === true ? {} : ssl
  for (const [name, value] of Object.entries(others)) {
    if (value !== undefined) {
      return yield* notSupported(
        `ssl.${name}`,
        "is not supported; the options are rejectUnauthorized, ca, cert, key and passphrase"
      )
    }
  }
  return {
    sslmode: rejectUnauthorized ? "verify-full" : "require",
    sslrootcert: rejectUnauthorized ? pem(ca) ?? "system" : undefined,
    sslcert: pem(cert),
    sslkey: pem(key),
    sslpassword: passphrase
  }
})

const definedOnly = <A extends object>(fields: A): A =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as A

/** Returns the configuration of a connection. */
export const toConnectionConfig = Effect.fnUntraced(function*(options: ClientConfig): Effect.fn.Return<
  ConnectionConfig.ConnectionConfig,
  ConnectionConfigError,
  FileSystem.FileSystem
> {
  const { connectionString, keepAlive, password, ssl } = options
  const settings = new Map<string, string>()
  for (const [option, keyword] of Object.entries(keywords)) {
    const value = options[option as keyof typeof keywords]
    if (value !== undefined && value !== null && typeof value !== "function") settings.set(keyword, String(value))
  }
  for (const [keyword, value] of Object.entries(yield* tlsSettings(ssl))) {
    if (value !== undefined) settings.set(keyword, value)
  }
  if (connectionString !== undefined) {
    for (const [keyword, value] of yield* Conninfo.parse(connectionString)) {
      settings.set(keyword, Redacted.isRedacted(value) ? Redacted.value(value) : value)
    }
  }
  const conninfo = Array.from(settings, ([key, value]) => `${key}='${value.replaceAll(/[\\']/g, "\\$&")}'`)
  const config = yield* ConnectionConfig.load(conninfo.join(" "))
  const parameters: Record<string, string> = { ...config.parameters }
  for (const name of timeouts) {
    const value = options[name]
    if (value !== undefined && value !== false) parameters[name] = String(Math.trunc(value))
  }
  const found: ConnectionConfig.ConnectionConfig = {
    ...config,
    parameters,
    ...definedOnly({
      connectTimeout: options.connectionTimeoutMillis,
      queryTimeout: options.query_timeout || undefined,
      keepAlive,
      keepAliveInitialDelay: options.keepAliveInitialDelayMillis
    })
  }
  return typeof password !== "function" ? found : yield* ConnectionConfig.withPassword(
    found,
    Effect.tryPromise({ try: async () => Redacted.make(await password()), catch: (error) => error })
  )
})
