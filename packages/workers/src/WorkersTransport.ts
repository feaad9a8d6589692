/**
 * TCP and TLS on Cloudflare Workers, as the `Transport` service.
 *
 * The platform opens the sockets and does the TLS handshake. It verifies every certificate with its own roots and the
 * server's name, and gives no access to the TLS session: there is no channel binding, no ALPN, and there are no client
 * certificates.
 *
 * @since 0.1.0
 */
import * as SocketTransport from "@hyperfect/transport/SocketTransport"
import type * as Transport from "@hyperfect/transport/Transport"
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Socket from "effect/socket/Socket"

/**
 * The parts of a socket of `cloudflare:sockets` that are used.
 *
 * @category models
 * @since 0.1.0
 */
export interface WorkersSocket {
  readonly readable: {
    getReader(): {
      read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }>
      releaseLock(): void
    }
  }
  readonly writable: {
    getWriter(): { write(bytes: Uint8Array): Promise<void>; close(): Promise<void>; releaseLock(): void }
  }
  readonly opened: Promise<unknown>
  readonly closed: Promise<unknown>
  close(): Promise<void>
  startTls(): WorkersSocket
}

/**
 * The function `connect` of `cloudflare:sockets`.
 *
 * @category models
 * @since 0.1.0
 */
export type Connect = (
  address: { readonly hostname: string; readonly port: number },
  options: { readonly secureTransport: "starttls"; readonly allowHalfOpen: boolean }
) => WorkersSocket

/** Milliseconds that closing waits for the peer to read what is still to be sent. */
const closeTimeout = 1000

const ignore = (): void => {}

const openError = (cause: unknown) =>
  new Socket.SocketError({ reason: new Socket.SocketOpenError({ kind: "Unknown", cause }) })
const readError = (cause: unknown) => new Socket.SocketError({ reason: new Socket.SocketReadError({ cause }) })
const writeError = (cause: unknown) => new Socket.SocketError({ reason: new Socket.SocketWriteError({ cause }) })
const upgradeError = (cause: unknown) => new Socket.SocketError({ reason: new Socket.SocketUpgradeError({ cause }) })
const ended = Effect.fail(new Socket.SocketError({ reason: new Socket.SocketCloseError({ code: 1000 }) }))

/**
 * Returns an option that the platform cannot honour and that must not be ignored silently, if there is one.
 *
 * The platform has an option for the server's name, but Cloudflare's edge does not support it: the certificate is
 * verified for the host that was connected to.
 */
const unsupportedOption = (options: Socket.TlsUpgradeOptions, host: string): string | undefined =>
  options.rejectUnauthorized === true && options.servername !== host
    ? "a server's name that is not the host to connect to (hostaddr)"
    : options.ca !== undefined
    ? "root certificates"
    : options.cert !== undefined || options.key !== undefined
    ? "client certificates"
    : options.alpnProtocols !== undefined
    ? "protocols to agree on (ALPN), which direct TLS needs"
    : undefined

/** An open socket, replaced by another one after a TLS handshake. */
class Line {
  readonly host: string
  private socket: WorkersSocket
  private reader: ReturnType<WorkersSocket["readable"]["getReader"]>
  private writer: ReturnType<WorkersSocket["writable"]["getWriter"]>
  /** A read that is under way, or whose result was not taken, as its pull was interrupted. */
  private reading: ReturnType<typeof this.reader.read> | undefined

  constructor(socket: WorkersSocket, host: string) {
    this.host = host
    this.socket = socket
    this.reader = socket.readable.getReader()
    this.writer = socket.writable.getWriter()
    // Failures are seen by the operations.
    socket.closed.catch(ignore)
  }

  readonly pull = Effect.flatMap(
    Effect.tryPromise({ try: () => this.reading ??= this.reader.read(), catch: readError }),
    ({ value }): Effect.Effect<NonEmptyReadonlyArray<Uint8Array>, Socket.SocketError> => {
      this.reading = undefined
      return value === undefined ? ended : Effect.succeed([value])
    }
  )

  write(bytes: Uint8Array): Promise<void> {
    return this.writer.write(bytes)
  }

  async startTls(): Promise<void> {
    // The platform refuses to upgrade a socket whose streams are locked.
    this.reader.releaseLock()
    this.writer.releaseLock()
    this.reading?.catch(ignore)
    this.reading = undefined
    const socket = this.socket.startTls()
    this.socket = socket
    this.reader = socket.readable.getReader()
    this.writer = socket.writable.getWriter()
    socket.closed.catch(ignore)
    await socket.opened
  }

