/** Pools on the servers of the tests, and the lines that they open. */
import * as Pool from "@hyperfect/client/Pool"
import { Transport } from "@hyperfect/transport/Transport"
import * as TransportError from "@hyperfect/transport/TransportError"
import { Effect } from "effect"
import { Target } from "./servers.ts"

/** Counts the lines of a transport, and can refuse new ones. */
export const watch = (inner: Transport["Service"]) => {
  const lines = { attempts: 0, opening: 0, mostOpening: 0, open: 0, mostOpen: 0, isDown: false }
  const begin = Effect.sync(() => {
    lines.attempts++
    lines.opening++
    lines.mostOpening = Math.max(lines.mostOpening, lines.opening)
  })
  const transport: Transport["Service"] = {
    ...inner,
    connect: (endpoint, options) =>
      Effect.gen(function*() {
        yield* begin
        if (lines.isDown) {
          const reason = new TransportError.OpenFailed({ endpoint: "refused", code: "ECONNREFUSED" })
          return yield* Effect.fail(TransportError.fromReason(reason))
        }
        // The finalizer that was added first is run last: when the line is closed.
        yield* Effect.acquireRelease(
          Effect.sync(() => {
            lines.mostOpen = Math.max(lines.mostOpen, ++lines.open)
          }),
          () => Effect.sync(() => void lines.open--)
        )
        return yield* inner.connect(endpoint, options)
      }).pipe(Effect.ensuring(Effect.sync(() => void lines.opening--)))
  }
  return { lines, transport }
}

/** Makes a pool on the server of the file, and watches its lines. It ends with the test. */
export const openPool = (options: Pool.Options = {}) =>
  Effect.gen(function*() {
    const { config } = yield* Target
    const { lines, transport } = watch(yield* Transport)
    const pool = yield* Effect.provideService(Pool.make(config, options), Transport, transport)
    return { pool, lines }
  })

/** Waits until something holds, by the real clock. The test's own time limit ends it otherwise. */
export const until = (holds: () => boolean): Effect.Effect<void> =>
  Effect.suspend(() =>
    holds()
      ? Effect.void
      : Effect.andThen(Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 2))), until(holds))
  )
