/**
 * What libpq's settings mean for a `ConnectionConfig`.
 *
 * @since 0.1.0
 */
import * as ProtocolVersion from "@hyperfect/auth/ProtocolVersion"
import * as RequireAuth from "@hyperfect/auth/RequireAuth"
import * as ScramVerifier from "@hyperfect/auth/ScramVerifier"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { check } from "./check.ts"
import type { ConnectionConfig } from "./config.ts"
import { readHosts } from "./hosts.ts"
import { fail, type Settings } from "./settings.ts"

type Draft = { -readonly [Key in keyof ConnectionConfig]?: ConnectionConfig[Key] }
type Read = (draft: Draft, value: string, key: string) => void

const choice = <const A extends string>(value: string, key: string, choices: ReadonlyArray<A>): A =>
  choices.find((known) => known === value) ?? fail(key, "invalid", `is one of ${choices.join(", ")}`)

/** A whole number of 32 bits, perhaps with blanks around it. */
const integer = (value: string, key: string, wanted: string): number => {
  const number = /^[ \t-\r]*[+-]?\d{1,10}[ \t-\r]*$/.test(value) ? Number(value) : NaN
  return Math.abs(number) < 2 ** 31 ? number : fail(key, "invalid", wanted)
}

const flag = (value: string, key: string): boolean => choice(value, key, ["0", "1"]) === "1"

/** Seconds in libpq's texts, milliseconds here; what is negative is none. */
const seconds = (value: string, key: string): number =>
  Math.max(0, integer(value, key, "is a whole number of seconds")) * 1000

const text = (key: "user" | "database" | "applicationName" | "options"): Read => (draft, value) => {
  if (value !== "") draft[key] = value
}

/** A certificate or the like: its text, since only `ConnectionConfig.load` reads files. */
const pem = (read: (draft: Draft, pem: string) => void): Read => (draft, value, key) => {
  if (value === "") return
  if (!value.includes("-----BEGIN ")) {
    fail(key, "unsupported", "names a file, which only ConnectionConfig.load reads; the text itself can stand here")
  }
  read(draft, value)
}

const protocolVersion = (value: string, key: string): ProtocolVersion.ProtocolVersion => {
  const version = choice(value, key, ["3.0", "3.2", "latest"])
  return version === "latest" ? ProtocolVersion.latest : version
}

const tlsVersions = ["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"] as const

const tlsVersion = (value: string, key: string) => choice(value.toLowerCase().replace("tls", "TLS"), key, tlsVersions)

const byLoadOnly: Read = (draft, value, key) => {
  if (value === "" || (key === "passfile" && draft.password !== undefined)) return
  fail(key, "unsupported", "is looked up by ConnectionConfig.load only")
}

/** Refuses a setting, but for values with which it would change nothing. */
const unsupported = (why: string, ...harmless: ReadonlyArray<string>): Read => (_, value, key) => {
  if (value !== "" && !harmless.includes(value.toLowerCase())) {
    fail(
      key,
      "unsupported",
      `${harmless.length === 0 ? "is not supported" : `can only be ${harmless.join(" or ")}`}: ${why}`
    )
  }
}

const byToken = "a program brings the token; see ConnectionConfig.withToken and withTokenProvider"

const noProbes = "the runtime's sockets can be told when the first probe is sent (keepalives_idle), and no more of them"

/** Has no effect here, and none that would be missed. */
const harmless: Read = () => {}

