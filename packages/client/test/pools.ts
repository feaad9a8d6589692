/** Pools on the servers of the tests, and the connections that they open. */
import type { ConnectionConfig } from "@hyperfect/client/ConnectionConfig"
import * as Pool from "@hyperfect/client/Pool"
import { Transport } from "@hyperfect/transport/Transport"
import * as TransportError from "@hyperfect/transport/TransportError"
import { Effect } from "effect"
import { TestServer } from "./liveServers.ts"

/** Counts the connections of a transport, and can refuse new ones. */
export const trackConnections = (inner: Transport["Service"]) => {
  const connections = { attempts: 0, opening: 0, mostOpening: 0, open: 0, mostOpen: 0, isDown: false }
  const begin = Effect.sync(() => {
    connections.attempts++
    connections.opening++
    connections.mostOpening = Math.max(connections.mostOpening, connections.opening)
  })
  const transport: Transport["Service"] = {
    ...inner,
    connect: (endpoint, options) =>
      Effect.gen(function*() {
        yield* begin
        if (connections.isDown) {
          const reason = new TransportError.OpenFailed({ endpoint: "refused", code: "ECONNREFUSED" })
          return yield* Effect.fail(TransportError.fromReason(reason))
        }
        // The finalizer that was added first runs last, once the connection is closed.
        yield* Effect.acquireRelease(
          Effect.sync(() => {
            connections.mostOpen = Math.max(connections.mostOpen, ++connections.open)
          }),
          () => Effect.sync(() => void connections.open--)
        )
        return yield* inner.connect(endpoint, options)
      }).pipe(Effect.ensuring(Effect.sync(() => void connections.opening--)))
  }
  return { connections, transport }
}

/**
 * Makes a pool on the server of the file and tracks its connections. It closes with the test. On a busy machine its
 * statements would be described again behind their runs, which occupies sessions; that is left out.
 */
export const openPool = (options: Pool.Options = {}) =>
  Effect.flatMap(TestServer, ({ config }) => openPoolWith({ ...config, typeCheckInterval: "1 hour" }, options))

/** As {@link openPool}, with another configuration. */
export const openPoolWith = (config: ConnectionConfig, options: Pool.Options) =>
  Effect.gen(function*() {
    const { connections, transport } = trackConnections(yield* Transport)
    const pool = yield* Effect.provideService(Pool.make(config, options), Transport, transport)
    return { pool, connections }
  })

/** Waits in real time until a condition holds. The test's time limit ends it otherwise. */
export const waitUntil = (holds: () => boolean): Effect.Effect<void> =>
  Effect.suspend(() =>
    holds()
      ? Effect.void
      : Effect.andThen(Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 2))), waitUntil(holds))
  )
