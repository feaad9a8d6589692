import { assert, describe, it } from "@effect/vitest"
import { type Connection, Endpoint, InMemory, Listener, Transport, TransportError } from "@hyperfect/transport"
import { Deferred, Effect, Exit, Layer, Logger, Scope } from "effect"

const serverEndpoint = Endpoint.tcp("here", 7)
const bytes = (text: string) => new TextEncoder().encode(text)

const connect = Effect.flatMap(Transport.Transport, ({ connect }) => connect(serverEndpoint))

/** Returns all data until the peer closes the connection. */
const readAll = (line: Connection.Connection) =>
  Effect.gen(function*() {
    let text = ""
    while (true) {
      const chunks = yield* line.pull
      for (const chunk of chunks) text += new TextDecoder().decode(chunk)
      if (text.length > 100) return text
    }
  }).pipe(Effect.catch(({ reason }) => Effect.succeed(reason._tag)))

const network = <A, E>(
  effect: Effect.Effect<A, E, Transport.Transport | Listener.Listener | Scope.Scope>
): Effect.Effect<A, E> => Effect.scoped(Effect.provide(effect, InMemory.layerNetwork()))

describe("Listener.serve", () => {
  it.effect("serves connections concurrently, and closes each when its handler returns", () =>
    network(Effect.gen(function*() {
      const gate = yield* Deferred.make<void>()
      const endpoint = yield* Listener.serve(serverEndpoint, (line) =>
        Effect.gen(function*() {
          yield* line.write(bytes("hello"))
          yield* Deferred.await(gate)
        }).pipe(Effect.ignore))
      assert.deepStrictEqual(endpoint, serverEndpoint)
      const lines = [yield* connect, yield* connect, yield* connect]
      for (const line of lines) assert.strictEqual((yield* line.pull)[0].length, 5)
      yield* Deferred.succeed(gate, undefined)
      for (const line of lines) assert.strictEqual(yield* readAll(line), "Closed")
    })))

  it.effect("continues after a handler dies, and logs the defect", () =>
    Effect.gen(function*() {
      const logged: Array<string> = []
      yield* network(Effect.gen(function*() {
        let served = 0
        yield* Listener.serve(serverEndpoint, (line) =>
          Effect.suspend(() =>
            ++served === 1 ? Effect.die("a mistake") : Effect.ignore(line.write(bytes("hello")))
          ))
        assert.strictEqual(yield* readAll(yield* connect), "Closed")
        assert.strictEqual((yield* (yield* connect).pull)[0].length, 5)
      })).pipe(Effect.provide(Logger.layer([Logger.make(({ message }) => void logged.push(String(message)))])))
      assert.deepStrictEqual(logged, ["the handler of a connection died"])
    }))

  it.effect("closes open connections with its scope, and stops listening", () =>
    network(Effect.gen(function*() {
      const scope = yield* Scope.make()
      let ended = 0
      yield* Scope.provide(
        Listener.serve(serverEndpoint, () => Effect.ensuring(Effect.never, Effect.sync(() => void ended++))),
        scope
      )
      const lines = [yield* connect, yield* connect]
      for (let i = 0; i < 10; i++) yield* Effect.yieldNow
      yield* Scope.close(scope, Exit.void)
      for (const line of lines) assert.strictEqual(yield* readAll(line), "Closed")
      assert.strictEqual(ended, 2)
      assert.strictEqual((yield* Effect.flip(connect)).reason._tag, "OpenFailed")
    })))

  it.effect("continues after a connection could not be admitted", () => {
    let accepts = 0
    const failing = Layer.succeed(
      Listener.Listener,
      Listener.Listener.of({
        listen: (endpoint) =>
          Effect.succeed({
            endpoint,
            accept: Effect.suspend(() =>
              Effect.fail(TransportError.fromReason(
                ++accepts < 5
                  ? new TransportError.OpenFailed({ endpoint: "here", code: "EMFILE" })
                  : new TransportError.Closed({ by: "local" })
              ))
            )
          })
      })
    )
    return Effect.gen(function*() {
      yield* Listener.serve(serverEndpoint, () => Effect.void)
      for (let i = 0; i < 100; i++) yield* Effect.yieldNow
      assert.strictEqual(accepts, 5)
    }).pipe(Effect.scoped, Effect.provide(failing))
  })

  it.effect("fails if the endpoint is in use", () =>
    network(Effect.gen(function*() {
      yield* Listener.serve(serverEndpoint, () => Effect.void)
      const { reason } = yield* Effect.flip(Listener.serve(serverEndpoint, () => Effect.void))
      assert.strictEqual(reason._tag, "OpenFailed")
    })))
})
