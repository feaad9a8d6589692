import { assert, describe, it } from "@effect/vitest"
import { NodeTransport } from "@hyperfect/node"
import { Certificates } from "@hyperfect/testing"
import { Endpoint, Listener, Transport } from "@hyperfect/transport"
import { Effect, Fiber } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"

const certificate = await Effect.runPromise(Certificates.selfSigned({ name: "server" }))

/**
 * Resources that keep a process alive: sockets, pipes, servers, pending connections. Timers are excluded, as the test
 * runner has its own.
 */
const resources = () =>
  process.getActiveResourcesInfo().filter((name) => /TCP|TLS|Pipe|Connect|Shutdown|Write|GetAddrInfo/.test(name)).sort()

/** Retries, because a closed connection may wait a moment for the peer. */
const expectSame = (before: ReadonlyArray<string>) =>
  Effect.sleep("10 millis").pipe(
    Effect.repeat({ times: 1000, until: () => resources().length === before.length }),
    Effect.andThen(Effect.sync(() => assert.deepStrictEqual(resources(), before)))
  )

const openPair = (endpoint: Endpoint.Endpoint) =>
  Effect.gen(function*() {
    const listener = yield* Listener.Listener
    const transport = yield* Transport.Transport
    const listening = yield* listener.listen(endpoint)
    const client = yield* transport.connect(listening.endpoint)
    return { client, server: yield* listening.accept }
  })

const exchangeAndClose = (endpoint: Endpoint.Endpoint, secured: boolean) =>
  Effect.scoped(Effect.gen(function*() {
    const { client, server } = yield* openPair(endpoint)
    if (secured) {
      yield* Effect.all([
        client.startTls({ verification: "none", serverName: "" }),
        server.acceptTls(certificate)
      ], { concurrency: 2 })
    }
    yield* Effect.forkChild(Effect.ignore(client.write(new Uint8Array(100_000))))
    yield* server.pull
    const pulling = yield* Effect.forkChild(client.pull, { startImmediately: true })
    yield* Fiber.interrupt(pulling)
  }))

describe("NodeTransport > resources", () => {
  it.live("leaves no socket, server or request behind after closing", () =>
    Effect.gen(function*() {
      const directory = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(`${tmpdir()}/hyperfect-`)),
        (path) => Effect.sync(() => rmSync(path, { recursive: true }))
      )
      const before = resources()
      for (const endpoint of [Endpoint.tcp("127.0.0.1", 0), Endpoint.unix(`${directory}/socket`)]) {
        for (const secured of [false, true]) {
          yield* Effect.forEach(Array.from({ length: 10 }), () => exchangeAndClose(endpoint, secured), {
            concurrency: endpoint._tag === "Tcp" ? 5 : 1
          })
        }
      }
      yield* expectSame(before)
    }).pipe(Effect.provide(NodeTransport.layer)))

  it.live("leaves nothing behind after a failure or interruption", () =>
    Effect.gen(function*() {
      const before = resources()
      const transport = yield* Transport.Transport
      yield* Effect.ignore(Effect.scoped(transport.connect(Endpoint.tcp("127.0.0.1", 1))))
      yield* Effect.ignore(Effect.scoped(transport.connect(Endpoint.unix("/no/such/socket"))))
      yield* Effect.scoped(Effect.gen(function*() {
        const { client, server } = yield* openPair(Endpoint.tcp("127.0.0.1", 0))
        const handshake = yield* Effect.forkChild(client.startTls({ verification: "none", serverName: "" }), {
          startImmediately: true
        })
        yield* Effect.sleep("5 millis")
        yield* Fiber.interrupt(handshake)
        yield* Effect.ignore(server.acceptTls({ ...certificate, certificate: "nonsense" }))
      }))
      yield* Effect.scoped(Effect.gen(function*() {
        const listener = yield* Listener.Listener
        const listening = yield* listener.listen(Endpoint.tcp("127.0.0.1", 0))
        // Connected, but never accepted.
        yield* transport.connect(listening.endpoint)
        const connecting = yield* Effect.forkChild(Effect.scoped(transport.connect(listening.endpoint)), {
          startImmediately: true
        })
        yield* Fiber.interrupt(connecting)
      }))
      yield* expectSame(before)
    }).pipe(Effect.provide(NodeTransport.layer)))

  it.live("leaves no listeners on a socket after many pulls and writes", () =>
    Effect.gen(function*() {
      const warnings: Array<Error> = []
      const onWarning = (warning: Error) => warnings.push(warning)
      process.on("warning", onWarning)
      yield* Effect.scoped(Effect.gen(function*() {
        const { client, server } = yield* openPair(Endpoint.tcp("127.0.0.1", 0))
        for (let i = 0; i < 50; i++) {
          const pulling = yield* Effect.forkChild(client.pull, { startImmediately: true })
          yield* Fiber.interrupt(pulling)
          const writing = yield* Effect.forkChild(client.write(new Uint8Array(1024 * 1024)), { startImmediately: true })
          yield* Fiber.interrupt(writing)
        }
        yield* server.pull
      }))
      process.off("warning", onWarning)
      assert.deepStrictEqual(warnings, [])
    }).pipe(Effect.provide(NodeTransport.layer)))
})
