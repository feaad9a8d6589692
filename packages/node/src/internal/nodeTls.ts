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

const infoOf = (socket: Tls.TLSSocket): Connection.TlsInfo => ({
  protocol: socket.getProtocol() ?? "unknown",
  cipher: socket.getCipher().name,
  peerCertificate: socket.getPeerX509Certificate()?.raw
})

/** Runs a handshake that `begin` starts; `done` is the event that ends it well. Interruption cuts the line. */
const handshake = (
  begin: () => Tls.TLSSocket,
  done: "secure" | "secureConnect"
): Effect.Effect<Secured, TransportError.TransportError> =>
  Effect.callback<Secured, TransportError.TransportError>((resume) => {
    let socket: Tls.TLSSocket
    try {
      socket = begin()
    } catch (cause) {
      // A certificate or key that cannot be read.
      return resume(Effect.fail(failed(cause)))
    }
    const onDone = (): void => {
      stop()
      resume(Effect.succeed({ socket, info: infoOf(socket) }))
    }
    const onFailure = (cause: unknown): void => {
      stop()
      socket.on("error", () => {})
      socket.destroy()
      resume(Effect.fail(failed(cause)))
    }
    const onClose = (): void =>
      onFailure(Object.assign(new Error("closed during the handshake"), { code: "ECONNRESET" }))
    const stop = (): void => {
      socket.off(done, onDone)
      socket.off("error", onFailure)
      socket.off("_tlsError", onFailure)
      socket.off("close", onClose)
    }
    socket.on(done, onDone)
    socket.on("error", onFailure)
    // What a server's handshake fails with: Node reports it to its own `tls.Server` by this event only.
    socket.on("_tlsError", onFailure)
    socket.on("close", onClose)
    return Effect.sync(() => {
      stop()
      socket.on("error", () => {})
      socket.destroy()
    })
  })

/** @internal */
export const connect = (line: Net.Socket, options: Connection.TlsOptions) =>
  handshake(() =>
    Tls.connect({
      socket: line,
      // RFC 6066, section 3: the name that is sent is never an address.
      servername: Net.isIP(options.serverName) === 0 ? options.serverName : "",
      rejectUnauthorized: options.verification === "full",
      checkServerIdentity: (_, certificate) => Tls.checkServerIdentity(options.serverName, certificate),
      ca: options.rootCertificates,
      cert: options.certificate,
      key: options.key === undefined ? undefined : Redacted.value(options.key)
    }), "secureConnect")

/** @internal */
export const accept = (line: Net.Socket, options: Connection.TlsServerOptions) =>
  handshake(() =>
    new Tls.TLSSocket(line, {
      isServer: true,
      secureContext: Tls.createSecureContext({
        cert: options.certificate,
        key: Redacted.value(options.key),
        ca: options.clientRoots
      }),
      requestCert: options.clientRoots !== undefined,
      rejectUnauthorized: options.clientRoots !== undefined
    }), "secure")
