/**
 * The table of libpq's settings: every keyword of PostgreSQL 18, and `servicefile` and `oauth_ca_file` of 19, with its environment variable and the field that it
 * fills.
 *
 * The value that a reader returns is assigned to the setting's field; a setting without a field has a reader without a
 * value, and a note that says why. So no keyword is accepted and ignored by mistake. Readers do not know their keyword:
 * the error gets it from the table.
 *
 * @since 0.1.0
 */
import type * as Policy from "@hyperfect/auth/Policy"
import * as ProtocolVersion from "@hyperfect/auth/ProtocolVersion"
import * as RequireAuth from "@hyperfect/auth/RequireAuth"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type { ConnectionConfigError } from "../../ConnectionConfigError.ts"
import type { ConnectionConfig } from "./model.ts"

/**
 * The fields that settings fill, and the parts of those that several settings fill together.
 *
 * @internal
 */
export type Places =
  & { readonly [Field in keyof ConnectionConfig]-?: Exclude<ConnectionConfig[Field], undefined> }
  & {
    readonly hosts: ReadonlyArray<string>
    readonly addresses: ReadonlyArray<string>
    readonly ports: ReadonlyArray<string>
    readonly certificateMode: "disable" | "allow"
    readonly requireAuth: Policy.Policy
    readonly channelBinding: Policy.ChannelBinding
    readonly scramClientKey: Redacted.Redacted<string>
    readonly scramServerKey: Redacted.Redacted<string>
    readonly oauthIssuer: string
    readonly oauthClientId: string
    readonly oauthClientSecret: Redacted.Redacted<string>
    readonly oauthScope: string
  }

/** @internal */
export type Refusal = Pick<ConnectionConfigError, "kind" | "problem">

/** A text's value; `undefined` stands for the default. */
type Read<A> = Result.Result<A | undefined, Refusal>

type Reader<A> = (text: string) => Read<A>

type Others = ReadonlyMap<string, string>

/** @internal */
export type Setting =
  & {
    readonly variable?: `PG${string}`
    readonly isSecret?: true
    /** The file in the user's directory that is read when the setting is absent. */
    readonly defaultFile?: string
  }
  & (
    | {
      [Place in keyof Places]: {
        readonly place: Place
        readonly read: (text: string, others: Others) => Read<Places[Place]>
        /** The values that the field may have. */
        readonly choices?: ReadonlyArray<string>
      }
    }[keyof Places]
    | { readonly note: string; readonly read: (text: string, others: Others) => Read<never> }
  )

const refuse = (kind: Refusal["kind"], problem: string) => Result.fail<Refusal>({ kind, problem })

const orDefault = <A>(read: Reader<A>): Reader<A> => (text) => text === "" ? Result.succeed(undefined) : read(text)

const text = orDefault((text) => Result.succeed(text))

const secret = orDefault((text) => Result.succeed(Redacted.make(text)))

const list = orDefault((text) => Result.succeed(text.split(",")))

const oneOf = <const A extends string>(choices: ReadonlyArray<A>): Reader<A> => (text) => {
  const found = choices.find((choice) => choice === text)
  return found === undefined ? refuse("invalid", `must be one of ${choices.join(", ")}`) : Result.succeed(found)
}

const choice = <const Place extends keyof Places>(place: Place, ...choices: ReadonlyArray<Places[Place] & string>) => ({
  place,
  choices,
  read: oneOf(choices)
})

/** Reads a 32-bit integer, possibly surrounded by blanks. */
const integer = (problem: string): Reader<number> => (text) => {
  const number = /^[ \t-\r]*[+-]?\d{1,10}[ \t-\r]*$/.test(text) ? Number(text) : NaN
  return Math.abs(number) < 2 ** 31 ? Result.succeed(number) : refuse("invalid", problem)
}

/** Converts seconds, as in libpq's texts, to milliseconds; a negative number counts as 0. */
const milliseconds = (text: string) =>
  Result.map(integer("must be a whole number of seconds")(text), (seconds) => Math.max(0, seconds!) * 1000)

/** Reads PEM text of a certificate, key or list; only `ConnectionConfig.load` reads files. */
const positiveMilliseconds = (text: string) => Result.map(milliseconds(text), (time) => time === 0 ? undefined : time)

const pem: Reader<string> = orDefault((text) =>
  text.includes("-----BEGIN ")
    ? Result.succeed(text)
    : refuse("unsupported", "names a file, which only ConnectionConfig.load reads; the text itself can stand here")
)

