/**
 * A transport whose lines are bad: it wraps any `Transport` and does to its lines what networks do.
 *
 * Faults are data. Chunks are cut into small ones, bytes are late, stand still, get lost or come out wrong, a line breaks
 * after so many bytes, a connection is refused. Where chance decides, it is drawn from the seed and from the position in
 * the stream, so that the same options do the same to the same conversation.
 *
 * Faults that leave every byte alone (splitting, delays) are nothing that a line may not do: it keeps all laws of
 * transports. The handshake of TLS is left alone; what is said under TLS is delayed, cut and counted in clear text. The
 * other end of a line that is cut sees it closed in order, also where this end is told of a reset. Listeners are not
 * wrapped.
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
import { draw, drawSize } from "./internal/course.ts"
import type { Direction, Faults } from "./internal/faults.ts"
import * as faultyLine from "./internal/faultyLine.ts"

export type { Direction, Faults, WriteDirection } from "./internal/faults.ts"

/**
 * Faults of all lines.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends Faults {
  /** What chance is drawn from; 0 when absent. */
  readonly seed?: number | undefined
  /** The faults of the first, the second ... line, in place of those for all. The lines behind them have the latter. */
  readonly lines?: ReadonlyArray<Faults> | undefined
}

/**
 * What {@link plan} chooses from.
 *
 * @category models
 * @since 0.1.0
 */
export interface PlanOptions {
  /** How many lines have faults of their own; 3 when absent. */
  readonly lines?: number | undefined
  /** The first position at which something happens, such as one behind the log-in; 0 when absent. */
  readonly from?: number | undefined
  /** From how many positions it is chosen, the first ones more often; 65,536 when absent. */
  readonly bytes?: number | undefined
  /** The longest delay of a piece in milliseconds; 2 when absent. */
  readonly delay?: number | undefined
  /** Whether lines may stand still, or take writes and throw them away, so that nothing but time tells; true when absent. */
  readonly stall?: boolean | undefined
  /** Whether bytes may come out changed; false when absent. */
  readonly corrupt?: boolean | undefined
}

const defined = <A extends object>(faults: A): A =>
  Object.fromEntries(Object.entries(faults).filter(([, value]) => value !== undefined)) as A

const planLine = (seed: number, line: number, options: PlanOptions): Faults => {
  let count = 0
  const next = () => draw(seed, line, ++count)
  const once = <A>(probability: number, make: () => A): A | undefined => (next() < probability ? make() : undefined)
  const position = () => (options.from ?? 0) + drawSize(options.bytes ?? 65_536, next()) - 1
  const stalls = (options.stall ?? true) ? 0.1 : 0
  const direction = (): Direction => ({
    // Many pieces that are all late would take minutes.
    ...next() < 0.2
      ? { split: 4096, delay: next() * (options.delay ?? 2) }
      : { split: once(0.6, () => drawSize(4096, next())) },
    stallAfter: once(stalls, position),
    cutAfter: once(0.25, position),
    corruptAt: once(options.corrupt === true ? 0.5 : 0, () => [position()])
  })
  const faults: Faults = {
    connect: once(0.05, () => "refuse" as const) ?? once(stalls / 4, () => "stall" as const),
    reading: defined(direction()),
    writing: defined({ ...direction(), dropAfter: once(stalls, position) }),
    cut: once(0.5, () => "reset" as const)
  }
  return defined(faults)
}

/**
 * Chooses faults for some lines by chance.
 *
 * **When to use**
 *
 * Use to try a program under hundreds of seeds: a seed whose plan breaks it can be printed, read and cut down by hand.
 *
 * **Example** (What a seed does)
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
  lines: Array.from({ length: options.lines ?? 3 }, (_, i) => planLine(seed, i + 1, options))
})

const openTimeout = (endpoint: Endpoint.Endpoint, milliseconds: number) =>
  Effect.fail(TransportError.fromReason(
    new TransportError.OpenTimeout({ endpoint: Endpoint.format(endpoint), milliseconds })
  ))

/**
 * Wraps the transport below.
 *
 * **Example** (A line that breaks)
 *
 * ```ts
 * import { FaultTransport } from "@hyperfect/testing"
 * import { Endpoint, InMemory, Transport } from "@hyperfect/transport"
 * import { Effect, Layer } from "effect"
 * import { strict as assert } from "node:assert"
 *
 * const Flaky = FaultTransport.layer({ seed: 42, reading: { split: 1, cutAfter: 2 }, cut: "reset" }).pipe(
 *   Layer.provide(InMemory.layer((line) => line.write(Uint8Array.of(1, 2, 3))))
 * )
 *
 * const program = Effect.gen(function*() {
 *   const transport = yield* Transport.Transport
 *   const line = yield* transport.connect(Endpoint.tcp("db", 5432))
 *   return [yield* line.pull, yield* line.pull, (yield* Effect.flip(line.pull)).reason._tag]
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
            const faults = options.lines?.[number - 1] ?? options
            if (faults.connect === "refuse") {
              return Effect.fail(TransportError.fromReason(
                new TransportError.OpenFailed({ endpoint: Endpoint.format(endpoint), code: "ECONNREFUSED" })
              ))
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
