/**
 * The service that waits for lines: the other end of `Transport`.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Connection, TlsInfo, TlsServerOptions } from "./Connection.ts"
import type { Endpoint } from "./Endpoint.ts"
import type { TransportError } from "./TransportError.ts"

/**
 * The accepting end of a line.
 *
 * @category models
 * @since 0.1.0
 */
export interface Accepted extends Connection {
  /**
   * Secures the line in place, as `startTls` does, but in the server's role: it answers the handshake that the other end
   * begins.
   */
  readonly acceptTls: (options: TlsServerOptions) => Effect.Effect<TlsInfo, TransportError>
}

/**
 * A place where connections come in.
 *
 * @category models
 * @since 0.1.0
 */
export interface Listening {
  /** Where it listens, with the real port when port 0 was asked for. */
  readonly endpoint: Endpoint
  /** The next connection. It lives as long as the scope that it is accepted in. */
  readonly accept: Effect.Effect<Accepted, TransportError, Scope.Scope>
}

/**
 * Listens for connections.
 *
 * @category services
 * @since 0.1.0
 */
export class Listener extends Context.Service<Listener, {
  /** Listens for as long as the scope lives. Port 0 picks a free one. */
  readonly listen: (endpoint: Endpoint) => Effect.Effect<Listening, TransportError, Scope.Scope>
}>()("@hyperfect/transport/Listener") {}