const tlsVersion = <const Place extends "minTlsVersion" | "maxTlsVersion">(place: Place) => {
  const versions = ["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"] as const
  return {
    place,
    choices: versions,
    read: orDefault((text) => oneOf(versions)(text.toLowerCase().replace("tls", "TLS")))
  }
}

const protocolVersion = <const Place extends "minProtocolVersion" | "maxProtocolVersion">(place: Place) => ({
  place,
  choices: ProtocolVersion.ProtocolVersion.literals,
  read: orDefault((text) =>
    Result.map(
      oneOf([...ProtocolVersion.ProtocolVersion.literals, "latest"])(text),
      (version) => version === "latest" ? ProtocolVersion.latest : version
    )
  )
})

/** A setting that `ConnectionConfig.load` alone uses; elsewhere it is refused if it has an effect. */
const loaded = (hasEffect: (others: Others) => boolean) => ({
  note: "read by `ConnectionConfig.load` only",
  read: (text: string, others: Others) =>
    text !== "" && hasEffect(others)
      ? refuse("unsupported", "is looked up by ConnectionConfig.load only")
      : Result.succeed(undefined)
})

/** A setting that is refused, except for empty and harmless texts. */
const unsupported = (why: string, ...harmless: ReadonlyArray<string>) => {
  const problem = `${harmless.length === 0 ? "is not supported" : `can only be ${harmless.join(" or ")}`}: ${why}`
  return {
    note: problem,
    read: (text: string) =>
      text === "" || harmless.includes(text.toLowerCase()) ? Result.succeed(undefined) : refuse("unsupported", problem)
  }
}

const noEffect = (why: string) => ({ note: `has no effect: ${why}`, read: () => Result.succeed(undefined) })

const gssapiOnly = noEffect("it configures libpq's own GSSAPI; here, the program supplies a GssProvider")

