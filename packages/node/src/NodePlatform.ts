/**
 * The platform services that a program needs on Node.js, in one layer.
 *
 * @since 0.1.0
 */
import * as NodeCrypto from "@effect/platform-node-shared/NodeCrypto"
import * as NodeFileSystem from "@effect/platform-node-shared/NodeFileSystem"
import * as NodePath from "@effect/platform-node-shared/NodePath"
import type { Listener } from "@hyperfect/transport/Listener"
import type { Transport } from "@hyperfect/transport/Transport"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type * as Path from "effect/Path"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import * as NodeTransport from "./NodeTransport.ts"

/**
 * The services of {@link layer}: connections in both roles, randomness and digests, files, paths and processes.
 *
 * @category models
 * @since 0.1.0
 */
export type NodePlatform =
  | Transport
  | Listener
  | Layer.Success<typeof NodeCrypto.layer>
  | ChildProcessSpawner.ChildProcessSpawner
  | FileSystem.FileSystem
  | Path.Path

/** Loads Node's spawner with the first command: most programs start no processes, and start faster without it. */
const layerSpawner = Layer.effect(
  ChildProcessSpawner.ChildProcessSpawner,
  Effect.gen(function*() {
    const context = yield* Effect.context<FileSystem.FileSystem | Path.Path>()
    const loaded = yield* Effect.promise(() => import("@effect/platform-node-shared/NodeChildProcessSpawner")).pipe(
      Effect.flatMap(({ layer }) => Effect.provide(ChildProcessSpawner.ChildProcessSpawner, layer)),
      Effect.provide(context),
      Effect.cached
    )
    return ChildProcessSpawner.make((command) => Effect.flatMap(loaded, (spawner) => spawner.spawn(command)))
  })
)

/**
 * Provides the sockets, cryptography, files and processes of Node.js.
 *
 * **When to use**
 *
 * Use once, at the outermost layer of a program. A program with a terminal adds `NodeServices` of
 * `@effect/platform-node`.
 *
 * **Gotchas**
 *
 * Adds 22 kB (gzipped) to a bundled program that needs only the sockets of `NodeTransport.layer` (M-20).
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<NodePlatform> = Layer.provideMerge(
  layerSpawner,
  Layer.mergeAll(NodeTransport.layer, NodeCrypto.layer, NodeFileSystem.layer, NodePath.layer)
)
