/**
 * Conversion of libpq's settings to a `ConnectionConfig`, by the table of settings.
 *
 * @since 0.1.0
 */
import * as ScramVerifier from "@hyperfect/auth/ScramVerifier"
import * as Result from "effect/Result"
import { parseEndpoints } from "./hosts.ts"
import type { ConnectionConfig } from "./model.ts"
import { type Settings, throwConfigError } from "./settings.ts"
import { keywords, type Places, type Refusal, settingTable } from "./settingTable.ts"
import { validate } from "./validate.ts"

type Parts = Partial<Places>

const readParts = (settings: Settings): Parts => {
  const parts: Partial<Record<keyof Places, unknown>> = {}
  for (const keyword of keywords) {
    const setting = settingTable[keyword]
    const text = settings.get(keyword)
    if (text === undefined) continue
    const read: Result.Result<unknown, Refusal> = setting.read(text, settings)
    if (Result.isFailure(read)) return throwConfigError(keyword, read.failure.kind, read.failure.problem)
    if ("place" in setting && read.success !== undefined) parts[setting.place] = read.success
  }
  return parts as Parts
}

/** Returns the two SCRAM keys, which are required together. */
const scramKeys = ({ scramClientKey: client, scramServerKey: server }: Parts) => {
  if (client === undefined && server === undefined) return undefined
  const [missing, present] = client === undefined ? ["client", "server"] : ["server", "client"]
  return client === undefined || server === undefined
    ? throwConfigError(`scram_${missing}_key`, "missing", `is missing, although there is a scram_${present}_key`)
    : ScramVerifier.parseSecretKeys(client, server) ??
      throwConfigError("scram_client_key", "invalid", "and scram_server_key are 32 bytes each, in Base64")
}

/** Returns the client's identity at an authorization server, whose issuer and client are required together. */
const oauth = (parts: Parts): ConnectionConfig["oauth"] => {
  const { oauthClientId: clientId, oauthClientSecret: clientSecret, oauthIssuer: issuer, oauthScope: scope } = parts
  if (issuer !== undefined && clientId !== undefined) return { issuer, clientId, clientSecret, scope }
  if ((issuer ?? clientId ?? clientSecret ?? scope) === undefined) return undefined
  return throwConfigError(
    issuer === undefined ? "oauth_issuer" : "oauth_client_id",
    "missing",
    "is missing, although there are other settings for OAuth"
  )
}

/** Returns the fields for trust in the server. libpq refuses weaker modes with the system's root certificates. */
const trust = ({ rootCertificates, sslMode }: Parts): Pick<ConnectionConfig, "sslMode" | "rootCertificates"> =>
  rootCertificates !== "system"
    ? { sslMode, rootCertificates }
    : (sslMode ?? "verify-full") === "verify-full"
    ? { sslMode: "verify-full", rootCertificates: undefined }
    : throwConfigError("sslrootcert", "invalid", "is system, with which only sslmode=verify-full is safe")

const withoutUndefined = <A extends object>(fields: A): A =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as A

/**
 * Makes a configuration from settings. `user` defaults to the operating system's user.
 *
 * @internal
 */
export const applySettings = (settings: Settings, defaultUser?: string): ConnectionConfig => {
  const parts = readParts(settings)
  const { addresses, certificateMode, channelBinding, hosts, ports, requireAuth, ...fields } = parts
  const { scramClientKey: _client, scramServerKey: _server, ...rest } = fields
  const { oauthClientId: _id, oauthClientSecret: _secret, oauthIssuer: _issuer, oauthScope: _scope, ...own } = rest
  const [endpoint, ...alternatives] = parseEndpoints(hosts, addresses, ports)
  const config = withoutUndefined<ConnectionConfig>({
    ...own,
    ...trust(parts),
    ...certificateMode === "disable" ? { certificate: undefined, key: undefined } : {},
    policy: requireAuth ?? channelBinding ? withoutUndefined({ ...requireAuth, channelBinding }) : undefined,
    scramKeys: scramKeys(parts),
    oauth: oauth(parts),
    endpoint,
    alternatives: alternatives.length > 0 ? alternatives : undefined,
    user: parts.user ?? defaultUser ?? throwConfigError("user", "missing", "is missing")
  })
  const flaw = validate(config)
  if (flaw !== undefined) throw flaw
  return config
}
