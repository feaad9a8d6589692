/**
 * In-process connections: a pair of connections, a transport that connects to a handler, and a network with listeners.
 *
 * They behave like sockets: bytes arrive in order and in chunks of any size, a write suspends while the peer does not
 * read, data written before a close still arrives, followed by the end of the stream. Chunks are copied, so neither end
 * can see changes the other makes to its arrays.
 *
 * There is no cryptography. `startTls` and `acceptTls` meet like a handshake, fail where one would fail (only one end
 * uses TLS, other bytes arrive first, the peer disconnects) and exchange the certificates, but nothing is encrypted and
 * no certificate is verified; `TlsInfo.protocol` is {@link tlsProtocol} on such a connection.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as AcceptQueue from "./AcceptQueue.ts"
import type * as Connection from "./Connection.ts"
import * as Endpoint from "./Endpoint.ts"
import * as pipe from "./internal/pipe.ts"
import { handshake } from "./internal/simulatedTls.ts"
import * as Listener from "./Listener.ts"
import * as Transport from "./Transport.ts"
import * as TransportError from "./TransportError.ts"

/**
 * The `TlsInfo.protocol` of an in-memory connection after its simulated handshake.
 *
 * @category constants
 * @since 0.1.0
 */
export const tlsProtocol = "InMemory"

/**
 * Options of in-memory connections.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * The number of bytes that each direction buffers before a write suspends, and the maximum that one pull returns.
   * Defaults to 65,536. With 1, every byte arrives separately.
   */
  readonly capacity?: number | undefined
}

/**
 * One end of an in-memory connection.
 *
 * @category models
 * @since 0.1.0
 */
export interface InMemoryConnection extends AcceptQueue.Closeable {
  /** Closes this end, as closing its scope does. */
  readonly close: Effect.Effect<void>
}

/**
 * Both ends of a connection.
 *
 * @category models
 * @since 0.1.0
 */
export interface Pair {
  readonly client: InMemoryConnection
  readonly server: InMemoryConnection
}

const makeConnection = (incoming: pipe.Pipe, outgoing: pipe.Pipe, remote: string): InMemoryConnection => {
  let info: Connection.TlsInfo | undefined
  let securing = false
  const closeUnsafe = (): void => {
    outgoing.closeWriting()
    incoming.closeReading()
    // The peer may close its end as soon as it is woken.
    outgoing.wake()
    incoming.wake()
  }
  const secure = (
    role: "client" | "server",
    certificate: string | undefined,
    asksForCertificate: boolean
  ): Effect.Effect<Connection.TlsInfo, TransportError.TransportError> =>
    Effect.suspend(() => {
      if (securing || info !== undefined) {
        return TransportError.fail(new TransportError.TlsFailed({ code: "ALREADY_SECURED" }))
      }
      securing = true
      return handshake(role, incoming, outgoing, certificate).pipe(
        Effect.map((peerCertificate): Connection.TlsInfo => {
          info = {
            protocol: tlsProtocol,
            cipher: "NULL",
            peerCertificate: asksForCertificate ? peerCertificate : undefined
          }
          return info
        }),
        Effect.onExit((exit) =>
          Effect.sync(() => {
            securing = false
            if (Exit.isFailure(exit)) closeUnsafe()
          })
        )
      )
    })
  return {
    remote,
    pull: incoming.pull,
    write: outgoing.write,
    tls: () => info,
    startTls: (options) => secure("client", options.certificate, true),
    acceptTls: (options) => secure("server", options.certificate, options.clientRoots !== undefined),
    close: Effect.sync(closeUnsafe)
  }
}

const makePair = (options: Options | undefined, clientName: string, serverName: string): Pair => {
  const capacity = Math.max(1, options?.capacity ?? 65_536)
  const toServer = pipe.make(capacity)
  const toClient = pipe.make(capacity)
  return {
    client: makeConnection(toClient, toServer, serverName),
    server: makeConnection(toServer, toClient, clientName)
  }
}

