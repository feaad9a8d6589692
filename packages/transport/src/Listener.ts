/**
 * The service that accepts connections: the counterpart of `Transport`.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { Connection, TlsInfo, TlsServerOptions } from "./Connection.ts"
import type { Endpoint } from "./Endpoint.ts"
import type { TransportError } from "./TransportError.ts"

/**
 * The accepting end of a connection.
 *
 * @category models
 * @since 0.1.0
 */
export interface Accepted extends Connection {
  /**
   * Upgrades the connection in place like `startTls`, but in the server's role: it answers the handshake that the peer
   * initiates.
   */
  readonly acceptTls: (options: TlsServerOptions) => Effect.Effect<TlsInfo, TransportError>
}

/**
 * A listening endpoint.
 *
 * @category models
 * @since 0.1.0
 */
export interface Listening {
  /** The endpoint, with the actual port if port 0 was requested. */
  readonly endpoint: Endpoint
  /** Accepts the next connection. It lives as long as the scope in which it is accepted. */
  readonly accept: Effect.Effect<Accepted, TransportError, Scope.Scope>
}

/**
 * Listens for connections.
 *
 * @category services
 * @since 0.1.0
 */
export class Listener extends Context.Service<Listener, {
  /** Listens until the scope closes. Port 0 selects a free port. */
  readonly listen: (endpoint: Endpoint) => Effect.Effect<Listening, TransportError, Scope.Scope>
}>()("@hyperfect/transport/Listener") {}

/**
 * True if the listener is closed; otherwise only one connection could not be admitted, for example for lack of file
 * descriptors.
 */
const isClosed = (error: TransportError): boolean => error.reason._tag === "Closed"

/**
 * Listens, and serves every connection in a separate fiber, until the scope closes. Returns the endpoint.
 *
 * **When to use**
 *
 * Use it for servers and proxies; most of them start with `Authenticate.server`.
 *
 * **Details**
 *
 * A connection is closed when its handler ends, with any exit. A handler that dies is logged, and the others continue.
 * Connections that are open when the scope closes are closed with it.
 *
 * **Example** (An echo server that repeats everything twice)
 *
 * ```ts
 * import { Endpoint, InMemory, Listener, Transport } from "@hyperfect/transport"
 * import { Effect } from "effect"
 * import { strict as assert } from "node:assert"
 *
 * const program = Effect.gen(function*() {
 *   const endpoint = yield* Listener.serve(Endpoint.tcp("localhost", 0), ({ pull, write }) =>
 *     Effect.ignore(Effect.flatMap(pull, (chunks) => Effect.forEach([...chunks, ...chunks], (chunk) => write(chunk)))))
 *   const { connect } = yield* Transport.Transport
 *   const { pull, write } = yield* connect(endpoint)
 *   yield* write(new TextEncoder().encode("a"))
 *   const [first] = yield* pull
 *   return new TextDecoder().decode(first)[0]
 * }).pipe(Effect.scoped, Effect.provide(InMemory.layerNetwork()))
 *
 * assert.equal(await Effect.runPromise(program), "a")
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const serve = Effect.fnUntraced(function*<R>(
  endpoint: Endpoint,
  handle: (line: Accepted) => Effect.Effect<unknown, never, R>
): Effect.fn.Return<Endpoint, TransportError, Listener | Scope.Scope | Exclude<R, Scope.Scope>> {
  const listening = yield* Effect.flatMap(Listener, ({ listen: acceptLoop }) => acceptLoop(endpoint))
  const owner = yield* Effect.scope
  const context = yield* Effect.context<Exclude<R, Scope.Scope>>()
  /**
   * Accepts one connection. An accepted connection is always served, even if the listener is interrupted at the same
   * time.
   */
  const acceptOne = Effect.uninterruptibleMask((restore) =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const close = (exit: Exit.Exit<unknown, unknown>) => Scope.close(scope, exit)
      const line = yield* Effect.onError(restore(Scope.provide(listening.accept, scope)), () => close(Exit.void))
      const served = restore(
        Scope.provide(handle(line), scope) as Effect.Effect<unknown, never, Exclude<R, Scope.Scope>>
      )
      yield* served.pipe(
        Effect.provide(context),
        Effect.onExit(close),
        Effect.catchCause((cause) =>
          Cause.hasDies(cause) ? Effect.logError("the handler of a connection died", cause) : Effect.void
        ),
        Effect.forkIn(owner, { startImmediately: true })
      )
    })
  )
  const acceptLoop: Effect.Effect<void> = Effect.matchEffect(acceptOne, {
    onSuccess: () => Effect.suspend(() => acceptLoop),
    onFailure: (error) => isClosed(error) ? Effect.void : Effect.suspend(() => acceptLoop)
  })
  yield* Effect.forkIn(acceptLoop, owner, { startImmediately: true })
  return listening.endpoint
})
