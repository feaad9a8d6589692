/**
 * Checks for invalid and conflicting settings.
 *
 * @since 0.1.0
 */
import * as ProtocolVersion from "@hyperfect/auth/ProtocolVersion"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { ConnectionConfigError } from "../../ConnectionConfigError.ts"
import { postgres } from "../../Dialect.ts"
import { isUtf8 } from "../model/encoding.ts"
import { durationSettings, toDuration } from "./durations.ts"
import type { ConnectionConfig } from "./model.ts"
import { countProblem } from "./settings.ts"
import { keywords, settingTable } from "./settingTable.ts"

/** The settings whose fields are secret or have choices. */
const checkedSettings = keywords.flatMap((keyword) => {
  const setting = settingTable[keyword]
  return "place" in setting && (setting.isSecret ?? setting.choices) !== undefined ? [{ keyword, ...setting }] : []
})

/** @internal */
export const validate = (config: ConnectionConfig): ConnectionConfigError | undefined => {
  const invalid = (setting: string, problem: string) => new ConnectionConfigError({ setting, kind: "invalid", problem })
  // A configuration may come from untyped code.
  const values: Readonly<Record<string, unknown>> = { ...config, channelBinding: config.policy?.channelBinding }
  const requireRedacted = (field: string) => {
    const secret = values[field]
    const isFetched = (field === "password" || field === "token") && Effect.isEffect(secret)
    return secret === undefined || isFetched || Redacted.isRedacted(secret)
      ? undefined
      : invalid(field, "is not a Redacted value; create one with Redacted.make, so that it is never printed")
  }
  for (const { choices, isSecret, keyword, place } of checkedSettings) {
    const value = values[place]
    const flaw = isSecret === true ? requireRedacted(place) : undefined
    if (flaw !== undefined) return flaw
    if (value !== undefined && choices?.includes(value as string) === false) {
      return invalid(keyword, `must be one of ${choices.join(", ")}`)
    }
  }
  const flaw = requireRedacted("token")
  if (flaw !== undefined) return flaw
  for (const name of durationSettings) {
    if (values[name] !== undefined && Option.isNone(toDuration(values[name]))) {
      return invalid(name, "must be a duration, such as \"5 seconds\" or a number of milliseconds")
    }
  }
  for (const name of ["keepAliveCount", "statementCacheSize"] as const) {
    const problem = countProblem(config[name] ?? 0, 0)
    if (problem !== undefined) return invalid(name, problem)
  }
  const known = postgres as unknown as Readonly<Record<string, unknown>>
  for (const [name, value] of Object.entries(config.dialect ?? {})) {
    const type = name === "name" || name === "isOverridden" || !Object.hasOwn(known, name) ? "none" : typeof known[name]
    if (type === "none") return invalid(`dialect.${name}`, "is no capability that can be overridden")
    if (value !== undefined && typeof value !== type) return invalid(`dialect.${name}`, `is no ${type}`)
  }
  for (const [name, value] of Object.entries(config.parameters ?? {})) {
    if (name.toLowerCase() === "client_encoding" && !isUtf8(value)) {
      return invalid("client_encoding", `is ${value}: JavaScript's strings are always sent as UTF-8`)
    }
  }
  const { maxTlsVersion, minTlsVersion, sslMode = "prefer", sslNegotiation } = config
  if (sslNegotiation === "direct" && ["disable", "allow", "prefer"].includes(sslMode)) {
    return invalid(
      "sslnegotiation",
      `is direct, which sslmode=${sslMode} is too weak for; require, verify-ca and ` +
        "verify-full are not"
    )
  }
  if (sslMode === "verify-ca" && config.rootCertificates === undefined) {
    return invalid("sslmode", "is verify-ca, which wants a root certificate of one's own (sslrootcert)")
  }
  // The names sort by their versions.
  if (minTlsVersion !== undefined && maxTlsVersion !== undefined && minTlsVersion > maxTlsVersion) {
    return invalid("ssl_max_protocol_version", "is lower than ssl_min_protocol_version")
  }
  const protocol = ProtocolVersion.limits(config)
  if (ProtocolVersion.toNumber(protocol.min) > ProtocolVersion.toNumber(protocol.max)) {
    return invalid("min_protocol_version", "is greater than max_protocol_version")
  }
  return undefined
}
