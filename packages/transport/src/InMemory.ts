/**
 * Lines that never leave the process: a pair of connections, a transport whose every line leads to a handler, and a
 * network with listeners.
 *
 * They behave as sockets do: bytes come in order and in chunks of any size, a write suspends while the other end does
 * not read, what was written before a close still arrives, and the end of the stream comes after it. A chunk is a copy,
 * so that neither end can see what the other does to its arrays.
 *
 * There is no cryptography. `startTls` and `acceptTls` meet as a handshake does, fail where one would fail (one end
 * speaks TLS and the other does not, other bytes come first, the other end goes away) and hand over the certificates,
 * but nothing is encrypted and no certificate is checked; {@link tlsProtocol} in the facts of the line says so.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Backlog from "./Backlog.ts"
import type * as Connection from "./Connection.ts"
import * as Endpoint from "./Endpoint.ts"
import * as pipe from "./internal/pipe.ts"
import { handshake } from "./internal/plainTls.ts"
import * as Listener from "./Listener.ts"
import * as Transport from "./Transport.ts"
import * as TransportError from "./TransportError.ts"

/**
 * What `TlsInfo.protocol` says of a line that was "secured" in memory.
 *
 * @category constants
 * @since 0.1.0
 */
export const tlsProtocol = "InMemory"

/**
 * How lines in memory behave.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * Bytes that each direction holds before a write suspends, and the most that one pull returns; 65,536 when absent.
   * With 1, every byte comes alone.
   */
  readonly capacity?: number | undefined
}

/**
 * One end of a line in memory.
 *
 * @category models
 * @since 0.1.0
 */
export interface InMemoryConnection extends Backlog.Closeable {
  /** Closes this end, as closing its scope does. */
  readonly close: Effect.Effect<void>
}

/**
 * Both ends of a line.
 *
 * @category models
 * @since 0.1.0
 */
export interface Pair {
  readonly client: InMemoryConnection
  readonly server: InMemoryConnection
}

const makeEnd = (incoming: pipe.Pipe, outgoing: pipe.Pipe, remote: string): InMemoryConnection => {
  let info: Connection.TlsInfo | undefined
  let securing = false
  const closeUnsafe = (): void => {
    outgoing.closeWriting()
    incoming.closeReading()
  }
  const secure = (
    role: "client" | "server",
    certificate: string | undefined,
    asksForCertificate: boolean
  ): Effect.Effect<Connection.TlsInfo, TransportError.TransportError> =>
    Effect.suspend(() => {
      if (securing || info !== undefined) {
        return Effect.fail(TransportError.fromReason(new TransportError.TlsFailed({ code: "ALREADY_SECURED" })))
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
    client: makeEnd(toClient, toServer, serverName),
    server: makeEnd(toServer, toClient, clientName)
  }
}

/**
 * Makes a line and returns both of its ends, which are closed with the scope.
 *
 * **Example** (A line in memory)
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
 * Provides a `Transport` whose every connection leads to a new run of the handler.
 *
 * **When to use**
 *
 * Use for a server that lives in the same process, such as a scripted one in a test.
 *
 * **Details**
 *
 * The handler has the server's end until it returns; then that end is closed. It runs on when the client has gone, and is
 * interrupted when the layer's scope closes. A `TransportError` of it means that the client went away, and is no news.
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
              Cause.hasDies(cause) ? Effect.logError("the handler of a line in memory died", cause) : Effect.void
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

interface Place {
  readonly endpoint: Endpoint.Endpoint
  readonly backlog: Backlog.Backlog
}

const makeNetwork = (options: Options | undefined): Context.Context<Transport.Transport | Listener.Listener> => {
  const places = new Map<string, Place>()
  let count = 0
  const openFailed = (endpoint: Endpoint.Endpoint, code: string) =>
    TransportError.fromReason(new TransportError.OpenFailed({ endpoint: Endpoint.format(endpoint), code }))
  const isFree = (endpoint: Endpoint.Endpoint): boolean => !places.has(Endpoint.format(endpoint))
  const freePlace = (endpoint: Endpoint.Endpoint): Endpoint.Endpoint | undefined => {
    if (endpoint._tag === "Unix" || endpoint.port !== 0) return isFree(endpoint) ? endpoint : undefined
    // The range that systems take ephemeral ports from.
    for (let port = 49_152; port <= 65_535; port++) {
      const candidate = Endpoint.tcp(endpoint.host, port)
      if (isFree(candidate)) return candidate
    }
    return undefined
  }
  const listen = (wanted: Endpoint.Endpoint): Effect.Effect<Place, TransportError.TransportError> =>
    Effect.suspend(() => {
      const endpoint = freePlace(wanted)
      if (endpoint === undefined) return Effect.fail(openFailed(wanted, "EADDRINUSE"))
      const place = { endpoint, backlog: Backlog.makeUnsafe() }
      places.set(Endpoint.format(endpoint), place)
      return Effect.succeed(place)
    })
  const connect = (endpoint: Endpoint.Endpoint): Effect.Effect<InMemoryConnection, TransportError.TransportError> =>
    Effect.suspend(() => {
      const place = places.get(Endpoint.format(endpoint))
      if (place === undefined) return Effect.fail(openFailed(endpoint, "ECONNREFUSED"))
      const { client, server } = makePair(options, `client ${++count}`, Endpoint.format(endpoint))
      place.backlog.offerUnsafe(server)
      return Effect.succeed(client)
    })
  return Context.make(
    Transport.Transport,
    Transport.Transport.of({
      connect: (endpoint) => Effect.acquireRelease(connect(endpoint), (client) => client.close)
    })
  ).pipe(Context.add(
    Listener.Listener,
    Listener.Listener.of({
      listen: (wanted) =>
        Effect.acquireRelease(listen(wanted), ({ backlog, endpoint }) =>
          Effect.suspend(() => {
            places.delete(Endpoint.format(endpoint))
            return backlog.close
          })).pipe(Effect.map(({ backlog, endpoint }) => ({ endpoint, accept: backlog.accept })))
    })
  ))
}

/**
 * Provides `Transport` and `Listener` over a network of its own: a connection reaches who listens at its endpoint.
 *
 * **When to use**
 *
 * Use to run a client and a server that know nothing of each other in one process, without sockets.
 *
 * **Details**
 *
 * An endpoint is a name; hosts are not looked up, so `localhost` and `127.0.0.1` are different places. Each build of the
 * layer is a network of its own.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerNetwork = (options?: Options): Layer.Layer<Transport.Transport | Listener.Listener> =>
  Layer.effectContext(Effect.sync(() => makeNetwork(options)))
