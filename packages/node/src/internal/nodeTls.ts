/**
 * TLS handshakes on open Node sockets, in both roles.
 *
 * @since 0.1.0
 */
import type * as Connection from "@hyperfect/transport/Connection"
import * as TransportError from "@hyperfect/transport/TransportError"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { X509Certificate } from "node:crypto"
import * as Net from "node:net"
import * as Tls from "node:tls"

/** @internal */
export interface SecuredSocket {
  readonly socket: Tls.TLSSocket
  readonly info: Connection.TlsInfo
}

/** @internal */
export const alreadySecured = () => new TransportError.TlsFailed({ code: "ALREADY_SECURED" })

const failed = (cause: unknown): TransportError.TransportError => {
  const code = (cause as NodeJS.ErrnoException | undefined)?.code
  return TransportError.fromReason(new TransportError.TlsFailed(code === undefined ? { cause } : { cause, code }))
}

const closedDuringHandshake = Object.assign(new Error("the connection was closed during the handshake"), {
  code: "ECONNRESET"
})

const infoOf = (socket: Tls.TLSSocket): Connection.TlsInfo => ({
  protocol: socket.getProtocol() ?? "unknown",
  cipher: socket.getCipher().name,
  peerCertificate: socket.getPeerX509Certificate()?.raw,
  applicationProtocol: typeof socket.alpnProtocol === "string" ? socket.alpnProtocol : undefined
})

/** The callbacks of a handshake in progress. */
interface HandshakeCallbacks {
  readonly succeed: (socket: Tls.TLSSocket) => void
  readonly fail: (cause: unknown) => void
}

/** Runs a handshake. If it fails or is interrupted, the caller must close the underlying connection. */
const handshake = (
  begin: (outcome: HandshakeCallbacks) => void
): Effect.Effect<SecuredSocket, TransportError.TransportError> =>
  Effect.callback<SecuredSocket, TransportError.TransportError>((resume) => {
    const outcome: HandshakeCallbacks = {
      succeed: (socket) => resume(Effect.succeed({ socket, info: infoOf(socket) })),
      fail: (cause) => resume(Effect.fail(failed(cause)))
    }
    try {
      begin(outcome)
    } catch (cause) {
      // The certificate or key cannot be read.
      outcome.fail(cause)
    }
  })

/**
 * Splits a text into revocation lists, as Node reads only the first one. A text without any is passed on, so that it is
 * an error rather than ignored.
 */
const revocationLists = (text: string): Array<string> =>
  text.match(/-----BEGIN X509 CRL-----[^-]*-----END X509 CRL-----/g) ?? [text]

/**
 * Checks the name as libpq does: a wildcard is the whole leftmost label (RFC 9525, section 6.3). Node itself also
 * accepts `d*.example.org` for `db.example.org`.
 */
const checkServerIdentity = (name: string, certificate: Tls.PeerCertificate): Error | undefined => {
  const flaw = Tls.checkServerIdentity(name, certificate)
  if (flaw !== undefined || Net.isIP(name) !== 0) return flaw
  return new X509Certificate(certificate.raw).checkHost(name.replace(/\.$/, ""), { partialWildcards: false }) ===
      undefined
    ? Object.assign(new Error("a wildcard of the certificate is only a part of a label"), {
      code: "ERR_TLS_CERT_ALTNAME_INVALID"
    })
    : undefined
}

/** @internal */
export const connect = (rawSocket: Net.Socket, options: Connection.TlsOptions) =>
  handshake((outcome) => {
    const socket = Tls.connect({
      socket: rawSocket,
      // RFC 6066, section 3: the server name that is sent is never an address.
      servername: options.sendServerName !== false && Net.isIP(options.serverName) === 0 ? options.serverName : "",
      rejectUnauthorized: options.verification !== "none",
      checkServerIdentity: (_, certificate) =>
        // An unknown value gets the strictest check.
        options.verification === "none" || options.verification === "ca"
          ? undefined
          : checkServerIdentity(options.serverName, certificate),
      ca: options.rootCertificates,
      crl: options.revocationList === undefined ? undefined : revocationLists(options.revocationList),
      cert: options.certificate,
      key: options.key === undefined ? undefined : Redacted.value(options.key),
      passphrase: options.keyPassword === undefined ? undefined : Redacted.value(options.keyPassword),
      minVersion: options.minVersion,
      maxVersion: options.maxVersion,
      ALPNProtocols: options.applicationProtocols === undefined ? undefined : [...options.applicationProtocols]
    })
    const onClose = (): void => outcome.fail(closedDuringHandshake)
    socket.on("error", outcome.fail)
    socket.on("close", onClose)
    socket.on("secureConnect", () => {
      socket.off("close", onClose)
      outcome.succeed(socket)
      socket.off("error", outcome.fail)
    })
  })

/** @internal */
export const accept = (rawSocket: Net.Socket, options: Connection.TlsServerOptions) =>
  handshake((outcome) => {
    // A server that does not listen: the connection is passed to it as an event. Only a server verifies client
    // certificates.
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
    // Otherwise the handshake would wait for a client that disconnects in the middle of it.
    rawSocket.allowHalfOpen = false
    server.emit("connection", rawSocket)
  })