  /** Closes the socket at once. */
  readonly cut = Effect.promise(() => this.socket.close().catch(ignore))

  /** Sends what is left and ends the stream, then closes the socket. */
  readonly close = Effect.andThen(
    Effect.ignore(Effect.timeoutOption(Effect.promise(() => this.writer.close().catch(ignore)), closeTimeout)),
    this.cut
  )
}

const open = (connect: Connect, host: string, port: number): Effect.Effect<Line, Socket.SocketError> =>
  Effect.suspend(() => {
    let socket: WorkersSocket
    // An IPv6 address is in brackets, as in a URL.
    const hostname = host.includes(":") ? `[${host}]` : host
    try {
      socket = connect({ hostname, port }, { secureTransport: "starttls", allowHalfOpen: false })
    } catch (cause) {
      // The platform rejects some addresses by throwing.
      return Effect.fail(openError(cause))
    }
    const line = new Line(socket, host)
    return Effect.tryPromise({ try: () => socket.opened, catch: openError }).pipe(
      Effect.as(line),
      Effect.onError(() => line.cut)
    )
  })

const fromLine = (acquire: Effect.Effect<Line, Socket.SocketError>): Socket.Socket => {
  let line: Line | undefined
  const write = (chunk: Uint8Array | string | Socket.CloseEvent): Effect.Effect<void, Socket.SocketError> =>
    Socket.isCloseEvent(chunk)
      ? line!.cut
      // A connection writes bytes only.
      : Effect.tryPromise({ try: () => line!.write(chunk as Uint8Array), catch: writeError })
  return Socket.make({
    reader: Effect.acquireRelease(acquire, (opened) => opened.close, { interruptible: true }).pipe(
      Effect.map((opened): Socket.Reader => {
        line = opened
        return {
          pull: opened.pull,
          upgrade: (options = {}) => {
            const missing = unsupportedOption(options, opened.host)
            return missing === undefined
              ? Effect.tryPromise({ try: () => opened.startTls(), catch: upgradeError })
              : Effect.fail(upgradeError(new Error(`Workers do not support ${missing}`)))
          }
        }
      })
    ),
    writer: Effect.succeed({ write, writeAll: (chunks) => Effect.forEach(chunks, write, { discard: true }) })
  })
}

/**
 * Provides a `Transport` that opens its connections with `connect` of `cloudflare:sockets`.
 *
 * **Details**
 *
 * The certificate of a server is verified for each `sslmode` that uses TLS, even for `require`. Options that the
 * platform cannot honour fail: root certificates, client certificates, versions of TLS, direct TLS, and `verify-full`
 * with an address beside the host's name (`hostaddr`). There are no Unix sockets, listeners or keepalive probes.
 *
 * **Gotchas**
 *
 * The platform binds a socket to the request that opened it: open a client or a pool for each request, within its
 * handler. Its edge may report a failed handshake only at the first read, as `ReadFailed` instead of `TlsFailed`.
 *
 * **Example** (A query for each request)
 *
 * ```ts
 * import { Authenticate } from "@hyperfect/auth"
 * import { Client, ConnectionConfig, Statement } from "@hyperfect/client"
 * import { WorkersTransport } from "@hyperfect/workers"
 * import { Effect, Layer } from "effect"
 *
 * // In a Worker: import { connect } from "cloudflare:sockets"
 * declare const connect: WorkersTransport.Connect
 *
 * const program = Effect.gen(function*() {
 *   const client = yield* Client.Client
 *   return yield* client.query(Statement.sql`select ${42}::int as answer`)
 * })
 *
 * export const handle = (env: { readonly DATABASE_URL: string }) =>
 *   Effect.flatMap(ConnectionConfig.fromString(env.DATABASE_URL), (config) =>
 *     Effect.provide(program, Client.layer(config))).pipe(
 *     Effect.provide(Layer.merge(WorkersTransport.layer(connect), Authenticate.layerCrypto)),
 *     Effect.runPromise
 *   )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (connect: Connect): Layer.Layer<Transport.Transport> =>
  SocketTransport.layer((endpoint) =>
    Effect.sync(() =>
      fromLine(
        endpoint._tag === "Unix"
          ? Effect.fail(openError(new Error("Workers have no Unix sockets")))
          : open(connect, endpoint.address ?? endpoint.host, endpoint.port)
      )
    )
  )
