import { assert, describe, it } from "@effect/vitest"
import { AcceptQueue, InMemory, TransportError } from "@hyperfect/transport"
import { Effect, Exit, Fiber, Scope } from "effect"

const connection = Effect.map(InMemory.pair(), ({ server }) => server)

const isClosed = (line: AcceptQueue.Closeable) =>
  Effect.map(Effect.flip(line.write(Uint8Array.of(1))), ({ reason }) => reason._tag === "Closed")

describe("AcceptQueue", () => {
  it.effect("accepts connections in the order in which they came in, one per accept", () =>
    Effect.gen(function*() {
      const queue = AcceptQueue.makeUnsafe()
      const lines = [yield* connection, yield* connection, yield* connection]
      queue.offerUnsafe(lines[0]!)
      const first = yield* queue.accept
      const waiting = [
        yield* Effect.forkChild(queue.accept, { startImmediately: true }),
        yield* Effect.forkChild(queue.accept, { startImmediately: true })
      ]
      queue.offerUnsafe(lines[1]!)
      queue.offerUnsafe(lines[2]!)
      const others = yield* Effect.forEach(waiting, Fiber.join)
      assert.strictEqual(first, lines[0])
      assert.strictEqual(others[0], lines[1])
      assert.strictEqual(others[1], lines[2])
    }))

  it.effect("closes a connection with the scope in which it was accepted", () =>
    Effect.gen(function*() {
      const queue = AcceptQueue.makeUnsafe()
      const line = yield* connection
      queue.offerUnsafe(line)
      const scope = yield* Scope.make()
      yield* Scope.provide(queue.accept, scope)
      yield* line.write(Uint8Array.of(1))
      yield* Scope.close(scope, Exit.void)
      assert.isTrue(yield* isClosed(line))
    }))

  it.effect("keeps connections that come in while an accept is interrupted", () =>
    Effect.gen(function*() {
      const queue = AcceptQueue.makeUnsafe()
      const interrupted = yield* Effect.forkChild(queue.accept, { startImmediately: true })
      yield* Fiber.interrupt(interrupted)
      const line = yield* connection
      queue.offerUnsafe(line)
      assert.strictEqual(yield* queue.accept, line)
    }))

  it.effect("fails one waiting accept if a connection could not be admitted, and continues", () =>
    Effect.gen(function*() {
      const queue = AcceptQueue.makeUnsafe()
      const waiting = [
        yield* Effect.forkChild(queue.accept, { startImmediately: true }),
        yield* Effect.forkChild(queue.accept, { startImmediately: true })
      ]
      const failure = TransportError.fromReason(new TransportError.OpenFailed({ endpoint: "here", code: "EMFILE" }))
      queue.failUnsafe(failure)
      assert.strictEqual(yield* Effect.flip(Fiber.join(waiting[0]!)), failure)
      const line = yield* connection
      queue.offerUnsafe(line)
      assert.strictEqual(yield* Fiber.join(waiting[1]!), line)
    }))

  it.effect("close closes unaccepted and later connections", () =>
    Effect.gen(function*() {
      const queue = AcceptQueue.makeUnsafe()
      const early = yield* connection
      const late = yield* connection
      queue.offerUnsafe(early)
      yield* queue.close
      queue.offerUnsafe(late)
      assert.isTrue(yield* isClosed(early))
      assert.isTrue(yield* isClosed(late))
      const { reason } = yield* Effect.flip(Effect.scoped(queue.accept))
      assert.isTrue(reason._tag === "Closed" && reason.by === "local")
    }))
})
