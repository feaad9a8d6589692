/**
 * TCP, Unix sockets and TLS on Node.js, as the `Transport` and `Listener` services.
 *
 * Every failure is a `TransportError` with the code of the operating system or the TLS library. A connection lives as
 * long as the scope it was opened or accepted in; closing that scope flushes pending writes and ends the socket.
 *
 * A host name with several addresses is tried in Node's default way (RFC 8305, "happy eyeballs"). The socket file of a
 * Unix listener is removed when it stops listening; a stale one left by a dead process is not.
 *
 * @since 0.1.0
 */
import * as AcceptQueue from "@hyperfect/transport/AcceptQueue"
import * as Endpoint from "@hyperfect/transport/Endpoint"
import * as Listener from "@hyperfect/transport/Listener"
import * as Transport from "@hyperfect/transport/Transport"
import * as TransportError from "@hyperfect/transport/TransportError"
import { isArrayNonEmpty, type NonEmptyReadonlyArray } from "effect/Array"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Dns from "node:dns"
import * as Net from "node:net"
import * as ReadBuffer from "./internal/readBuffer.ts"
import * as NodeConnection from "./NodeConnection.ts"

/**
 * Socket options, and options for closing. When absent, the kernel probes idle connections with the system's default
 * delay and Node's defaults for the rest; the interval and number of probes are ignored by versions before 24.21 and
 * 26.4.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends NodeConnection.CloseOptions, Omit<Transport.ConnectOptions, "timeout"> {
  /** Sends small writes at once instead of batching them (`TCP_NODELAY`); true when absent. */
  readonly noDelay?: boolean | undefined
}

/** True if sockets take the interval and number of probes, as parameters or as an object. */
const keepAliveProbes = Net.Socket.prototype.setKeepAlive.length >= 4

/** The usual default of systems. Node takes the other parameters only together with a delay. */
const systemInitialDelay = 7_200_000

const setKeepAliveProbes = (socket: Net.Socket, options: Options): void => {
  const { keepAlive: enable = true, keepAliveCount: count, keepAliveInterval: interval } = options
  if (!keepAliveProbes || !enable || (interval ?? count) === undefined) return
  socket.setKeepAlive({
    enable,
    initialDelay: options.keepAliveInitialDelay ?? systemInitialDelay,
    ...interval === undefined ? {} : { interval },
    ...count === undefined ? {} : { count }
  })
}

const socketOptions = (options: Options) => ({
  allowHalfOpen: true,
  noDelay: options.noDelay ?? true,
  keepAlive: options.keepAlive ?? true,
  keepAliveInitialDelay: options.keepAliveInitialDelay ?? 0
})

const openFailed = (endpoint: Endpoint.Endpoint, cause: unknown): TransportError.TransportError => {
  const code = (cause as NodeJS.ErrnoException).code
  return TransportError.fromReason(
    new TransportError.OpenFailed({
      endpoint: Endpoint.format(endpoint),
      cause,
      ...(code === undefined ? undefined : { code })
    })
  )
}

const address = (endpoint: Endpoint.Endpoint) =>
  endpoint._tag === "Unix"
    ? { path: endpoint.path }
    : { host: endpoint.address ?? endpoint.host, port: endpoint.port }

const open = (
  defaults: Options,
  endpoint: Endpoint.Endpoint,
  { timeout, ...wanted }: Transport.ConnectOptions
): Effect.Effect<NodeConnection.NodeConnection, TransportError.TransportError> =>
  Effect.callback((resume) => {
    const options = {
      ...defaults,
      keepAlive: wanted.keepAlive ?? defaults.keepAlive,
      keepAliveInitialDelay: wanted.keepAliveInitialDelay ?? defaults.keepAliveInitialDelay,
      keepAliveInterval: wanted.keepAliveInterval ?? defaults.keepAliveInterval,
      keepAliveCount: wanted.keepAliveCount ?? defaults.keepAliveCount
    }
    const name = Endpoint.format(endpoint)
    let socket: Net.Socket
    try {
      socket = ReadBuffer.connect({ ...socketOptions(options), ...address(endpoint) })
    } catch (cause) {
      // Node rejects the port or path by throwing.
      return resume(Effect.fail(openFailed(endpoint, cause)))
    }
    let timer: NodeJS.Timeout | undefined
    const stop = (): void => {
      clearTimeout(timer)
      socket.off("connect", onConnect)
      socket.off("error", onError)
    }
    const giveUp = (): void => {
      stop()
      socket.on("error", () => {})
      socket.destroy()
    }
    const onConnect = (): void => {
      stop()
      setKeepAliveProbes(socket, options)
      resume(Effect.succeed(NodeConnection.fromSocketUnsafe(socket, name, options)))
    }
    const onError = (cause: Error): void => {
      giveUp()
      resume(Effect.fail(openFailed(endpoint, cause)))
    }
    socket.on("connect", onConnect)
    socket.on("error", onError)
    if (timeout !== undefined) {
      timer = setTimeout(() => {
        giveUp()
        resume(TransportError.fail(new TransportError.OpenTimeout({ endpoint: name, milliseconds: timeout })))
      }, Math.min(timeout, NodeConnection.maxTimeout))
    }
    return Effect.sync(giveUp)
  })

