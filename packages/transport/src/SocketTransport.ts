/**
 * Connections over the sockets of `effect/socket`, including WebSockets to a proxy, sockets of Bun, and streams of a
 * browser.
 *
 * `effect/socket` is marked as unstable in Effect 4.1; only this module depends on it. Such a socket provides less
 * information than a connection of `NodeTransport`: nothing about the TLS session, so channel binding is not possible,
 * and nothing about half-closed connections, so the end of reading is also the end of writing. Text frames are read as
 * their UTF-8 bytes.
 *
 * @since 0.1.0
 */
import * as Utf8 from "@hyperfect/protocol/Utf8"
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Socket from "effect/socket/Socket"
import type * as Connection from "./Connection.ts"
import * as Endpoint from "./Endpoint.ts"
import * as Transport from "./Transport.ts"
import * as TransportError from "./TransportError.ts"

type Failure = Effect.Effect<never, TransportError.TransportError>

const closedLocally = Effect.failSync(() => TransportError.closed("local"))
const brokenPipe = Effect.failSync(() => TransportError.fromReason(new TransportError.WriteFailed({ code: "EPIPE" })))

/** Close codes of an orderly end: 1000 is normal closure, 1001 going away, 1005 no status (RFC 6455, section 7.4.1). */
const normalCloseCodes: ReadonlySet<number> = new Set([1000, 1001, 1005])

const codeOf = (cause: unknown): { readonly code: string } | undefined =>
  typeof cause === "object" && cause !== null && "code" in cause && typeof cause.code === "string"
    ? { code: cause.code }
    : undefined

/** Maps a socket error to the failure that a reader sees. */
const toReadFailure = ({ reason }: Socket.SocketError): TransportError.Reason => {
  if (reason._tag !== "SocketCloseError") {
    return new TransportError.ReadFailed({ cause: reason.cause, ...codeOf(reason.cause) })
  }
  return normalCloseCodes.has(reason.code)
    ? new TransportError.Closed({ by: "peer" })
    : new TransportError.ReadFailed({ code: String(reason.code) })
}

const toWriteFailure = (error: unknown): TransportError.Reason => {
  const cause = typeof error === "object" && error !== null && "reason" in error
    ? (error as Socket.SocketError).reason.cause
    : error
  return new TransportError.WriteFailed({ cause, ...codeOf(cause) })
}

const toBytes = (chunk: Uint8Array | string): Uint8Array => typeof chunk === "string" ? Utf8.encodeUnsafe(chunk) : chunk

/** Returns an option that sockets do not support and that must not be ignored silently, if there is one. */
const unsupportedOption = (options: Connection.TlsOptions): string | undefined =>
  options.verification === "ca"
    ? "verification without a name"
    : options.revocationList !== undefined
    ? "revocation lists"
    : options.minVersion !== undefined || options.maxVersion !== undefined
    ? "versions of TLS"
    : undefined

const upgradeOptions = (options: Connection.TlsOptions): Socket.TlsUpgradeOptions => ({
  rejectUnauthorized: options.verification !== "none",
  servername: options.sendServerName === false && options.verification === "none" ? undefined : options.serverName,
  ca: options.rootCertificates,
  cert: options.certificate,
  key: options.key,
  passphrase: options.keyPassword,
  alpnProtocols: options.applicationProtocols
})

