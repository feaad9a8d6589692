/**
 * Opens lines, and secures them as the configuration has it.
 *
 * @since 0.1.0
 */
import type * as Connection from "@hyperfect/transport/Connection"
import type * as Endpoint from "@hyperfect/transport/Endpoint"
import * as TlsNegotiation from "@hyperfect/transport/TlsNegotiation"
import { Transport } from "@hyperfect/transport/Transport"
import * as Effect from "effect/Effect"
import type { ConnectionConfig } from "../ConnectionConfig.ts"

/**
 * - `"plain"`: in clear.
 * - `"tls"`: with TLS or not at all.
 * - `"tls-if-offered"`: with TLS unless the server says that it has none.
 *
 * @internal
 */
export type Encryption = "plain" | "tls" | "tls-if-offered"

/**
 * What a mode tries, in its order. The second comes when the first did not lead to a session. libpq does not speak TLS
 * on Unix sockets, whatever the mode.
 *
 * @internal
 */
export const encryptions = (
  config: ConnectionConfig,
  endpoint: Endpoint.Endpoint
): readonly [Encryption, Encryption?] => {
  if (endpoint._tag === "Unix") return ["plain"]
  switch (config.sslMode ?? "prefer") {
    case "disable":
      return ["plain"]
    case "allow":
      return ["plain", "tls"]
    case "prefer":
      return ["tls-if-offered", "plain"]
    default:
      return ["tls"]
  }
}

const tlsOptions = (config: ConnectionConfig, endpoint: Endpoint.Endpoint): Connection.TlsOptions => ({
  // As in libpq, a root certificate that is there is used in every mode.
  verification: config.sslMode === "verify-full"
    ? "full"
    : config.sslMode === "verify-ca" || config.rootCertificates !== undefined
    ? "ca"
    : "none",
  serverName: endpoint._tag === "Tcp" ? endpoint.host : "localhost",
  sendServerName: config.sslSni,
  rootCertificates: config.rootCertificates,
  revocationList: config.revocationList,
  certificate: config.certificate,
  key: config.key,
  keyPassword: config.keyPassword,
  minVersion: config.minTlsVersion,
  maxVersion: config.maxTlsVersion
})

/** @internal */
export const openLine = Effect.fnUntraced(function*(
  config: ConnectionConfig,
  endpoint: Endpoint.Endpoint,
  encryption: Encryption
) {
  const transport = yield* Transport
  const { keepAlive, keepAliveInitialDelay } = config
  const connection = yield* transport.connect(endpoint, { keepAlive, keepAliveInitialDelay })
  if (encryption === "plain") return connection
  const options = tlsOptions(config, endpoint)
  if (config.sslNegotiation === "direct") {
    yield* TlsNegotiation.startDirect(connection, options)
  } else if (encryption === "tls") {
    yield* TlsNegotiation.start(connection, options)
  } else if (yield* TlsNegotiation.ask(connection)) {
    yield* connection.startTls(options)
  }
  return connection
})