/** Resolves a name as the system does, keeping the system's order of addresses. */
const addresses = (
  endpoint: Endpoint.Endpoint
): Effect.Effect<NonEmptyReadonlyArray<Endpoint.Endpoint>, TransportError.TransportError> =>
  endpoint._tag === "Unix" || endpoint.address !== undefined || Net.isIP(endpoint.host) !== 0
    ? Effect.succeed([endpoint])
    : Effect.callback((resume) =>
      Dns.lookup(endpoint.host, { all: true }, (cause, found) => {
        if (cause !== null) return resume(Effect.fail(openFailed(endpoint, cause)))
        const places = found.map(({ address }): Endpoint.Endpoint => ({ ...endpoint, address }))
        resume(Effect.succeed(isArrayNonEmpty(places) && places.length > 1 ? places : [endpoint]))
      })
    )

const scoped = (
  acquire: Effect.Effect<NodeConnection.NodeConnection, TransportError.TransportError>
): Effect.Effect<NodeConnection.NodeConnection, TransportError.TransportError, Scope.Scope> =>
  Effect.acquireRelease(acquire, (connection) => connection.close, { interruptible: true })

interface Server {
  readonly listening: Listener.Listening
  readonly close: Effect.Effect<void>
}

const remoteOf = (socket: Net.Socket, endpoint: Endpoint.Endpoint): string =>
  socket.remoteAddress === undefined || socket.remotePort === undefined
    ? Endpoint.format(endpoint)
    : Endpoint.format({ _tag: "Tcp", host: socket.remoteAddress, port: socket.remotePort })

const startServer = (
  options: Options,
  endpoint: Endpoint.Endpoint
): Effect.Effect<Server, TransportError.TransportError> =>
  Effect.callback((resume) => {
    const server = Net.createServer({ ...socketOptions(options), pauseOnConnect: true })
    const onError = (cause: Error): void => resume(Effect.fail(openFailed(endpoint, cause)))
    server.on("error", onError)
    const giveUp = Effect.sync(() => {
      server.close()
    })
    try {
      server.listen(endpoint._tag === "Unix" ? { path: endpoint.path } : { host: endpoint.host, port: endpoint.port })
    } catch (cause) {
      return resume(Effect.fail(openFailed(endpoint, cause)))
    }
    server.on("listening", () => {
      server.off("error", onError)
      const bound = server.address()
      resume(Effect.succeed(serve(
        server,
        options,
        endpoint._tag === "Tcp" && typeof bound === "object" && bound !== null
          ? { ...endpoint, port: bound.port }
          : endpoint
      )))
    })
    return giveUp
  })

const serve = (server: Net.Server, options: Options, endpoint: Endpoint.Endpoint): Server => {
  const queue = AcceptQueue.makeUnsafe()
  server.on("connection", (socket) => {
    queue.offerUnsafe(NodeConnection.fromSocketUnsafe(socket, remoteOf(socket, endpoint), options))
  })
  // One connection could not be accepted, for lack of file descriptors for example; the server continues.
  server.on("error", (cause) => queue.failUnsafe(openFailed(endpoint, cause)))
  return {
    listening: { endpoint, accept: queue.accept },
    close: Effect.suspend(() => {
      server.close()
      return queue.close
    })
  }
}

/**
 * Provides `Transport` and `Listener` with Node.js sockets and the given options.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerWith = (options: Options): Layer.Layer<Transport.Transport | Listener.Listener> =>
  Layer.succeedContext(
    Context.make(Transport.Transport, {
      connect: (endpoint, connectOptions) => scoped(open(options, endpoint, connectOptions ?? {})),
      addresses,
      keepAliveProbes
    }).pipe(Context.add(Listener.Listener, {
      listen: (endpoint) =>
        Effect.map(
          Effect.acquireRelease(startServer(options, endpoint), (server) => server.close, { interruptible: true }),
          (server) => server.listening
        )
    }))
  )

/**
 * Provides `Transport` and `Listener` with Node.js sockets and settings suitable for a database: no delay, and probes
 * on idle connections.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Transport.Transport | Listener.Listener> = layerWith({})
