/**
 * The platform services that a program needs on Node.js, in one layer.
 *
 * @since 0.1.0
 */
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as NodeServices from "@effect/platform-node/NodeServices"
import type { Listener } from "@hyperfect/transport/Listener"
import type { Transport } from "@hyperfect/transport/Transport"
import * as Layer from "effect/Layer"
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
  | NodeServices.NodeServices

/**
 * Provides the sockets, cryptography, files and processes of Node.js.
 *
 * **When to use**
 *
 * Use once, at the outermost layer of a program.
 *
 * **Gotchas**
 *
 * Adds 27 kB (gzipped) to a bundled program that needs only the sockets of `NodeTransport.layer` (M-20).
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<NodePlatform> = Layer.mergeAll(
  NodeTransport.layer,
  NodeCrypto.layer,
  NodeServices.layer
)
