/**
 * The service that waits for lines: the other end of `Transport`.
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

/** Whether the place is closed; otherwise only one connection could not be let in, for want of descriptors perhaps. */
const isOver = (error: TransportError): boolean => error.reason._tag === "Closed"

/**
 * Listens, and has every connection served by a fiber of its own, until the scope closes. Returns where it listens.
 *
 * **When to use**
 *
 * Use for servers and proxies; `Authenticate.server` is what most of them begin with.
 *
 * **Details**
 *
 * A connection is closed when the handler has come to its end, whatever that is. A handler that dies is logged, and the
 * others go on. Connections that are open when the scope closes are closed with it.
 *
 * **Example** (A server that says everything twice)
 *
 * ```ts
 * import { Endpoint, InMemory, Listener, Transport } from "@hyperfect/transport"
 * import { Effect } from "effect"
 * import { strict as assert } from "node:assert"
 *
 * const program = Effect.gen(function*() {
 *   const endpoint = yield* Listener.serve(Endpoint.tcp("localhost", 0), (line) =>
 *     Effect.ignore(Effect.flatMap(line.pull, (chunks) =>
 *       Effect.forEach([...chunks, ...chunks], (chunk) => line.write(chunk)))))
 *   const { connect } = yield* Transport.Transport
 *   const line = yield* connect(endpoint)
 *   yield* line.write(new TextEncoder().encode("a"))
 *   const [first] = yield* line.pull
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
  const listening = yield* Effect.flatMap(Listener, ({ listen }) => listen(endpoint))
  const owner = yield* Effect.scope
  const context = yield* Effect.context<Exclude<R, Scope.Scope>>()
  /** Lets one connection in. What has been let in is served, also when the listening is interrupted in between. */
  const welcome = Effect.uninterruptibleMask((restore) =>
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
          Cause.hasDies(cause) ? Effect.logError("what served a connection died", cause) : Effect.void
        ),
        Effect.forkIn(owner, { startImmediately: true })
      )
    })
  )
  const listen: Effect.Effect<void> = Effect.matchEffect(welcome, {
    onSuccess: () => Effect.suspend(() => listen),
    onFailure: (error) => isOver(error) ? Effect.void : Effect.suspend(() => listen)
  })
  yield* Effect.forkIn(listen, owner, { startImmediately: true })
  return listening.endpoint
})
