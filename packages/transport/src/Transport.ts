/**
 * The service that opens connections.
 *
 * TCP, TLS, Unix sockets, an in-process database, a script, a recording or a faulty connection are each a layer of it,
 * and code above cannot tell them apart.
 *
 * @since 0.1.0
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Connection } from "./Connection.ts"
import type { Endpoint } from "./Endpoint.ts"
import type { TransportError } from "./TransportError.ts"

/**
 * Options for opening a connection.
 *
 * @category models
 * @since 0.1.0
 */
export interface ConnectOptions {
  /** Milliseconds until the attempt fails with `OpenTimeout`. Defaults to no limit. */
  readonly timeout?: number | undefined
  /** True to let the kernel probe an idle connection. Defaults to the transport's setting. TCP only. */
  readonly keepAlive?: boolean | undefined
  /** Milliseconds of inactivity before the first probe. Defaults to the transport's setting. */
  readonly keepAliveInitialDelay?: number | undefined
  /** Milliseconds between probes, and the number of those without an answer after which the connection is lost. */
  readonly keepAliveInterval?: number | undefined
  readonly keepAliveCount?: number | undefined
}

/**
 * Opens connections.
 *
 * @category services
 * @since 0.1.0
 */
export class Transport extends Context.Service<Transport, {
  /** Opens a connection. It lives as long as the scope, and is closed with it. */
  readonly connect: (
    endpoint: Endpoint,
    options?: ConnectOptions
  ) => Effect.Effect<Connection, TransportError, Scope.Scope>
  /** True if `connect` honours `keepAliveInterval` and `keepAliveCount`; otherwise they must not be given. */
  readonly keepAliveProbes?: boolean
  /**
   * Resolves an endpoint whose name has several addresses to one endpoint per address, in the order in which they
   * should be tried; otherwise returns the endpoint itself. Absent if the transport does not resolve names.
   *
   * `connect` tries the addresses itself. This is for callers that need to know the server at each address.
   */
  readonly addresses?: (endpoint: Endpoint) => Effect.Effect<NonEmptyReadonlyArray<Endpoint>, TransportError>
}>()("@hyperfect/transport/Transport (NodePlatform.layer of @hyperfect/node provides it)") {}