/**
 * Opens a socket and wraps it in a connection, which is closed with the scope.
 *
 * **Details**
 *
 * Writes suspend if the socket's writes do. A WebSocket accepts all writes immediately and buffers them in memory until
 * the peer reads: do not send large amounts of data faster than that.
 *
 * TLS uses the socket's `upgrade`, if it has one. It fails for options that the socket does not support.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromSocket = (
  socket: Socket.Socket,
  remote: string
): Effect.Effect<Connection.Connection, TransportError.TransportError, Scope.Scope> =>
  Effect.gen(function*() {
    const scope = yield* Effect.scope
    const closed = Deferred.makeUnsafe<never, TransportError.TransportError>()
    let readEnd: Failure | undefined
    let writeEnd: Failure | undefined
    let tls: Connection.TlsInfo | undefined
    const reader = yield* Effect.mapError(socket.reader, ({ reason }) =>
      TransportError.fromReason(
        new TransportError.OpenFailed({ endpoint: remote, cause: reason, ...codeOf(reason.cause) })
      ))
    const writer = yield* socket.writer
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        readEnd = closedLocally
        writeEnd = closedLocally
        Deferred.doneUnsafe(closed, closedLocally)
      })
    )

    const pull: Connection.Connection["pull"] = Effect.suspend(() =>
      readEnd ?? Effect.matchEffect(reader.pull, {
        onSuccess: (chunks) => {
          const bytes = chunks.map(toBytes).filter(({ length }) => length > 0)
          // A WebSocket frame may be empty.
          return bytes.length === 0 ? pull : Effect.succeed(bytes as unknown as NonEmptyReadonlyArray<Uint8Array>)
        },
        onFailure: (error) => {
          readEnd ??= TransportError.fail(toReadFailure(error))
          writeEnd ??= brokenPipe
          return readEnd
        }
      })
    )

    // Runs in a fiber of the connection: a write that has started is sent completely, even if its caller is
    // interrupted.
    const write = (bytes: Uint8Array) =>
      Effect.suspend(() => {
        if (writeEnd !== undefined) return writeEnd
        if (bytes.length === 0) return Effect.void
        return Effect.flatMap(
          Effect.flatMap(Effect.forkIn(writer.write(bytes), scope, { startImmediately: true }), Fiber.await),
          (exit) => {
            if (Exit.isSuccess(exit)) return Effect.void
            // Only the scope interrupts it.
            if (Cause.hasInterruptsOnly(exit.cause)) return closedLocally
            return writeEnd ??= TransportError.fail(toWriteFailure(Cause.squash(exit.cause)))
          }
        )
      })

    const closeNow = Effect.suspend(() => {
      readEnd = closedLocally
      writeEnd = closedLocally
      return Effect.ignore(writer.write(new Socket.CloseEvent()))
    })
    const startTls = (options: Connection.TlsOptions) =>
      Effect.suspend(() => {
        if (writeEnd !== undefined) return writeEnd
        if (tls !== undefined) return TransportError.fail(new TransportError.TlsFailed({ code: "ALREADY_SECURED" }))
        const missing = unsupportedOption(options)
        const upgrade = missing === undefined
          ? Effect.mapError(reader.upgrade(upgradeOptions(options)), ({ reason }) => reason.cause)
          : Effect.fail(new Error(`sockets do not support ${missing}`))
        return upgrade.pipe(
          Effect.mapError((cause) =>
            TransportError.fromReason(
              new TransportError.TlsFailed({
                cause,
                // An error without a code has only its message to say what is wrong.
                ...codeOf(cause) ?? (cause instanceof Error ? { problem: cause.message } : {})
              })
            )
          ),
          // Node sockets do not end a handshake when they are closed.
          Effect.raceFirst(Deferred.await(closed)),
          Effect.onError(() => closeNow),
          Effect.map(() => tls = { protocol: "TLS", cipher: "unknown", peerCertificate: undefined })
        )
      })
    return { pull, write, startTls, tls: () => tls, remote }
  })

/**
 * Provides a `Transport` that opens its connections as sockets.
 *
 * **When to use**
 *
 * Use it where there is no TCP, such as in a browser that reaches its database through a WebSocket proxy.
 *
 * **Example** (PostgreSQL behind a proxy)
 *
 * ```ts
 * import { SocketTransport } from "@hyperfect/transport"
 * import { Layer } from "effect"
 * import { Socket } from "effect/socket"
 *
 * const Proxied = SocketTransport.layer(() => Socket.makeWebSocket("wss://proxy.example/postgres")).pipe(
 *   Layer.provide(Socket.layerWebSocketConstructorGlobal)
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <R>(
  makeSocket: (endpoint: Endpoint.Endpoint) => Effect.Effect<Socket.Socket, never, R>
): Layer.Layer<Transport.Transport, never, Exclude<R, Scope.Scope>> =>
  Layer.effect(
    Transport.Transport,
    Effect.map(Effect.context<Exclude<R, Scope.Scope>>(), (context) =>
      Transport.Transport.of({
        connect: (endpoint, options) => {
          const name = Endpoint.format(endpoint)
          const open = Effect.flatMap(makeSocket(endpoint), (socket) => fromSocket(socket, name)).pipe(
            // Uses the scope of the connection, not that of the layer, which the context contains as well.
            Effect.updateContext((own: Context.Context<Scope.Scope>) =>
              Context.merge(context, own) as Context.Context<R | Scope.Scope>
            )
          )
          const milliseconds = options?.timeout
          return milliseconds === undefined ? open : Effect.timeoutOrElse(open, {
            duration: milliseconds,
            orElse: () => TransportError.fail(new TransportError.OpenTimeout({ endpoint: name, milliseconds }))
          })
        }
      }))
  )
