import { assert, describe, it } from "@effect/vitest"
import { NodeTransport } from "@hyperfect/node"
import { Endpoint, Listener, Transport } from "@hyperfect/transport"
import { Effect, Fiber } from "effect"

const text = (bytes: ReadonlyArray<Uint8Array>): string => Buffer.concat(bytes).toString("utf8")

describe("NodeTransport", () => {
  it.live("carries bytes both ways and ends with Closed", () =>
    Effect.gen(function*() {
      const listener = yield* Listener.Listener
      const transport = yield* Transport.Transport
      const listening = yield* listener.listen(Endpoint.tcp("127.0.0.1", 0))
      const server = yield* Effect.forkChild(Effect.scoped(Effect.gen(function*() {
        const line = yield* listening.accept
        const request = text(yield* line.pull)
        yield* line.write(Buffer.from(`${request} pong`))
      })))
      const line = yield* transport.connect(listening.endpoint)
      yield* line.write(Buffer.from("ping"))
      assert.strictEqual(text(yield* line.pull), "ping pong")
      const end = yield* Effect.flip(line.pull)
      assert.strictEqual(end.reason._tag, "Closed")
      yield* Fiber.join(server)
    }).pipe(Effect.provide(NodeTransport.layer)))
})
