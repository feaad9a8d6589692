/**
 * How to reach a server, and as whom.
 *
 * @since 0.1.0
 */
import type * as Login from "@hyperfect/auth/Login"
import type * as Policy from "@hyperfect/auth/Policy"
import type * as SaslPrep from "@hyperfect/auth/SaslPrep"
import * as Endpoint from "@hyperfect/transport/Endpoint"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { ConfigError } from "./ConfigError.ts"

/**
 * How the line is secured.
 *
 * **Details**
 *
 * The names are those of libpq's `sslmode`: `disable` speaks in clear, `require` speaks TLS with whoever answers,
 * `verify-full` speaks TLS with the owner of a trusted certificate for the host's name. None of them falls back.
 *
 * @category models
 * @since 0.1.0
 */
export type SslMode = "disable" | "require" | "verify-full"

/**
 * How to reach a server, and as whom.
 *
 * @category models
 * @since 0.1.0
 */
export interface ConnectionConfig {
  readonly endpoint: Endpoint.Endpoint
  readonly user: string
  /** The password, or the effect that finds it: run for each connection, and only when the server asks. */
  readonly password?: Login.Password | undefined
  /** The database to work in: on PostgreSQL the user's name when absent, on Hyper then none. */
  readonly database?: string | undefined
  /** `disable` when absent. */
  readonly sslMode?: SslMode | undefined
  /** Trusted roots in PEM, in place of the runtime's own. */
  readonly rootCertificates?: string | undefined
  /** Our own certificate chain in PEM, and its key. */
  readonly certificate?: string | undefined
  readonly key?: Redacted.Redacted<string> | undefined
  /** What the server's logs and views call this program; `hyperfect` when absent. */
  readonly applicationName?: string | undefined
  /** The start-up parameter `options`, such as `-c statement_timeout=5s`. */
  readonly options?: string | undefined
  /** Further start-up parameters. Hyper ignores those that it does not know. */
  readonly parameters?: Readonly<Record<string, string>> | undefined
  /** Milliseconds for opening, securing and logging in; 15,000 when absent. */
  readonly connectTimeout?: number | undefined
  /** How a password that is not plain ASCII is prepared: in full for PostgreSQL, the default; `"mapping"` for Hyper. */
  readonly saslPrep?: SaslPrep.Profile | undefined
  /** What the server may ask for as proof of who we are. */
  readonly policy?: Policy.Policy | undefined
  /** How many prepared statements a session keeps; 256 when absent, never fewer than one. On Hyper none. */
  readonly statementCacheSize?: number | undefined
}

type Draft = { -readonly [Key in keyof ConnectionConfig]?: ConnectionConfig[Key] } & {
  host?: string
  port?: number
}

const fail = (setting: string, problem: string): never => {
  throw new ConfigError({ setting, problem })
}

const sslModes: ReadonlyArray<string> = ["disable", "require", "verify-full"] satisfies ReadonlyArray<SslMode>

const port = (text: string): number => {
  const value = /^\d{1,5}$/.test(text) ? Number(text) : 0
  // The text is not shown: it can be the end of a password that should have been percent-encoded.
  return value > 0 && value <= 65_535 ? value : fail("port", "is not a number from 1 to 65535")
}

/** The keys of a URI's query, with what each does to the configuration. */
const keys: Readonly<Record<string, (draft: Draft, value: string) => void>> = {
  host: (draft, value) => void (draft.host = value),
  port: (draft, value) => void (draft.port = port(value)),
  user: (draft, value) => void (draft.user = value),
  password: (draft, value) => void (draft.password = Redacted.make(value)),
  dbname: (draft, value) => void (draft.database = value),
  sslmode: (draft, value) =>
    void (draft.sslMode = sslModes.includes(value)
      ? value as SslMode
      : fail("sslmode", `${JSON.stringify(value)} is not one of ${sslModes.join(", ")}`)),
  application_name: (draft, value) => void (draft.applicationName = value),
  options: (draft, value) => void (draft.options = value),
  connect_timeout: (draft, value) =>
    void (draft.connectTimeout = /^\d{1,6}$/.test(value)
      ? Number(value) * 1000
      : fail("connect_timeout", "is a whole number of seconds"))
}

/** The known key that is most like an unknown one, by the letters that they share at both ends. */
const nearest = (unknown: string): string => {
  const likeness = (key: string) => {
    let start = 0
    while (start < key.length && key[start] === unknown[start]) start++
    let end = 0
    while (end < key.length - start && key.at(-1 - end) === unknown.at(-1 - end)) end++
    return start + end
  }
  return Object.keys(keys).reduce((best, key) => (likeness(key) > likeness(best) ? key : best))
}

const decode = (setting: string, text: string): string => {
  try {
    const decoded = decodeURIComponent(text)
    return decoded.includes("\0") ? fail(setting, "may not hold a zero character") : decoded
  } catch (thrown) {
    if (thrown instanceof ConfigError) throw thrown
    return fail(setting, "is not percent-encoded UTF-8")
  }
}

const grammar =
  /^postgres(?:ql)?:\/\/(?:([^:@/?#]*)(?::([^@/?#]*))?@)?(\[[^\]]*\]|[^:@/?#]*)(?::([^/?#]*))?(?:\/([^?#]*))?(?:\?([^#]*))?$/

const parseUri = (uri: string): ConnectionConfig => {
  const match = grammar.exec(uri)
  if (match === null) return fail("uri", "is not of the form postgresql://user:password@host:port/database?key=value")
  const [, user, password, host, portText, database, query] = match
  const draft: Draft = {}
  if (user !== undefined && user !== "") draft.user = decode("user", user)
  if (password !== undefined) draft.password = Redacted.make(decode("password", password))
  if (host !== undefined && host !== "") draft.host = decode("host", host.replace(/^\[(.*)\]$/, "$1"))
  if (portText !== undefined && portText !== "") draft.port = port(portText)
  if (database !== undefined && database !== "") draft.database = decode("database", database)
  for (const pair of query === undefined || query === "" ? [] : query.split("&")) {
    const equals = pair.indexOf("=")
    if (equals < 0) fail("uri", "a parameter of the query has no value")
    const key = decode("uri", pair.slice(0, equals))
    if (!Object.hasOwn(keys, key)) fail(key, `is not a setting; did you mean ${nearest(key)}?`)
    // As in libpq, a setting without a value is one that was not made.
    if (equals < pair.length - 1) keys[key]!(draft, decode(key, pair.slice(equals + 1)))
  }
  const { host: where = "localhost", port: at = 5432, ...rest } = draft
  if (where.includes(",")) fail("host", "is one host, not several")
  return {
    ...rest,
    user: rest.user ?? fail("user", "is missing"),
    endpoint: where.startsWith("/") ? Endpoint.unix(`${where}/.s.PGSQL.${at}`) : Endpoint.tcp(where, at)
  }
}

/**
 * Reads a connection URI.
 *
 * **Details**
 *
 * `postgresql://user:password@host:port/database?key=value`, as libpq writes it, parts percent-encoded. A host that
 * begins with `/` (as `%2Ftmp`, or `?host=/tmp`) is the directory of a Unix socket. Keys: `host`, `port`, `user`,
 * `password`, `dbname`, `sslmode`, `application_name`, `options`, `connect_timeout`. An unknown key is an error, an empty
 * value is none.
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
  Effect.fromResult(Result.try({
    try: () => parseUri(uri),
    catch: (thrown) => {
      if (thrown instanceof ConfigError) return thrown
      throw thrown
    }
  }))
