/**
 * The laws of opening and accepting connections.
 *
 * @since 0.1.0
 */
import * as Listener from "@hyperfect/transport/Listener"
import * as Transport from "@hyperfect/transport/Transport"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import {
  connectTo,
  type EndpointOptions,
  expect,
  expectClosed,
  inOwnScope,
  type LawEffect,
  listenAt,
  overPair,
  reasonOf,
  startSuspended,
  transfer
} from "./harness.ts"

const listenInOwnScope = (place: EndpointOptions) =>
  Effect.gen(function*() {
    const listener = yield* Listener.Listener
    const endpoint = yield* place.endpoint
    const scope = yield* Scope.fork(yield* Effect.scope)
    const listening = yield* Scope.provide(listener.listen(endpoint), scope)
    return { listening, close: Scope.close(scope, Exit.void) }
  })

/** @internal */
export const listenerLaws = (place: EndpointOptions): Record<string, LawEffect> => ({
  "connecting to an endpoint without a listener fails with OpenFailed": Effect.gen(function*() {
    const transport = yield* Transport.Transport
    const { close, listening } = yield* listenInOwnScope(place)
    yield* close
    const reason = yield* reasonOf(Effect.scoped(transport.connect(listening.endpoint)), "connecting succeeded")
    yield* expect(reason._tag === "OpenFailed", `connecting failed with ${reason._tag}`)
  }),

  "listening on a taken endpoint fails with OpenFailed": Effect.gen(function*() {
    const listener = yield* Listener.Listener
    const { endpoint } = yield* listenAt(place)
    const reason = yield* reasonOf(Effect.scoped(listener.listen(endpoint)), "listening twice succeeded")
    yield* expect(reason._tag === "OpenFailed", `listening twice failed with ${reason._tag}`)
  }),

  "an endpoint is free again after its listener has closed": Effect.gen(function*() {
    const listener = yield* Listener.Listener
    const { close, listening } = yield* listenInOwnScope(place)
    yield* close
    const { client, server } = yield* Effect.flatMap(listener.listen(listening.endpoint), connectTo)
    yield* transfer(client, server, 10)
  }),

  "connections outlive the listener that accepted them": Effect.gen(function*() {
    const { close, listening } = yield* listenInOwnScope(place)
    const { client, server } = yield* connectTo(listening)
    yield* close
    yield* transfer(server, client, 10)
  }),

  "closing a listener fails a suspended accept, and every later one, with Closed": Effect.gen(function*() {
    const { close, listening } = yield* listenInOwnScope(place)
    const accepting = yield* startSuspended(inOwnScope(listening.accept), "an accept without a client")
    yield* close
    yield* expectClosed(Fiber.join(accepting), "local", "the suspended accept")
    yield* expectClosed(Effect.scoped(listening.accept), "local", "an accept after the close")
  }),

  "closing a listener closes the connections that were not accepted": Effect.gen(function*() {
    const transport = yield* Transport.Transport
    const { close, listening } = yield* listenInOwnScope(place)
    // A transport may open a connection only when it is accepted, so the attempt may also fail.
    const connecting = yield* Effect.forkChild(inOwnScope(transport.connect(listening.endpoint)))
    yield* Effect.sleep("50 millis")
    yield* close
    const reason = yield* reasonOf(
      Effect.flatMap(Fiber.join(connecting), ({ connection }) => connection.pull),
      "a pull on a connection that was not accepted succeeded"
    )
    yield* expect(reason._tag !== "OpenTimeout", "connecting timed out")
  }),

  "an interrupted accept loses no connection": Effect.gen(function*() {
    const listening = yield* listenAt(place)
    for (let i = 0; i < 20; i++) {
      const accepting = yield* Effect.forkChild(inOwnScope(listening.accept), { startImmediately: true })
      yield* Effect.sleep(0)
      yield* Fiber.interrupt(accepting)
    }
    const { client, server } = yield* connectTo(listening)
    yield* transfer(client, server, 10)
  }),

  "concurrent connections do not interfere with each other": Effect.gen(function*() {
    const listening = yield* listenAt(place)
    const transport = yield* Transport.Transport
    const count = 100
    // Every server sends the byte that its client has sent back ten times.
    const serve = Effect.gen(function*() {
      const { connection } = yield* inOwnScope(listening.accept)
      const [name] = yield* connection.pull
      for (let i = 0; i < 10; i++) yield* connection.write(name)
    })
    yield* Effect.forkChild(Effect.forEach(Array.from({ length: count }), () => serve, { concurrency: "unbounded" }))
    yield* Effect.forEach(
      Array.from({ length: count }, (_, i) => i),
      (i) =>
        Effect.gen(function*() {
          const { connection } = yield* inOwnScope(transport.connect(listening.endpoint))
          yield* connection.write(Uint8Array.of(i))
          let received = 0
          while (received < 10) {
            for (const chunk of yield* connection.pull) {
              yield* expect(chunk.every((byte) => byte === i), `line ${i} got the bytes of another one`)
              received += chunk.length
            }
          }
        }),
      { concurrency: "unbounded", discard: true }
    )
  }),

  "connections can be opened and closed a hundred times": Effect.gen(function*() {
    const listening = yield* listenAt(place)
    for (let i = 0; i < 100; i++) {
      const { client, server } = yield* connectTo(listening)
      yield* transfer(client, server, 3)
      yield* i % 2 === 0 ? client.close : server.close
      yield* expectClosed((i % 2 === 0 ? server : client).connection.pull, "peer", "a pull after the other end's close")
      yield* i % 2 === 0 ? server.close : client.close
    }
  }),

  "both ends can name the peer": overPair(place)(function*({ client, server }) {
    yield* expect(client.connection.remote !== "" && server.connection.remote !== "", "a remote name is empty")
  })
})
