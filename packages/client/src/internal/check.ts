/**
 * What settings do not go together.
 *
 * @since 0.1.0
 */
import * as ProtocolVersion from "@hyperfect/auth/ProtocolVersion"
import { ConfigError } from "../ConfigError.ts"
import type { ConnectionConfig } from "./config.ts"

const tlsVersions: ReadonlyArray<string | undefined> = ["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"]

/** @internal */
export const check = (config: ConnectionConfig): ConfigError | undefined => {
  const invalid = (setting: string, problem: string) => new ConfigError({ setting, kind: "invalid", problem })
  const { sslMode = "prefer" } = config
  if (config.sslNegotiation === "direct" && ["disable", "allow", "prefer"].includes(sslMode)) {
    return invalid(
      "sslnegotiation",
      `is direct, which sslmode=${sslMode} is too weak for; require, verify-ca and ` +
        "verify-full are not"
    )
  }
  if (sslMode === "verify-ca" && config.rootCertificates === undefined) {
    return invalid("sslmode", "is verify-ca, which wants a root certificate of one's own (sslrootcert)")
  }
  const [least, most] = [config.minTlsVersion, config.maxTlsVersion].map((version) => tlsVersions.indexOf(version))
  if (most !== -1 && least! > most!) {
    return invalid("ssl_max_protocol_version", "is lower than ssl_min_protocol_version")
  }
  const protocol = ProtocolVersion.limits(config)
  if (ProtocolVersion.toNumber(protocol.min) > ProtocolVersion.toNumber(protocol.max)) {
    return invalid("min_protocol_version", "is greater than max_protocol_version")
  }
  return undefined
}
