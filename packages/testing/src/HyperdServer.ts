/**
 * A real Hyper server for tests, as a layer.
 *
 * It provides the `Hyperd` service of `@hyperfect/hyper` with defaults for tests: a known password, a free port, and a
 * new working directory that is removed with the scope, together with every database that a test has created under a
 * relative path. The program comes from the installed platform package; nothing is downloaded. It runs as any user,
 * including root.
 *
 * For a server in a program use `Hyperd.layer`: it keeps its databases.
 *
 * @since 0.1.0
 */
import * as Hyperd from "@hyperfect/hyper/Hyperd"
import { fromReason, type HyperdError, SystemFailed } from "@hyperfect/hyper/HyperdError"
import type * as Listener from "@hyperfect/transport/Listener"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type * as Path from "effect/Path"
import type * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Certificates from "./Certificates.ts"

/**
 * Start options of the server.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends Omit<Hyperd.Options, "tls" | "workingDirectory"> {
  /** `"password"` when absent: clients must prove by SCRAM-SHA-256 that they know the password. */
  readonly authentication?: "trust" | "password" | undefined
  /** The password; `hyperfect` when absent. */
  readonly password?: Redacted.Redacted<string> | undefined
  /**
   * A certificate and key, or `true` for a new self-signed one that is valid for `localhost` and the loopback
   * addresses. A client trusts it by using `Hyperd.tls.certificate` as a root.
   */
  readonly tls?: boolean | Hyperd.TlsOptions | undefined
}

type Platform = ChildProcessSpawner.ChildProcessSpawner | FileSystem.FileSystem | Listener.Listener | Path.Path

const hosts = ["localhost", "127.0.0.1", "::1"]

/**
 * Starts a server for the scope.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*(
  options: Options = {}
): Effect.fn.Return<Hyperd.Hyperd["Service"], HyperdError, Platform | Scope.Scope> {
  const { authentication, password, tls, ...others } = options
  const fs = yield* FileSystem.FileSystem
  const workingDirectory = yield* Effect.acquireRelease(
    Effect.mapError(
      fs.makeTempDirectory({ prefix: "hyperfect-databases-" }),
      (cause) => fromReason(new SystemFailed({ action: "make a directory", cause }))
    ),
    (directory) => Effect.ignore(fs.remove(directory, { recursive: true, force: true }))
  )
  return yield* Hyperd.make({
    ...others,
    workingDirectory,
    password: authentication === "trust" ? undefined : password ?? Redacted.make("hyperfect"),
    tls: tls === true ? yield* Effect.orDie(Certificates.selfSigned({ name: "localhost", hosts })) : tls || undefined
  })
})

/**
 * Provides a Hyper server for the lifetime of the layer.
 *
 * **Example** (A server for one test)
 *
 * ```ts
 * import { Hyperd } from "@hyperfect/hyper"
 * import { NodePlatform } from "@hyperfect/node"
 * import { HyperdServer } from "@hyperfect/testing"
 * import { Effect, Layer } from "effect"
 * import { strict as assert } from "node:assert"
 *
 * const test = Effect.gen(function*() {
 *   const { authentication, endpoint } = yield* Hyperd.Hyperd
 *   assert.equal(authentication, "password")
 *   assert.equal(endpoint._tag, "Tcp")
 * })
 *
 * const Server = HyperdServer.layer().pipe(Layer.provide(NodePlatform.layer))
 *
 * await Effect.runPromise(Effect.provide(test, Server))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options = {}): Layer.Layer<Hyperd.Hyperd, HyperdError, Platform> =>
  Layer.effect(Hyperd.Hyperd, make(options))