const readers: Readonly<Record<string, Read>> = {
  password: (draft, value) => {
    if (value !== "") draft.password = Redacted.make(value)
  },
  passfile: byLoadOnly,
  service: byLoadOnly,
  // Says where a service is looked up, if there is one.
  servicefile: harmless,
  user: text("user"),
  dbname: text("database"),
  options: text("options"),
  fallback_application_name: text("applicationName"),
  application_name: text("applicationName"),
  // readHosts
  host: harmless,
  hostaddr: harmless,
  port: harmless,
  connect_timeout: (draft, value, key) => {
    draft.connectTimeout = seconds(value, key)
  },
  client_encoding: unsupported("texts are JavaScript's, and are sent as UTF-8", "utf8", "utf-8", "unicode", "auto"),
  sslmode: (draft, value, key) => {
    draft.sslMode = choice(value, key, ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"])
  },
  sslnegotiation: (draft, value, key) => {
    draft.sslNegotiation = choice(value, key, ["postgres", "direct"])
  },
  sslrootcert: (draft, value, key) => {
    if (value !== "system") return pem((draft, pem) => void (draft.rootCertificates = pem))(draft, value, key)
    draft.sslMode ??= "verify-full"
    if (draft.sslMode !== "verify-full") {
      fail(key, "invalid", "is system, with which only sslmode=verify-full is safe")
    }
  },
  sslcert: pem((draft, pem) => void (draft.certificate = pem)),
  sslkey: pem((draft, pem) => void (draft.key = Redacted.make(pem))),
  sslpassword: (draft, value) => {
    if (value !== "") draft.keyPassword = Redacted.make(value)
  },
  sslcrl: pem((draft, pem) => void (draft.revocationList = pem)),
  sslcrldir: byLoadOnly,
  sslsni: (draft, value, key) => {
    if (!flag(value, key)) draft.sslSni = false
  },
  sslcertmode: (draft, value, key) => {
    const mode = choice(value, key, ["disable", "allow", "require"])
    if (mode === "require") {
      fail(
        key,
        "unsupported",
        "can only be disable or allow: the runtime does not tell whether the server has asked for it"
      )
    }
    if (mode === "disable") {
      delete draft.certificate
      delete draft.key
    }
  },
  ssl_min_protocol_version: (draft, value, key) => {
    if (value !== "") draft.minTlsVersion = tlsVersion(value, key)
  },
  ssl_max_protocol_version: (draft, value, key) => {
    if (value !== "") draft.maxTlsVersion = tlsVersion(value, key)
  },
  // libpq ignores it, too: no TLS library compresses any more.
  sslcompression: harmless,
  sslkeylogfile: unsupported("whoever has that file can read along; Node.js writes one with --tls-keylog"),
  requirepeer: unsupported("the runtime does not tell who is at the other end of a Unix socket"),
  require_auth: (draft, value, key) => {
    const methods = RequireAuth.parse(value)
    if (Result.isFailure(methods)) return fail(key, "invalid", methods.failure.message)
    if (methods.success !== undefined) draft.policy = { ...draft.policy, methods: methods.success }
  },
  channel_binding: (draft, value, key) => {
    draft.policy = { ...draft.policy, channelBinding: choice(value, key, ["disable", "prefer", "require"]) }
  },
  min_protocol_version: (draft, value, key) => {
    if (value !== "") draft.minProtocolVersion = protocolVersion(value, key)
  },
  max_protocol_version: (draft, value, key) => {
    if (value !== "") draft.maxProtocolVersion = protocolVersion(value, key)
  },
  gssencmode: (_, value, key) => {
    if (choice(value, key, ["disable", "prefer", "require"]) === "require") {
      fail(key, "unsupported", "can only be disable or prefer: there is no GSSAPI here")
    }
  },
  // Without GSSAPI there is nothing that they could change.
  krbsrvname: harmless,
  gsslib: harmless,
  gssdelegation: harmless,
  replication: unsupported(
    "a session that is replicated from has other commands; Replication opens one",
    "false",
    "off",
    "no",
    "0"
  ),
  target_session_attrs: (draft, value, key) => {
    draft.targetSessionAttrs = choice(value, key, [
      "any",
      "read-write",
      "read-only",
      "primary",
      "standby",
      "prefer-standby"
    ])
  },
  load_balance_hosts: (draft, value, key) => {
    draft.loadBalanceHosts = choice(value, key, ["disable", "random"])
  },
  keepalives: (draft, value, key) => {
    draft.keepAlive = integer(value, key, "is 0 or 1") !== 0
  },
  keepalives_idle: (draft, value, key) => {
    const delay = seconds(value, key)
    if (delay > 0) draft.keepAliveInitialDelay = delay
  },
  keepalives_interval: unsupported(noProbes, "0"),
  keepalives_count: unsupported(noProbes, "0"),
  tcp_user_timeout: unsupported(
    "the runtime's sockets do not have it; keepalives_idle notices lines that are idle",
    "0"
  ),
  // scramKeys
  scram_client_key: harmless,
  scram_server_key: harmless,
  oauth_issuer: unsupported(byToken),
  oauth_client_id: unsupported(byToken),
  oauth_client_secret: unsupported(byToken),
  oauth_scope: unsupported(byToken)
}

/** The two keys, which are of no use without each other. */
const scramKeys = (settings: Settings): Pick<ConnectionConfig, "scramKeys"> => {
  const client = settings.get("scram_client_key") ?? ""
  const server = settings.get("scram_server_key") ?? ""
  if (client === "" && server === "") return {}
  if (client === "") fail("scram_client_key", "missing", "is missing, although there is a scram_server_key")
  if (server === "") fail("scram_server_key", "missing", "is missing, although there is a scram_client_key")
  const keys = ScramVerifier.parseSecretKeys(Redacted.make(client), Redacted.make(server))
  return { scramKeys: keys ?? fail("scram_client_key", "invalid", "and scram_server_key are 32 bytes each, in Base64") }
}

/**
 * Reads settings. The user of the operating system stands in for one that is not named.
 *
 * @internal
 */
export const interpret = (settings: Settings, defaultUser?: string): ConnectionConfig => {
  const draft: Draft = {}
  // In the order of the table: some look at what others have set.
  for (const [key, read] of Object.entries(readers)) {
    const value = settings.get(key)
    if (value !== undefined) read(draft, value, key)
  }
  const user = draft.user ?? defaultUser ?? fail("user", "missing", "is missing")
  const [endpoint, ...alternatives] = readHosts(settings)
  const config: ConnectionConfig = {
    ...draft,
    ...scramKeys(settings),
    endpoint,
    ...(alternatives.length > 0 ? { alternatives } : {}),
    user
  }
  const flaw = check(config)
  if (flaw !== undefined) throw flaw
  return config
}