/**
 * Creates a connection and returns both of its ends, which are closed with the scope.
 *
 * **Example** (An in-memory connection)
 *
 * ```ts
 * import * as InMemory from "@hyperfect/transport/InMemory"
 * import * as Effect from "effect/Effect"
 * import { strict as assert } from "node:assert"
 *
 * const program = Effect.scoped(Effect.gen(function*() {
 *   const { client, server } = yield* InMemory.pair()
 *   yield* client.write(Uint8Array.of(1, 2, 3))
 *   return yield* server.pull
 * }))
 *
 * assert.deepEqual(await Effect.runPromise(program), [Uint8Array.of(1, 2, 3)])
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const pair = (options?: Options): Effect.Effect<Pair, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => makePair(options, "client", "server")),
    ({ client, server }) => Effect.andThen(client.close, server.close)
  )

/**
 * Provides a `Transport` whose every connection runs the handler anew.
 *
 * **When to use**
 *
 * Use it for a server in the same process, such as a scripted one in a test.
 *
 * **Details**
 *
 * The handler owns the server's end until it returns, which closes that end. It continues after the client has
 * disconnected, and is interrupted when the layer's scope closes. A `TransportError` from it means that the client
 * disconnected, and is ignored.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <R>(
  handler: (
    line: Listener.Accepted,
    endpoint: Endpoint.Endpoint
  ) => Effect.Effect<unknown, TransportError.TransportError, R>,
  options?: Options
): Layer.Layer<Transport.Transport, never, Exclude<R, Scope.Scope>> =>
  Layer.effect(
    Transport.Transport,
    Effect.gen(function*() {
      const scope = yield* Effect.scope
      const context = yield* Effect.context<Exclude<R, Scope.Scope>>()
      let count = 0
      const open = (endpoint: Endpoint.Endpoint) =>
        Effect.suspend(() => {
          const { client, server } = makePair(options, `client ${++count}`, Endpoint.format(endpoint))
          return handler(server, endpoint).pipe(
            Effect.tapCause((cause) =>
              Cause.hasDies(cause) ? Effect.logError("the handler of an in-memory connection died", cause) : Effect.void
            ),
            Effect.ignore,
            Effect.ensuring(server.close),
            Effect.scoped,
            Effect.provide(context),
            Effect.forkIn(scope, { startImmediately: true }),
            Effect.as(client)
          )
        })
      return Transport.Transport.of({
        connect: (endpoint) => Effect.acquireRelease(open(endpoint), (client) => client.close)
      })
    })
  )

interface Binding {
  readonly endpoint: Endpoint.Endpoint
  readonly acceptQueue: AcceptQueue.AcceptQueue
}

const makeNetwork = (options: Options | undefined): Context.Context<Transport.Transport | Listener.Listener> => {
  const bindings = new Map<string, Binding>()
  let count = 0
  const openFailed = (endpoint: Endpoint.Endpoint, code: string) =>
    TransportError.fromReason(new TransportError.OpenFailed({ endpoint: Endpoint.format(endpoint), code }))
  const isFree = (endpoint: Endpoint.Endpoint): boolean => !bindings.has(Endpoint.format(endpoint))
  const freeEndpoint = (endpoint: Endpoint.Endpoint): Endpoint.Endpoint | undefined => {
    if (endpoint._tag === "Unix" || endpoint.port !== 0) return isFree(endpoint) ? endpoint : undefined
    // The range from which operating systems assign ephemeral ports.
    for (let port = 49_152; port <= 65_535; port++) {
      const candidate = Endpoint.tcp(endpoint.host, port)
      if (isFree(candidate)) return candidate
    }
    return undefined
  }
  const listen = (wanted: Endpoint.Endpoint): Effect.Effect<Binding, TransportError.TransportError> =>
    Effect.suspend(() => {
      const endpoint = freeEndpoint(wanted)
      if (endpoint === undefined) return Effect.fail(openFailed(wanted, "EADDRINUSE"))
      const place = { endpoint, acceptQueue: AcceptQueue.makeUnsafe() }
      bindings.set(Endpoint.format(endpoint), place)
      return Effect.succeed(place)
    })
  const connect = (endpoint: Endpoint.Endpoint): Effect.Effect<InMemoryConnection, TransportError.TransportError> =>
    Effect.suspend(() => {
      const place = bindings.get(Endpoint.format(endpoint))
      if (place === undefined) return Effect.fail(openFailed(endpoint, "ECONNREFUSED"))
      const { client, server } = makePair(options, `client ${++count}`, Endpoint.format(endpoint))
      place.acceptQueue.offerUnsafe(server)
      return Effect.succeed(client)
    })
  return Context.make(Transport.Transport, {
    connect: (endpoint) => Effect.acquireRelease(connect(endpoint), (client) => client.close)
  }).pipe(Context.add(Listener.Listener, {
    listen: (wanted) =>
      Effect.acquireRelease(listen(wanted), ({ acceptQueue, endpoint }) =>
        Effect.suspend(() => {
          bindings.delete(Endpoint.format(endpoint))
          return acceptQueue.close
        })).pipe(Effect.map(({ acceptQueue, endpoint }) => ({ endpoint, accept: acceptQueue.accept })))
  }))
}

/**
 * Provides `Transport` and `Listener` over a private network: a connection reaches the listener of its endpoint.
 *
 * **When to use**
 *
 * Use it to run an independent client and server in one process, without sockets.
 *
 * **Details**
 *
 * An endpoint is a name; hosts are not resolved, so `localhost` and `127.0.0.1` are different endpoints. Each build of
 * the layer is a separate network.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerNetwork = (options?: Options): Layer.Layer<Transport.Transport | Listener.Listener> =>
  Layer.effectContext(Effect.sync(() => makeNetwork(options)))
