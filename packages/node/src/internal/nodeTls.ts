/**
 * TLS handshakes on open Node sockets, in both roles.
 *
 * @since 0.1.0
 */
import type * as Connection from "@hyperfect/transport/Connection"
import * as TransportError from "@hyperfect/transport/TransportError"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Net from "node:net"
import * as Tls from "node:tls"

/** @internal */
export interface Secured {
  readonly socket: Tls.TLSSocket
  readonly info: Connection.TlsInfo
}

/** @internal */
export const alreadySecured = new TransportError.TlsFailed({ code: "ALREADY_SECURED" })

const failed = (cause: unknown): TransportError.TransportError => {
  const code = (cause as NodeJS.ErrnoException | undefined)?.code
  return TransportError.fromReason(new TransportError.TlsFailed(code === undefined ? { cause } : { cause, code }))
}

const closed = Object.assign(new Error("the line was closed during the handshake"), { code: "ECONNRESET" })

const infoOf = (socket: Tls.TLSSocket): Connection.TlsInfo => ({
  protocol: socket.getProtocol() ?? "unknown",
  cipher: socket.getCipher().name,
  peerCertificate: socket.getPeerX509Certificate()?.raw,
  applicationProtocol: typeof socket.alpnProtocol === "string" ? socket.alpnProtocol : undefined
})

/** Where a handshake that was begun reports to, and what it leaves when it is not wanted any more. */
interface Outcome {
  readonly succeed: (socket: Tls.TLSSocket) => void
  readonly fail: (cause: unknown) => void
}

/** Runs a handshake. Whoever runs it cuts the line below when it fails or is interrupted. */
const handshake = (
  begin: (outcome: Outcome) => void
): Effect.Effect<Secured, TransportError.TransportError> =>
  Effect.callback<Secured, TransportError.TransportError>((resume) => {
    const outcome: Outcome = {
      succeed: (socket) => resume(Effect.succeed({ socket, info: infoOf(socket) })),
      fail: (cause) => resume(Effect.fail(failed(cause)))
    }
    try {
      begin(outcome)
    } catch (cause) {
      // A certificate or key that cannot be read.
      outcome.fail(cause)
    }
  })

/** Node reads only the first list of a text. A text without one is an error, and not to be passed over. */
const revocationLists = (text: string): Array<string> =>
  text.match(/-----BEGIN X509 CRL-----[^-]*-----END X509 CRL-----/g) ?? [text]

/** @internal */
export const connect = (line: Net.Socket, options: Connection.TlsOptions) =>
  handshake((outcome) => {
    const socket = Tls.connect({
      socket: line,
      // RFC 6066, section 3: the name that is sent is never an address.
      servername: options.sendServerName !== false && Net.isIP(options.serverName) === 0 ? options.serverName : "",
      rejectUnauthorized: options.verification !== "none",
      checkServerIdentity: (_, certificate) =>
        options.verification === "full" ? Tls.checkServerIdentity(options.serverName, certificate) : undefined,
      ca: options.rootCertificates,
      crl: options.revocationList === undefined ? undefined : revocationLists(options.revocationList),
      cert: options.certificate,
      key: options.key === undefined ? undefined : Redacted.value(options.key),
      passphrase: options.keyPassword === undefined ? undefined : Redacted.value(options.keyPassword),
      minVersion: options.minVersion,
      maxVersion: options.maxVersion,
      ALPNProtocols: options.applicationProtocols === undefined ? undefined : [...options.applicationProtocols]
    })
    const onClose = (): void => outcome.fail(closed)
    socket.on("error", outcome.fail)
    socket.on("close", onClose)
    socket.on("secureConnect", () => {
      socket.off("close", onClose)
      outcome.succeed(socket)
      socket.off("error", outcome.fail)
    })
  })

/** @internal */
export const accept = (line: Net.Socket, options: Connection.TlsServerOptions) =>
  handshake((outcome) => {
    // A server that does not listen, but is shown the line as if it had: only a server looks at clients' certificates.
    const server = Tls.createServer({
      cert: options.certificate,
      key: Redacted.value(options.key),
      ca: options.clientRoots,
      requestCert: options.clientRoots !== undefined,
      rejectUnauthorized: options.clientRoots !== undefined,
      ALPNProtocols: options.applicationProtocols === undefined ? undefined : [...options.applicationProtocols]
    })
    server.on("secureConnection", (socket) => {
      socket.allowHalfOpen = true
      outcome.succeed(socket)
    })
    server.on("tlsClientError", outcome.fail)
    // Otherwise a client that goes away in the middle of the handshake is waited for.
    line.allowHalfOpen = false
    server.emit("connection", line)
  })
