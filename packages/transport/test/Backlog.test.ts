import { assert, describe, it } from "@effect/vitest"
import { Backlog, InMemory, TransportError } from "@hyperfect/transport"
import { Effect, Exit, Fiber, Scope } from "effect"

const connection = Effect.map(InMemory.pair(), ({ server }) => server)

const isClosed = (line: Backlog.Closeable) =>
  Effect.map(Effect.flip(line.write(Uint8Array.of(1))), ({ reason }) => reason._tag === "Closed")

describe("Backlog", () => {
  it.effect("hands connections out in the order they came in, one to each who accepts", () =>
    Effect.gen(function*() {
      const backlog = Backlog.makeUnsafe()
      const lines = [yield* connection, yield* connection, yield* connection]
      backlog.offerUnsafe(lines[0]!)
      const first = yield* backlog.accept
      const waiting = [
        yield* Effect.forkChild(backlog.accept, { startImmediately: true }),
        yield* Effect.forkChild(backlog.accept, { startImmediately: true })
      ]
      backlog.offerUnsafe(lines[1]!)
      backlog.offerUnsafe(lines[2]!)
      const others = yield* Effect.forEach(waiting, Fiber.join)
      assert.strictEqual(first, lines[0])
      assert.strictEqual(others[0], lines[1])
      assert.strictEqual(others[1], lines[2])
    }))

  it.effect("closes a connection with the scope that it was accepted in", () =>
    Effect.gen(function*() {
      const backlog = Backlog.makeUnsafe()
      const line = yield* connection
      backlog.offerUnsafe(line)
      const scope = yield* Scope.make()
      yield* Scope.provide(backlog.accept, scope)
      yield* line.write(Uint8Array.of(1))
      yield* Scope.close(scope, Exit.void)
      assert.isTrue(yield* isClosed(line))
    }))

  it.effect("keeps what came while an accept was interrupted", () =>
    Effect.gen(function*() {
      const backlog = Backlog.makeUnsafe()
      const interrupted = yield* Effect.forkChild(backlog.accept, { startImmediately: true })
      yield* Fiber.interrupt(interrupted)
      const line = yield* connection
      backlog.offerUnsafe(line)
      assert.strictEqual(yield* backlog.accept, line)
    }))

  it.effect("fails one waiting accept when letting somebody in has failed, and goes on", () =>
    Effect.gen(function*() {
      const backlog = Backlog.makeUnsafe()
      const waiting = [
        yield* Effect.forkChild(backlog.accept, { startImmediately: true }),
        yield* Effect.forkChild(backlog.accept, { startImmediately: true })
      ]
      const failure = TransportError.fromReason(new TransportError.OpenFailed({ endpoint: "here", code: "EMFILE" }))
      backlog.failUnsafe(failure)
      assert.strictEqual(yield* Effect.flip(Fiber.join(waiting[0]!)), failure)
      const line = yield* connection
      backlog.offerUnsafe(line)
      assert.strictEqual(yield* Fiber.join(waiting[1]!), line)
    }))

  it.effect("closes what nobody has accepted, and what comes after", () =>
    Effect.gen(function*() {
      const backlog = Backlog.makeUnsafe()
      const early = yield* connection
      const late = yield* connection
      backlog.offerUnsafe(early)
      yield* backlog.close
      backlog.offerUnsafe(late)
      assert.isTrue(yield* isClosed(early))
      assert.isTrue(yield* isClosed(late))
      const { reason } = yield* Effect.flip(Effect.scoped(backlog.accept))
      assert.isTrue(reason._tag === "Closed" && reason.by === "local")
    }))
})
