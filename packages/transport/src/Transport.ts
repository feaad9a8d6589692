/**
 * The service that opens lines.
 *
 * TCP, TLS, Unix sockets, an in-process database, a script, a recording or a faulty line are each a layer of it, and
 * nothing above can tell them apart.
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
 * How a line is opened.
 *
 * @category models
 * @since 0.1.0
 */
export interface ConnectOptions {
  /** Milliseconds until the attempt fails with `OpenTimeout`; no limit when absent. */
  readonly timeout?: number | undefined
  /** Whether the kernel probes an idle line; as the transport has it when absent. Only TCP has that. */
  readonly keepAlive?: boolean | undefined
  /** Milliseconds of silence before the first probe; as the transport has it when absent. */
  readonly keepAliveInitialDelay?: number | undefined
}

/**
 * Opens connections.
 *
 * @category services
 * @since 0.1.0
 */
export class Transport extends Context.Service<Transport, {
  /** Opens a line. It lives as long as the scope, and is closed with it. */
  readonly connect: (
    endpoint: Endpoint,
    options?: ConnectOptions
  ) => Effect.Effect<Connection, TransportError, Scope.Scope>
  /**
   * The endpoints behind one whose name stands for several addresses, in the order in which they are to be tried, each
   * with its address; else the endpoint itself. Absent where nobody looks names up.
   *
   * `connect` goes through the addresses by itself. This is for those who have to know what is at each of them.
   */
  readonly addresses?: (endpoint: Endpoint) => Effect.Effect<NonEmptyReadonlyArray<Endpoint>, TransportError>
}>()("@hyperfect/transport/Transport") {}
