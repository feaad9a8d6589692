/**
 * A transport with faulty connections: it wraps any `Transport` and simulates network faults.
 *
 * Faults are data. Chunks are split, bytes are delayed, stalled, lost or corrupted, a connection breaks after a number
 * of bytes, or is refused. Random decisions derive from the seed and the position in the stream, so the same options
 * have the same effect on the same conversation.
 *
 * Faults that preserve every byte (splitting, delays) keep all transport laws. The TLS handshake is not affected; data
 * under TLS is delayed, cut and counted in clear text. The peer of a cut connection sees it closed in order, even if
 * this end sees a reset. Listeners are not wrapped.
 *
 * @since 0.1.0
 */
import * as Endpoint from "@hyperfect/transport/Endpoint"
import * as Transport from "@hyperfect/transport/Transport"
import * as TransportError from "@hyperfect/transport/TransportError"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as faultyLine from "./internal/faults/connection.ts"
import type { Faults, StreamFaults } from "./internal/faults/options.ts"
import { randomSize, seededRandom } from "./internal/faults/schedule.ts"

export type { Faults, StreamFaults, WriteFaults } from "./internal/faults/options.ts"

/**
 * Faults of all connections.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends Faults {
  /** The seed of random decisions; 0 when absent. */
  readonly seed?: number | undefined
  /** The faults of the first, second ... connection, in place of those for all. Later connections have the latter. */
  readonly connections?: ReadonlyArray<Faults> | undefined
}

/**
 * The options of {@link plan}.
 *
 * @category models
 * @since 0.1.0
 */
export interface PlanOptions {
  /** The number of connections with individual faults; 3 when absent. */
  readonly connections?: number | undefined
  /** The first position for a fault, such as one after the login; 0 when absent. */
  readonly from?: number | undefined
  /** The number of positions to choose from, the first ones more often; 65,536 when absent. */
  readonly bytes?: number | undefined
  /** The longest delay of a piece in milliseconds; 2 when absent. */
  readonly delay?: number | undefined
  /** True if connections may stall, or discard writes, which only a timeout can detect; true when absent. */
  readonly stall?: boolean | undefined
  /** True if bytes may be corrupted; false when absent. */
  readonly corrupt?: boolean | undefined
}

const omitUndefined = <A extends object>(faults: A): A =>
  Object.fromEntries(Object.entries(faults).filter(([, value]) => value !== undefined)) as A

const planConnection = (seed: number, line: number, options: PlanOptions): Faults => {
  let count = 0
  const next = () => seededRandom(seed, line, ++count)
  const once = <A>(probability: number, make: () => A): A | undefined => (next() < probability ? make() : undefined)
  const position = () => (options.from ?? 0) + randomSize(options.bytes ?? 65_536, next()) - 1
  const stalls = (options.stall ?? true) ? 0.1 : 0
  const direction = (): StreamFaults => ({
    // Delaying many small pieces would take minutes.
    ...next() < 0.2
      ? { split: 4096, delay: next() * (options.delay ?? 2) }
      : { split: once(0.6, () => randomSize(4096, next())) },
    stallAfter: once(stalls, position),
    disconnectAfter: once(0.25, position),
    corruptAt: once(options.corrupt === true ? 0.5 : 0, () => [position()])
  })
  const faults: Faults = {
    connect: once(0.05, () => "refuse" as const) ?? once(stalls / 4, () => "stall" as const),
    reading: omitUndefined(direction()),
    writing: omitUndefined({ ...direction(), dropAfter: once(stalls, position) }),
    disconnect: once(0.5, () => "reset" as const)
  }
  return omitUndefined(faults)
}

/**
 * Chooses random faults for some connections.
 *
 * **When to use**
 *
 * Use to test a program with hundreds of seeds: the plan of a seed that breaks it can be printed, read and reduced by
 * hand.
 *
 * **Example** (The plan of a seed)
 *
 * ```ts
 * import { FaultTransport } from "@hyperfect/testing"
 * import { strict as assert } from "node:assert"
 *
 * assert.deepEqual(FaultTransport.plan(7), FaultTransport.plan(7))
 * assert.notDeepEqual(FaultTransport.plan(7), FaultTransport.plan(8))
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const plan = (seed: number, options: PlanOptions = {}): Options => ({
  seed,
  connections: Array.from({ length: options.connections ?? 3 }, (_, i) => planConnection(seed, i + 1, options))
})

const openTimeout = (endpoint: Endpoint.Endpoint, milliseconds: number) =>
  TransportError.fail(new TransportError.OpenTimeout({ endpoint: Endpoint.format(endpoint), milliseconds }))

/**
 * Wraps the underlying transport.
 *
 * **Example** (A connection that breaks)
 *
 * ```ts
 * import { FaultTransport } from "@hyperfect/testing"
 * import { Endpoint, InMemory, Transport } from "@hyperfect/transport"
 * import { Effect, Layer } from "effect"
 * import { strict as assert } from "node:assert"
 *
 * const Flaky = FaultTransport.layer({ seed: 42, reading: { split: 1, disconnectAfter: 2 }, disconnect: "reset" }).pipe(
 *   Layer.provide(InMemory.layer((connection) => connection.write(Uint8Array.of(1, 2, 3))))
 * )
 *
 * const program = Effect.gen(function*() {
 *   const transport = yield* Transport.Transport
 *   const { pull } = yield* transport.connect(Endpoint.tcp("db", 5432))
 *   return [yield* pull, yield* pull, (yield* Effect.flip(pull)).reason._tag]
 * }).pipe(Effect.scoped, Effect.provide(Flaky))
 *
 * assert.deepEqual(await Effect.runPromise(program), [[Uint8Array.of(1)], [Uint8Array.of(2)], "ReadFailed"])
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options = {}): Layer.Layer<Transport.Transport, never, Transport.Transport> =>
  Layer.effect(
    Transport.Transport,
    Effect.gen(function*() {
      const transport = yield* Transport.Transport
      let count = 0
      return Transport.Transport.of({
        ...transport,
        connect: (endpoint, connectOptions) =>
          Effect.suspend(() => {
            const number = ++count
            const faults = options.connections?.[number - 1] ?? options
            if (faults.connect === "refuse") {
              return TransportError.fail(
                new TransportError.OpenFailed({ endpoint: Endpoint.format(endpoint), code: "ECONNREFUSED" })
              )
            }
            if (faults.connect === "stall") {
              const timeout = connectOptions?.timeout
              return timeout === undefined
                ? Effect.never
                : Effect.andThen(Effect.sleep(timeout), openTimeout(endpoint, timeout))
            }
            return Effect.gen(function*() {
              const scope = yield* Scope.fork(yield* Effect.scope)
              const line = yield* Scope.provide(transport.connect(endpoint, connectOptions), scope)
              return yield* faultyLine.make(line, faults, Scope.close(scope, Exit.void), options.seed ?? 0, number)
            })
          })
      })
    })
  )
