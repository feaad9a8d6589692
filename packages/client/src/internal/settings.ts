/**
 * libpq's settings by their keywords, as texts: what a URI, a keyword/value string, a service file and the environment
 * all come to before anybody asks what the texts mean.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { ConfigError } from "../ConfigError.ts"

/** @internal */
export type Settings = Map<string, string>

/** Every keyword of PostgreSQL 18, with the environment variable that stands in for it ("" when there is none). */
const keywords: Readonly<Record<string, string>> = {
  service: "PGSERVICE",
  servicefile: "PGSERVICEFILE",
  user: "PGUSER",
  password: "PGPASSWORD",
  passfile: "PGPASSFILE",
  channel_binding: "PGCHANNELBINDING",
  connect_timeout: "PGCONNECT_TIMEOUT",
  dbname: "PGDATABASE",
  host: "PGHOST",
  hostaddr: "PGHOSTADDR",
  port: "PGPORT",
  client_encoding: "PGCLIENTENCODING",
  options: "PGOPTIONS",
  application_name: "PGAPPNAME",
  fallback_application_name: "",
  keepalives: "",
  keepalives_idle: "",
  keepalives_interval: "",
  keepalives_count: "",
  tcp_user_timeout: "",
  sslmode: "PGSSLMODE",
  sslnegotiation: "PGSSLNEGOTIATION",
  sslcompression: "PGSSLCOMPRESSION",
  sslcert: "PGSSLCERT",
  sslkey: "PGSSLKEY",
  sslcertmode: "PGSSLCERTMODE",
  sslpassword: "",
  sslrootcert: "PGSSLROOTCERT",
  sslcrl: "PGSSLCRL",
  sslcrldir: "PGSSLCRLDIR",
  sslsni: "PGSSLSNI",
  sslkeylogfile: "",
  requirepeer: "PGREQUIREPEER",
  require_auth: "PGREQUIREAUTH",
  min_protocol_version: "PGMINPROTOCOLVERSION",
  max_protocol_version: "PGMAXPROTOCOLVERSION",
  ssl_min_protocol_version: "PGSSLMINPROTOCOLVERSION",
  ssl_max_protocol_version: "PGSSLMAXPROTOCOLVERSION",
  gssencmode: "PGGSSENCMODE",
  krbsrvname: "PGKRBSRVNAME",
  gsslib: "PGGSSLIB",
  gssdelegation: "PGGSSDELEGATION",
  replication: "",
  target_session_attrs: "PGTARGETSESSIONATTRS",
  load_balance_hosts: "PGLOADBALANCEHOSTS",
  scram_client_key: "",
  scram_server_key: "",
  oauth_issuer: "",
  oauth_client_id: "",
  oauth_client_secret: "",
  oauth_scope: ""
}

/**
 * The environment variables of {@link keywords}.
 *
 * @internal
 */
export const variables: ReadonlyArray<readonly [keyword: string, variable: string]> = Object.entries(keywords).filter(
  ([, variable]) => variable !== ""
)

/** @internal */
export const fail = (setting: string, kind: ConfigError["kind"], problem: string): never => {
  throw new ConfigError({ setting, kind, problem })
}

/**
 * Runs what throws `ConfigError`s.
 *
 * @internal
 */
export const attempt = <A>(evaluate: () => A): Result.Result<A, ConfigError> =>
  Result.try({
    try: evaluate,
    catch: (thrown) => {
      if (thrown instanceof ConfigError) return thrown
      throw thrown
    }
  })

/** @internal */
export const effect = <A>(evaluate: () => A): Effect.Effect<A, ConfigError> =>
  Effect.suspend(() => Effect.fromResult(attempt(evaluate)))

/** What other clients call them. */
const aliases: ReadonlyMap<string, string> = new Map([
  ["ssl", "sslmode"],
  ["database", "dbname"],
  ["username", "user"],
  ["timeout", "connect_timeout"],
  ["connection_timeout", "connect_timeout"]
])

/** The keyword that is most like an unknown one, by the letters that they share at both ends. */
const nearest = (key: string): string => {
  const unknown = key.toLowerCase()
  const alias = aliases.get(unknown)
  if (alias !== undefined) return alias
  const likeness = (key: string) => {
    let start = 0
    while (start < key.length && key[start] === unknown[start]) start++
    let end = 0
    while (end < key.length - start && key.at(-1 - end) === unknown.at(-1 - end)) end++
    return start + end - Math.abs(key.length - unknown.length) / 2
  }
  return Object.keys(keywords).reduce((best, key) => (likeness(key) > likeness(best) ? key : best))
}

/**
 * Sets a keyword; the last one counts. `requiressl` is what libpq had before `sslmode`.
 *
 * @internal
 */
export const set = (settings: Settings, key: string, value: string): void => {
  if (value.includes("\0")) fail(key, "invalid", "may not hold a zero character")
  if (key === "requiressl") {
    settings.set("sslmode", value.startsWith("1") ? "require" : "prefer")
  } else if (Object.hasOwn(keywords, key)) {
    settings.set(key, value)
  } else {
    fail(key, "unknown", `is not a setting; did you mean ${nearest(key)}?`)
  }
}

/**
 * Adds the settings that are not made yet.
 *
 * @internal
 */
export const addDefaults = (settings: Settings, defaults: ReadonlyMap<string, string>): void => {
  for (const [key, value] of defaults) {
    if (!settings.has(key)) settings.set(key, value)
  }
}
