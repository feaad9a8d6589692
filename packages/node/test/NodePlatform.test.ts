import { assert, describe, it } from "@effect/vitest"
import { NodePlatform } from "@hyperfect/node"
import { Endpoint, Listener, Transport } from "@hyperfect/transport"
import { Effect, FileSystem, Path } from "effect"
import { Digest, SecureRandom } from "effect/crypto"
import { ChildProcess, ChildProcessSpawner } from "effect/process"

describe("NodePlatform.layer", () => {
  it.live("provides sockets, digests, randomness, files, paths and processes together", () =>
    Effect.gen(function*() {
      const fileSystem = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
      const listener = yield* Listener.Listener
      const transport = yield* Transport.Transport
      const digest = yield* Digest.Digest
      const random = yield* SecureRandom.SecureRandom

      const directory = yield* fileSystem.makeTempDirectoryScoped()
      const listening = yield* listener.listen(Endpoint.unix(path.join(directory, "socket")))
      const client = yield* transport.connect(listening.endpoint)
      const server = yield* listening.accept
      const bytes = yield* random.randomBytes(32)
      yield* client.write(bytes)
      assert.deepStrictEqual([...(yield* server.pull)[0]], [...bytes])
      assert.lengthOf(yield* digest.digest(Digest.sha256, bytes), 32)
      const version = yield* spawner.string(ChildProcess.make(process.execPath, ["--version"]))
      assert.strictEqual(version.trim(), process.version)
    }).pipe(Effect.provide(NodePlatform.layer)))
})