/** Of two settings that fill the same field the later one counts. */
const table = {
  service: { variable: "PGSERVICE", ...loaded(() => true) },
  // Only names the file in which a service is looked up.
  servicefile: { variable: "PGSERVICEFILE", ...loaded(() => false) },
  passfile: { variable: "PGPASSFILE", ...loaded((others) => (others.get("password") ?? "") === "") },
  user: { variable: "PGUSER", place: "user", read: text },
  password: { variable: "PGPASSWORD", isSecret: true, place: "password", read: secret },
  dbname: { variable: "PGDATABASE", place: "database", read: text },
  host: { variable: "PGHOST", place: "hosts", read: list },
  hostaddr: { variable: "PGHOSTADDR", place: "addresses", read: list },
  port: { variable: "PGPORT", place: "ports", read: list },
  options: { variable: "PGOPTIONS", place: "options", read: text },
  fallback_application_name: { place: "applicationName", read: text },
  application_name: { variable: "PGAPPNAME", place: "applicationName", read: text },
  connect_timeout: { variable: "PGCONNECT_TIMEOUT", place: "connectTimeout", read: milliseconds },
  client_encoding: {
    variable: "PGCLIENTENCODING",
    ...unsupported("JavaScript's strings are always sent as UTF-8", "utf8", "utf-8", "unicode", "auto")
  },
  sslmode: {
    variable: "PGSSLMODE",
    ...choice("sslMode", "disable", "allow", "prefer", "require", "verify-ca", "verify-full")
  },
  sslnegotiation: { variable: "PGSSLNEGOTIATION", ...choice("sslNegotiation", "postgres", "direct") },
  sslrootcert: {
    variable: "PGSSLROOTCERT",
    defaultFile: "root.crt",
    place: "rootCertificates",
    read: (text) => text === "system" ? Result.succeed(text) : pem(text)
  },
  sslcert: { variable: "PGSSLCERT", defaultFile: "postgresql.crt", place: "certificate", read: pem },
  sslkey: {
    variable: "PGSSLKEY",
    isSecret: true,
    defaultFile: "postgresql.key",
    place: "key",
    read: (text) => Result.map(pem(text), (key) => key === undefined ? undefined : Redacted.make(key))
  },
  sslpassword: { isSecret: true, place: "keyPassword", read: secret },
  sslcertmode: {
    variable: "PGSSLCERTMODE",
    place: "certificateMode",
    read: (text) =>
      text === "require"
        ? refuse(
          "unsupported",
          "can only be disable or allow: the runtime does not report if the server has requested it"
        )
        : oneOf(["disable", "allow"])(text)
  },
  sslcrl: { variable: "PGSSLCRL", defaultFile: "root.crl", place: "revocationList", read: pem },
  sslcrldir: { variable: "PGSSLCRLDIR", ...loaded(() => true) },
  sslsni: {
    variable: "PGSSLSNI",
    place: "sslSni",
    read: (text) => Result.map(oneOf(["0", "1"])(text), (flag) => flag === "0" ? false : undefined)
  },
  ssl_min_protocol_version: { variable: "PGSSLMINPROTOCOLVERSION", ...tlsVersion("minTlsVersion") },
  ssl_max_protocol_version: { variable: "PGSSLMAXPROTOCOLVERSION", ...tlsVersion("maxTlsVersion") },
  sslcompression: { variable: "PGSSLCOMPRESSION", ...noEffect("TLS libraries no longer compress") },
  sslkeylogfile: unsupported("with that file, anyone can decrypt the connection; Node.js writes one with --tls-keylog"),
  requirepeer: {
    variable: "PGREQUIREPEER",
    ...unsupported("the runtime does not report the user at the other end of a Unix socket")
  },
  require_auth: {
    variable: "PGREQUIREAUTH",
    place: "requireAuth",
    read: (text) =>
      Result.mapBoth(RequireAuth.toPolicy(text), {
        onFailure: ({ message }): Refusal => ({ kind: "invalid", problem: message }),
        onSuccess: (policy) => policy.methods === undefined ? undefined : policy
      })
  },
  channel_binding: { variable: "PGCHANNELBINDING", ...choice("channelBinding", "disable", "prefer", "require") },
  min_protocol_version: { variable: "PGMINPROTOCOLVERSION", ...protocolVersion("minProtocolVersion") },
  max_protocol_version: { variable: "PGMAXPROTOCOLVERSION", ...protocolVersion("maxProtocolVersion") },
  gssencmode: {
    variable: "PGGSSENCMODE",
    ...unsupported("connections are encrypted by TLS only", "disable", "prefer")
  },
  krbsrvname: { variable: "PGKRBSRVNAME", ...gssapiOnly },
  gsslib: { variable: "PGGSSLIB", ...gssapiOnly },
  gssdelegation: { variable: "PGGSSDELEGATION", ...gssapiOnly },
  replication: unsupported(
    "sessions for replication have other commands; the Replication module opens one",
    "false",
    "off",
    "no",
    "0"
  ),
  target_session_attrs: {
    variable: "PGTARGETSESSIONATTRS",
    ...choice("targetSessionAttrs", "any", "read-write", "read-only", "primary", "standby", "prefer-standby")
  },
  load_balance_hosts: { variable: "PGLOADBALANCEHOSTS", ...choice("loadBalanceHosts", "disable", "random") },
  keepalives: { place: "keepAlive", read: (text) => Result.map(integer("is 0 or 1")(text), (number) => number !== 0) },
  keepalives_idle: { place: "keepAliveInitialDelay", read: positiveMilliseconds },
  keepalives_interval: { place: "keepAliveInterval", read: positiveMilliseconds },
  keepalives_count: {
    place: "keepAliveCount",
    read: (text) => Result.map(integer("must be a whole number")(text), (count) => count! > 0 ? count : undefined)
  },
  tcp_user_timeout: unsupported(
    "the runtime's sockets do not support it; keepalives_idle detects lost idle connections",
    "0"
  ),
  scram_client_key: { isSecret: true, place: "scramClientKey", read: secret },
  scram_server_key: { isSecret: true, place: "scramServerKey", read: secret },
  oauth_issuer: {
    place: "oauthIssuer",
    read: orDefault((text) =>
      /^https:\/\/[^\s]+$/i.test(text) ? Result.succeed(text) : refuse("invalid", "begins with https://")
    )
  },
  oauth_client_id: { place: "oauthClientId", read: text },
  oauth_client_secret: { isSecret: true, place: "oauthClientSecret", read: secret },
  oauth_scope: { place: "oauthScope", read: text },
  oauth_ca_file: unsupported(
    "the program's HTTP client verifies the authorization server; Node.js adds the certificates of NODE_EXTRA_CA_CERTS"
  )
} satisfies Readonly<Record<string, Setting>>

/** @internal */
export type Keyword = keyof typeof table

/**
 * The settings by keyword.
 *
 * @internal
 */
export const settingTable: Readonly<Record<Keyword, Setting>> = table

/**
 * The keywords in the order of the table.
 *
 * @internal
 */
export const keywords = Object.keys(table) as ReadonlyArray<Keyword>

/** @internal */
export const isKeyword = (name: string): name is Keyword => Object.hasOwn(table, name)
