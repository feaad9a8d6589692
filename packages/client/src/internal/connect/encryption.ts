/**
 * Opening and securing connections, as configured.
 *
 * @since 0.1.0
 */
import type * as Connection from "@hyperfect/transport/Connection"
import * as Endpoint from "@hyperfect/transport/Endpoint"
import * as TlsNegotiation from "@hyperfect/transport/TlsNegotiation"
import { Transport } from "@hyperfect/transport/Transport"
import * as TransportError from "@hyperfect/transport/TransportError"
import * as Effect from "effect/Effect"
import type { ConnectionConfig, SslMode } from "../../ConnectionConfig.ts"
import { toMillis } from "../config/durations.ts"

/**
 * - `"plain"`: without TLS.
 * - `"tls"`: with TLS, or not at all.
 * - `"tls-if-offered"`: with TLS unless the server refuses the SSLRequest.
 *
 * @internal
 */
export type Encryption = "plain" | "tls" | "tls-if-offered"

/**
 * Returns the encryptions that a mode tries, in order. The second is tried if the first did not lead to a session. As
 * in libpq, TLS is not used on Unix sockets, whatever the mode.
 *
 * @internal
 */
export const encryptionAttempts = ({ sslMode = "prefer" }: ConnectionConfig, endpoint: Endpoint.Endpoint): Attempts =>
  attempts[endpoint._tag === "Unix" ? "disable" : sslMode]

type Attempts = readonly [Encryption, Encryption?]

const attempts: Readonly<Record<SslMode, Attempts>> = {
  "disable": ["plain"],
  "allow": ["plain", "tls"],
  "prefer": ["tls-if-offered", "plain"],
  "require": ["tls"],
  "verify-ca": ["tls"],
  "verify-full": ["tls"]
}

const tlsOptions = (config: ConnectionConfig, endpoint: Endpoint.Endpoint): Connection.TlsOptions => ({
  // As in libpq, a root certificate is checked in every mode if there is one.
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

const acceptAnyCertificate = "or sslmode=require without sslrootcert to accept any certificate"

/** Describes the codes of OpenSSL and Node for a certificate that is not accepted. */
const certificateProblem = (code: string | undefined, host: string): { problem: string; hint: string } | undefined => {
  switch (code) {
    case "DEPTH_ZERO_SELF_SIGNED_CERT":
    case "SELF_SIGNED_CERT_IN_CHAIN":
      return {
        problem: `the certificate of ${host} is self-signed, or signed by an authority that is not trusted`,
        hint: `set sslrootcert to the certificate of its authority, ${acceptAnyCertificate}`
      }
    case "UNABLE_TO_GET_ISSUER_CERT":
    case "UNABLE_TO_GET_ISSUER_CERT_LOCALLY":
    case "UNABLE_TO_VERIFY_LEAF_SIGNATURE":
      return {
        problem: `the authority that signed the certificate of ${host} is not trusted`,
        hint: `set sslrootcert to the certificate of that authority, ${acceptAnyCertificate}`
      }
    case "ERR_TLS_CERT_ALTNAME_INVALID":
      return {
        problem: `the certificate is not valid for the name ${host}`,
        hint: "connect by a name in the certificate, or use sslmode=verify-ca to accept any name"
      }
    case "CERT_HAS_EXPIRED":
      return { problem: `the certificate of ${host} has expired`, hint: "renew it on the server" }
    case "CERT_NOT_YET_VALID":
      return { problem: `the certificate of ${host} is not valid yet`, hint: "compare the clocks of both machines" }
    default:
      return undefined
  }
}

/** Adds the endpoint and a hint to a failure of TLS. */
const describeTlsFailure =
  (endpoint: Endpoint.Endpoint) => (error: TransportError.TransportError): TransportError.TransportError => {
    const { reason } = error
    const name = Endpoint.format(endpoint)
    if (reason._tag === "TlsRefused") {
      return TransportError.fromReason(
        new TransportError.TlsRefused({
          answer: reason.answer,
          endpoint: name,
          hint: reason.answer === TlsNegotiation.noTls
            ? "enable ssl on the server, or use sslmode=prefer"
            : error.isRetryable
            ? "it may be shutting down, or lack resources: see its log"
            : "check that it is a PostgreSQL server"
        })
      )
    }
    if (reason._tag !== "TlsFailed") return error
    const described = certificateProblem(reason.code, endpoint._tag === "Tcp" ? endpoint.host : name)
    return TransportError.fromReason(
      new TransportError.TlsFailed({
        ...(reason.code === undefined ? {} : { code: reason.code }),
        ...(reason.cause === undefined ? {} : { cause: reason.cause }),
        ...(reason.problem === undefined ? {} : { problem: reason.problem }),
        endpoint: name,
        ...described
      })
    )
  }

/**
 * Opens a connection, with TLS if wanted. `onWait` receives the name of each request before its response is awaited.
 *
 * @internal
 */
export const openConnection = Effect.fnUntraced(function*(
  config: ConnectionConfig,
  endpoint: Endpoint.Endpoint,
  encryption: Encryption,
  onWait: (request: string) => void = () => {}
) {
  const transport = yield* Transport
  const connection = yield* transport.connect(endpoint, {
    keepAlive: config.keepAlive,
    keepAliveInitialDelay: toMillis(config.keepAliveInitialDelay),
    keepAliveInterval: toMillis(config.keepAliveInterval),
    keepAliveCount: config.keepAliveCount
  })
  if (encryption === "plain") return connection
  const options = tlsOptions(config, endpoint)
  const isDirect = config.sslNegotiation === "direct"
  onWait(isDirect ? "the TLS handshake" : "the TLS request")
  const secure = Effect.gen(function*() {
    if (isDirect) yield* TlsNegotiation.startDirect(connection, options)
    else if (encryption === "tls") yield* TlsNegotiation.start(connection, options)
    else if (yield* TlsNegotiation.sslRequest(connection)) yield* connection.startTls(options)
  })
  yield* Effect.mapError(secure, describeTlsFailure(endpoint))
  return connection
})
