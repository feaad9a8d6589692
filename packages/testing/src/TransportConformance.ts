/**
 * The laws of `Transport` and `Listener`, as tests to run against an implementation of them.
 *
 * A law is an Effect that fails with `LawBroken` if the implementation does not keep it. It opens what it needs, closes
 * it again, and always terminates: a timeout counts as breaking the law. Laws wait for real events, so they need the
 * live clock. They do not cover performance, or what cryptography must reject.
 *
 * @since 0.1.0
 */
import * as Listener from "@hyperfect/transport/Listener"
import * as Transport from "@hyperfect/transport/Transport"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { connectionLaws } from "./internal/conformance/connectionLaws.ts"
import type { EndpointOptions, LawEffect } from "./internal/conformance/harness.ts"
import { listenerLaws } from "./internal/conformance/listenerLaws.ts"
import * as internal from "./internal/conformance/tlsLaws.ts"
import { LawBroken } from "./LawBroken.ts"

/**
 * A property that holds for every transport, and the effect that fails if it does not.
 *
 * @category models
 * @since 0.1.0
 */
export interface Law {
  /** The property, as a sentence. */
  readonly name: string
  readonly check: Effect.Effect<void, LawBroken, Transport.Transport | Listener.Listener>
}

/**
 * Options for running the laws.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends EndpointOptions {
  /** The size of the largest single write in bytes; 64 MiB when absent. */
  readonly maxWriteSize?: number | undefined
  /** The time limit of one law; 15 seconds when absent. */
  readonly timeout?: Duration.Input | undefined
}

/**
 * Options for running the laws of secured connections.
 *
 * @category models
 * @since 0.1.0
 */
export type TlsOptions = Options & internal.TlsLawOptions

const toLaws = (laws: Record<string, LawEffect>, timeout: Duration.Input = "15 seconds"): ReadonlyArray<Law> =>
  Object.entries(laws).map(([name, law]) => ({
    name,
    check: law.pipe(
      Effect.scoped,
      Effect.catchTag(
        "TransportError",
        (error) => Effect.fail(new LawBroken({ detail: `${error.reason._tag}: ${error.message}` }))
      ),
      Effect.timeoutOrElse({
        duration: timeout,
        orElse: () => Effect.fail(new LawBroken({ detail: "it did not end in time" }))
      })
    )
  }))

/**
 * Returns the laws of connections, and of opening and accepting them.
 *
 * **Example** (In-memory connections)
 *
 * ```ts
 * import * as TransportConformance from "@hyperfect/testing/TransportConformance"
 * import * as Endpoint from "@hyperfect/transport/Endpoint"
 * import * as InMemory from "@hyperfect/transport/InMemory"
 * import * as Effect from "effect/Effect"
 *
 * const laws = TransportConformance.laws({ endpoint: Effect.succeed(Endpoint.tcp("server", 0)) })
 *
 * for (const law of laws) {
 *   await Effect.runPromise(law.check.pipe(Effect.provide(InMemory.layerNetwork())))
 * }
 * ```
 *
 * @category laws
 * @since 0.1.0
 */
export const laws = (options: Options): ReadonlyArray<Law> => [
  ...toLaws(
    connectionLaws({ endpoint: options.endpoint, maxWriteSize: options.maxWriteSize ?? 64 * 1024 * 1024 }),
    options.timeout
  ),
  ...toLaws(listenerLaws(options), options.timeout)
]

/**
 * Returns the laws of securing a connection in place, for implementations that support it.
 *
 * **Details**
 *
 * The client's options must accept the server's certificate.
 *
 * @category laws
 * @since 0.1.0
 */
export const tlsLaws = (options: TlsOptions): ReadonlyArray<Law> => toLaws(internal.tlsLaws(options), options.timeout)

/**
 * Secures every connection of a transport and a listener as soon as it is open, so that the laws of connections can be
 * run against secured ones.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerSecured = (
  options: Pick<TlsOptions, "client" | "server">
): Layer.Layer<Transport.Transport | Listener.Listener, never, Transport.Transport | Listener.Listener> =>
  Layer.effectContext(Effect.gen(function*() {
    const transport = yield* Transport.Transport
    const listener = yield* Listener.Listener
    return Context.make(Transport.Transport, {
      connect: (endpoint, connectOptions) =>
        Effect.tap(transport.connect(endpoint, connectOptions), (line) => line.startTls(options.client))
    }).pipe(Context.add(Listener.Listener, {
      listen: (endpoint) =>
        Effect.map(listener.listen(endpoint), (listening) => ({
          endpoint: listening.endpoint,
          accept: Effect.tap(listening.accept, (line) => line.acceptTls(options.server))
        }))
    }))
  }))
