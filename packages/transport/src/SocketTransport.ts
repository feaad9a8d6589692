/**
 * Lines over the sockets of `effect/socket`, and so over whatever somebody has made one of: WebSockets to a proxy, sockets
 * of Bun, streams of a browser.
 *
 * `effect/socket` is marked as unstable in Effect 4.1, and this is the only module that knows it. Such a socket says less
 * than a line of `NodeTransport` does: nothing about a TLS session, so that channel binding is not possible over it, and
 * nothing about half-closed lines, so that the end of what is read is the end of what is written. Text frames are
 * taken for their bytes in UTF-8.
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

const failure = (reason: TransportError.Reason): Failure => Effect.fail(TransportError.fromReason(reason))

const closedHere = Effect.fail(TransportError.closed("local"))
const hungUp = failure(new TransportError.WriteFailed({ code: "EPIPE" }))

/** 1000 is an orderly end, 1001 one that is going away, 1005 one that says nothing (RFC 6455, section 7.4.1). */
const orderly: ReadonlySet<number> = new Set([1000, 1001, 1005])

const codeOf = (cause: unknown): { readonly code: string } | undefined =>
  typeof cause === "object" && cause !== null && "code" in cause && typeof cause.code === "string"
    ? { code: cause.code }
    : undefined

/** What a failure of the socket means to who reads. */
const toReadEnd = ({ reason }: Socket.SocketError): TransportError.Reason => {
  if (reason._tag !== "SocketCloseError") {
    return new TransportError.ReadFailed({ cause: reason.cause, ...codeOf(reason.cause) })
  }
  return orderly.has(reason.code)
    ? new TransportError.Closed({ by: "peer" })
    : new TransportError.ReadFailed({ code: String(reason.code) })
}

const toWriteEnd = (error: unknown): TransportError.Reason => {
  const cause = typeof error === "object" && error !== null && "reason" in error
    ? (error as Socket.SocketError).reason.cause
    : error
  return new TransportError.WriteFailed({ cause, ...codeOf(cause) })
}

const toBytes = (chunk: Uint8Array | string): Uint8Array => {
  if (typeof chunk !== "string") return chunk
  const bytes = new Uint8Array(Utf8.byteLength(chunk))
  Utf8.writeUnsafe(chunk, bytes, 0)
  return bytes
}

/** Options that a socket cannot be told, and that it would be wrong to leave out silently. */
const notSupported = (options: Connection.TlsOptions): string | undefined =>
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
 * Opens a socket and makes a line of it, which is closed with the scope.
 *
 * **Details**
 *
 * Writes suspend if the socket's do. A WebSocket takes whatever is written at once and keeps it in memory until the other
 * end reads: whoever sends much over one must not send faster than that.
 *
 * TLS is the socket's `upgrade`, as far as it has one. It is refused for options that it does not know.
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
        readEnd = closedHere
        writeEnd = closedHere
        Deferred.doneUnsafe(closed, closedHere)
      })
    )

    const pull: Connection.Connection["pull"] = Effect.suspend(() =>
      readEnd ?? Effect.matchEffect(reader.pull, {
        onSuccess: (chunks) => {
          const bytes = chunks.map(toBytes).filter(({ length }) => length > 0)
          // A frame of a WebSocket may be empty.
          return bytes.length === 0 ? pull : Effect.succeed(bytes as unknown as NonEmptyReadonlyArray<Uint8Array>)
        },
        onFailure: (error) => {
          readEnd ??= failure(toReadEnd(error))
          writeEnd ??= hungUp
          return readEnd
        }
      })
    )

    // In a fiber of the line's own: what has been begun is sent to its end, also when nobody waits for that any more.
    const write = (bytes: Uint8Array) =>
      Effect.suspend(() => {
        if (writeEnd !== undefined) return writeEnd
        if (bytes.length === 0) return Effect.void
        return Effect.flatMap(
          Effect.flatMap(Effect.forkIn(writer.write(bytes), scope, { startImmediately: true }), Fiber.await),
          (exit) => {
            if (Exit.isSuccess(exit)) return Effect.void
            // Nobody but the scope interrupts it.
            if (Cause.hasInterruptsOnly(exit.cause)) return closedHere
            return writeEnd ??= failure(toWriteEnd(Cause.squash(exit.cause)))
          }
        )
      })

    const closeNow = Effect.suspend(() => {
      readEnd = closedHere
      writeEnd = closedHere
      return Effect.ignore(writer.write(new Socket.CloseEvent()))
    })
    const startTls = (options: Connection.TlsOptions) =>
      Effect.suspend(() => {
        if (writeEnd !== undefined) return writeEnd
        if (tls !== undefined) return failure(new TransportError.TlsFailed({ code: "ALREADY_SECURED" }))
        const missing = notSupported(options)
        const upgrade = missing === undefined
          ? Effect.mapError(reader.upgrade(upgradeOptions(options)), ({ reason }) => reason.cause)
          : Effect.fail(new Error(`sockets cannot be told about ${missing}`))
        return upgrade.pipe(
          Effect.mapError((cause) =>
            TransportError.fromReason(new TransportError.TlsFailed({ cause, ...codeOf(cause) }))
          ),
          // A socket of Node does not end a handshake when it is closed.
          Effect.raceFirst(Deferred.await(closed)),
          Effect.onError(() => closeNow),
          Effect.map(() => tls = { protocol: "TLS", cipher: "unknown", peerCertificate: undefined })
        )
      })
    return { pull, write, startTls, tls: () => tls, remote }
  })

/**
 * Provides a `Transport` that opens its lines by making sockets.
 *
 * **When to use**
 *
 * Use where there is no TCP, such as in a browser that reaches its database by a proxy for WebSockets.
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
            // The scope is that of the line, and not that of the layer, which the context has as well.
            Effect.updateContext((own: Context.Context<Scope.Scope>) =>
              Context.merge(context, own) as Context.Context<R | Scope.Scope>
            )
          )
          const milliseconds = options?.timeout
          return milliseconds === undefined ? open : Effect.timeoutOrElse(open, {
            duration: milliseconds,
            orElse: () => failure(new TransportError.OpenTimeout({ endpoint: name, milliseconds }))
          })
        }
      }))
  )
