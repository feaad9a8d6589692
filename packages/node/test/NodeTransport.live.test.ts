import { assert, describe, it, vi } from "@effect/vitest"
import { NodeTransport } from "@hyperfect/node"
import { type Connection, Endpoint, FastPath, Listener, Transport, TransportError } from "@hyperfect/transport"
import { Effect, Exit, Fiber, Option, Schema, Scope } from "effect"
import { once } from "node:events"
import * as Net from "node:net"
import { tmpdir } from "node:os"
import { Worker } from "node:worker_threads"

const bytes = (text: string): Uint8Array => Buffer.from(text)

const text = (chunks: ReadonlyArray<Uint8Array>): string => Buffer.concat(chunks).toString("utf8")

const connect = (endpoint: Endpoint.Endpoint, options?: Transport.ConnectOptions) =>
  Effect.flatMap(Transport.Transport, (transport) => transport.connect(endpoint, options))

const listen = (endpoint: Endpoint.Endpoint) =>
  Effect.flatMap(Listener.Listener, (listener) => listener.listen(endpoint))

/** A plain Node server, for behavior that this library's own server does not have. */
const rawServer = (onConnection: (socket: Net.Socket) => void, options: Net.ServerOpts = {}) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly server: Net.Server; readonly sockets: Set<Net.Socket>; readonly port: number }>(
      (resume) => {
        const sockets = new Set<Net.Socket>()
        const server = Net.createServer(options, (socket) => {
          sockets.add(socket)
          socket.on("error", () => {})
          onConnection(socket)
        })
        server.listen(0, "127.0.0.1", () => {
          resume(Effect.succeed({ server, sockets, port: (server.address() as Net.AddressInfo).port }))
        })
      }
    ),
    ({ server, sockets }) =>
      Effect.sync(() => {
        for (const socket of sockets) socket.destroy()
        server.close()
      })
  )

/**
 * A server that never accepts because its thread is blocked, with a full backlog: the next connection gets no response.
 */
const silentServer = Effect.acquireRelease(
  Effect.promise(async () => {
    const worker = new Worker(
      `const { parentPort } = require("node:worker_threads")
      const server = require("node:net").createServer().listen({ host: "127.0.0.1", port: 0, backlog: 1 }, () => {
        parentPort.postMessage(server.address().port)
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
      })`,
      { eval: true }
    )
    const [port] = await once(worker, "message") as [number]
    const knocking = Array.from({ length: 8 }, () => Net.connect({ host: "127.0.0.1", port }).on("error", () => {}))
    await Promise.race(knocking.map((socket) => once(socket, "connect")))
    return { worker, knocking, port }
  }),
  ({ knocking, worker }) =>
    Effect.promise(() => {
      for (const socket of knocking) socket.destroy()
      return worker.terminate()
    })
)

const openFailure = (endpoint: Endpoint.Endpoint, options?: Transport.ConnectOptions) =>
  Effect.map(Effect.flip(Effect.scoped(connect(endpoint, options))), (error) => error.reason)

const codeOf = (reason: TransportError.Reason): string => `${reason._tag} ${"code" in reason ? reason.code : ""}`

const pullAll = (connection: Connection.Connection) =>
  Effect.gen(function*() {
    const chunks: Array<Uint8Array> = []
    const end = yield* Effect.flip(
      Effect.forever(Effect.map(connection.pull, (pulled) => {
        chunks.push(...pulled)
      }))
    )
    return { text: text(chunks), end: end.reason }
  })

describe("NodeTransport.connect", () => {
  it.live("reports a refused connection with the system's code and the endpoint", () =>
    Effect.gen(function*() {
      const { port, server } = yield* rawServer(() => {})
      server.close()
      const reason = yield* openFailure(Endpoint.tcp("127.0.0.1", port))
      assert.strictEqual(codeOf(reason), "OpenFailed ECONNREFUSED")
      assert.strictEqual(reason.message, `cannot connect to 127.0.0.1:${port} (ECONNREFUSED)`)
    }).pipe(Effect.provide(NodeTransport.layer)))

  it.live("reports a missing socket file, and a file that is not a socket", () =>
    Effect.gen(function*() {
      assert.strictEqual(codeOf(yield* openFailure(Endpoint.unix(`${tmpdir()}/no/such/socket`))), "OpenFailed ENOENT")
      assert.strictEqual(codeOf(yield* openFailure(Endpoint.unix("/dev/null"))), "OpenFailed ECONNREFUSED")
    }).pipe(Effect.provide(NodeTransport.layer)))

  it.live("reports an invalid port instead of throwing", () =>
    Effect.gen(function*() {
      const reason = yield* openFailure({ _tag: "Tcp", host: "127.0.0.1", port: 70_000 })
      assert.strictEqual(codeOf(reason), "OpenFailed ERR_SOCKET_BAD_PORT")
    }).pipe(Effect.provide(NodeTransport.layer)))

  it.live("reports an unknown host name", () =>
    Effect.gen(function*() {
      // RFC 2606 reserves this domain, so it never exists.
      const reason = yield* openFailure(Endpoint.tcp("host.invalid", 5432))
      assert.include(["OpenFailed ENOTFOUND", "OpenFailed EAI_AGAIN"], codeOf(reason))
    }).pipe(Effect.provide(NodeTransport.layer)))

  it.live("fails after the timeout if the server does not respond", () =>
    Effect.gen(function*() {
      const server = yield* silentServer
      const reason = yield* openFailure(Endpoint.tcp("127.0.0.1", server.port), { timeout: 100 })
      assert.strictEqual(reason._tag, "OpenTimeout")
      assert.strictEqual(reason.message, `no connection to 127.0.0.1:${server.port} within 100 ms`)
    }).pipe(Effect.provide(NodeTransport.layer)))

  it.live("waits for a server that does not respond if the timeout is longer than timers can be", () =>
    Effect.gen(function*() {
      const server = yield* silentServer
      const failure = openFailure(Endpoint.tcp("127.0.0.1", server.port), { timeout: Infinity })
      assert.isTrue(Option.isNone(yield* Effect.timeoutOption(failure, "100 millis")))
    }).pipe(Effect.provide(NodeTransport.layer)))

  it.live("is interruptible while the server does not respond", () =>
    Effect.gen(function*() {
      const server = yield* silentServer
      const connecting = yield* Effect.forkChild(Effect.scoped(connect(Endpoint.tcp("127.0.0.1", server.port))), {
        startImmediately: true
      })
      yield* Effect.sleep("20 millis")
      yield* Fiber.interrupt(connecting)
      assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(connecting)))
    }).pipe(Effect.provide(NodeTransport.layer)))

  it.live("tries every address of a name", () =>
    Effect.gen(function*() {
      // The server listens on one of the address families that `localhost` may resolve to.
      const { port } = yield* rawServer((socket) => socket.end("here"))
      const line = yield* connect(Endpoint.tcp("localhost", port))
      assert.strictEqual(text(yield* line.pull), "here")
      assert.strictEqual(line.remote, `localhost:${port}`)
      assert.strictEqual(line.address, "127.0.0.1")
    }).pipe(Effect.provide(NodeTransport.layer)))

  it.live("resolves the addresses of a name, and leaves other endpoints unchanged", () =>
    Effect.gen(function*() {
      const { addresses } = yield* Transport.Transport
      const single = [
        Endpoint.tcp("127.0.0.1", 7),
        Endpoint.tcp("::1", 7),
        Endpoint.unix("/tmp/x"),
        Endpoint.Tcp.make({ host: "db.example", port: 7, address: "10.0.0.1" })
      ]
      for (const endpoint of single) assert.deepStrictEqual(yield* addresses!(endpoint), [endpoint])
      const known = yield* addresses!(Endpoint.tcp("localhost", 7))
      for (const endpoint of known) {
        assert(endpoint._tag === "Tcp")
        assert.deepStrictEqual([endpoint.host, endpoint.port], ["localhost", 7])
        if (known.length > 1) assert.include(["127.0.0.1", "::1"], endpoint.address)
      }
      const { reason } = yield* Effect.flip(addresses!(Endpoint.tcp("no-such-host.invalid", 7)))
      assert.match(codeOf(reason), /^OpenFailed (ENOTFOUND|EAI_AGAIN)$/)
    }).pipe(Effect.provide(NodeTransport.layer)))

  it.live("fails with errors that can be encoded as JSON and decoded", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Effect.scoped(connect(Endpoint.unix("/no/such/socket"))))
      const json = JSON.stringify(yield* Schema.encodeEffect(TransportError.TransportError)(error))
      const back = yield* Schema.decodeUnknownEffect(TransportError.TransportError)(JSON.parse(json))
      assert.strictEqual(codeOf(back.reason), "OpenFailed ENOENT")
    }).pipe(Effect.provide(NodeTransport.layer)))
})

describe("NodeTransport > connection", () => {
  it.live("delivers data received before a reset, then fails with ReadFailed", () =>
    Effect.gen(function*() {
      const { port, sockets } = yield* rawServer((socket) => socket.write("last words"))
      const line = yield* connect(Endpoint.tcp("127.0.0.1", port))
      assert.strictEqual(text(yield* line.pull), "last words")
      const pulling = yield* Effect.forkChild(Effect.flip(line.pull), { startImmediately: true })
      for (const socket of sockets) socket.resetAndDestroy()
      assert.strictEqual(codeOf((yield* Fiber.join(pulling)).reason), "ReadFailed ECONNRESET")
      assert.strictEqual(codeOf((yield* Effect.flip(line.pull)).reason), "ReadFailed ECONNRESET")
      assert.strictEqual(codeOf((yield* Effect.flip(line.write(bytes("?")))).reason), "WriteFailed ECONNRESET")
    }).pipe(Effect.provide(NodeTransport.layer)))

  it.live("delivers data buffered before a reset, even without a pending pull", () =>
    Effect.gen(function*() {
      const { port, sockets } = yield* rawServer((socket) => socket.write("first"))
      const line = yield* connect(Endpoint.tcp("127.0.0.1", port))
      assert.strictEqual(text(yield* line.pull), "first")
      for (const word of [" second", " third"]) {
        for (const socket of sockets) socket.write(word)
        yield* Effect.sleep("20 millis")
      }
      for (const socket of sockets) socket.resetAndDestroy()
      yield* Effect.sleep("20 millis")
      const { end, text: words } = yield* pullAll(line)
      assert.strictEqual(words, " second third")
      assert.strictEqual(codeOf(end), "ReadFailed ECONNRESET")
    }).pipe(Effect.provide(NodeTransport.layer)))

  it.live("fails a suspended write with WriteFailed on a reset", () =>
    Effect.gen(function*() {
      const { port, sockets } = yield* rawServer((socket) => socket.pause())
      const line = yield* connect(Endpoint.tcp("127.0.0.1", port))
      const writing = yield* Effect.forkChild(Effect.flip(line.write(new Uint8Array(64 * 1024 * 1024))), {
        startImmediately: true
      })
      while (sockets.size === 0) yield* Effect.sleep("20 millis")
      for (const socket of sockets) socket.resetAndDestroy()
      const { reason } = yield* Fiber.join(writing)
      assert.include(["WriteFailed ECONNRESET", "WriteFailed EPIPE"], codeOf(reason))
    }).pipe(Effect.provide(NodeTransport.layer)))

  it.live("is still writable after the peer has ended its side", () =>
    Effect.gen(function*() {
      const heard: Array<Uint8Array> = []
      const end = Promise.withResolvers<void>()
      const { port } = yield* rawServer((socket) => {
        socket.end("that was all from me")
        socket.on("data", (chunk) => heard.push(chunk))
        socket.on("end", end.resolve)
      }, { allowHalfOpen: true })
      const scope = yield* Scope.make()
      const line = yield* Scope.provide(connect(Endpoint.tcp("127.0.0.1", port)), scope)
      const pulled = yield* pullAll(line)
      assert.strictEqual(pulled.text, "that was all from me")
      assert.isTrue(pulled.end._tag === "Closed" && pulled.end.by === "peer")
      yield* line.write(bytes("and "))
      yield* Effect.sleep("10 millis")
      yield* line.write(bytes("this from me"))
      yield* Scope.close(scope, Exit.void)
      yield* Effect.promise(() => end.promise)
      assert.strictEqual(text(heard), "and this from me")
    }).pipe(Effect.provide(NodeTransport.layer)))

  it.live("ends in order, without a reset, although the peer's last data was not read", () =>
    Effect.gen(function*() {
      const end = Promise.withResolvers<string>()
      const { port } = yield* rawServer((socket) => {
        socket.write("unread")
        socket.on("error", (error: NodeJS.ErrnoException) => end.resolve(error.code ?? ""))
        socket.on("end", () => end.resolve("end"))
        socket.resume()
      })
      yield* Effect.scoped(Effect.gen(function*() {
        yield* connect(Endpoint.tcp("127.0.0.1", port))
        yield* Effect.sleep("20 millis")
      }))
      assert.strictEqual(yield* Effect.promise(() => end.promise), "end")
    }).pipe(Effect.provide(NodeTransport.layer)))

  it.live("is reset if the peer keeps sending data that is no longer read", () =>
    Effect.gen(function*() {
      const cut = Promise.withResolvers<string>()
      const { port } = yield* rawServer((socket) => {
        const chunk = Buffer.alloc(1024 * 1024)
        const send = (): void => {
          while (socket.write(chunk));
        }
        socket.on("drain", send)
        socket.on("error", (error: NodeJS.ErrnoException) => cut.resolve(error.code ?? ""))
        send()
      }, { allowHalfOpen: true })
      yield* Effect.scoped(Effect.flatMap(connect(Endpoint.tcp("127.0.0.1", port)), (line) => line.pull))
      assert.include(["ECONNRESET", "EPIPE"], yield* Effect.promise(() => cut.promise))
    }).pipe(Effect.provide(NodeTransport.layer)))

  it.live("closes in time although the peer never reads the written data", () =>
    Effect.gen(function*() {
      const { port } = yield* rawServer((socket) => socket.pause())
      const writing = Effect.flatMap(
        connect(Endpoint.tcp("127.0.0.1", port)),
        (line) => Effect.forkChild(Effect.ignore(line.write(new Uint8Array(64 * 1024 * 1024))))
      )
      yield* Effect.scoped(Effect.andThen(writing, Effect.sleep("20 millis")))
    }).pipe(Effect.timeout("20 seconds"), Effect.provide(NodeTransport.layerWith({ closeTimeout: 50 }))))

  it.live("dies on two concurrent pulls, and only the second", () =>
    Effect.gen(function*() {
      const { port, sockets } = yield* rawServer(() => {})
      const line = yield* connect(Endpoint.tcp("127.0.0.1", port))
      const first = yield* Effect.forkChild(line.pull, { startImmediately: true })
      assert.isTrue(Exit.hasDies(yield* Effect.exit(line.pull)))
      while (sockets.size === 0) yield* Effect.sleep("10 millis")
      for (const socket of sockets) socket.write("for the first")
      assert.strictEqual(text(yield* Fiber.join(first)), "for the first")
    }).pipe(Effect.provide(NodeTransport.layer)))

  it.live("fails with an error thrown by a reader, which does not escape the socket's callback", () =>
    Effect.gen(function*() {
      const bug = new Error("thrown by the reader")
      const { port } = yield* rawServer((socket) => setTimeout(() => socket.write("hello"), 20))
      const line = yield* connect(Endpoint.tcp("127.0.0.1", port))
      const reading = FastPath.pullWhile(line, () => {
        throw bug
      })
      const { reason } = yield* Effect.flip(reading)
      assert.isTrue(reason._tag === "ReadFailed" && reason.cause === bug)
    }).pipe(Effect.provide(NodeTransport.layer)))

  it.live("names the peer on both ends", () =>
    Effect.gen(function*() {
      const listening = yield* listen(Endpoint.tcp("127.0.0.1", 0))
      const client = yield* connect(listening.endpoint)
      const server = yield* listening.accept
      assert.strictEqual(client.remote, Endpoint.format(listening.endpoint))
      assert.match(server.remote, /^127\.0\.0\.1:\d+$/)
      assert.notStrictEqual(server.remote, client.remote)
    }).pipe(Effect.provide(NodeTransport.layer)))
})

describe("NodeTransport.listen", () => {
  it.live("reports an endpoint that is taken, and one of another machine", () =>
    Effect.gen(function*() {
      const { endpoint } = yield* listen(Endpoint.tcp("127.0.0.1", 0))
      const failure = (at: Endpoint.Endpoint) =>
        Effect.map(Effect.flip(Effect.scoped(listen(at))), ({ reason }) => codeOf(reason))
      assert.strictEqual(yield* failure(endpoint), "OpenFailed EADDRINUSE")
      assert.strictEqual(yield* failure(Endpoint.tcp("192.0.2.1", 0)), "OpenFailed EADDRNOTAVAIL")
      assert.strictEqual(yield* failure(Endpoint.unix("/no/such/directory/socket")), "OpenFailed EACCES")
      assert.strictEqual(
        yield* failure({ _tag: "Tcp", host: "127.0.0.1", port: 70_000 }),
        "OpenFailed ERR_SOCKET_BAD_PORT"
      )
    }).pipe(Effect.provide(NodeTransport.layer)))

  it.effect("sets the interval and number of keepalive probes, for this connection alone", () =>
    Effect.gen(function*() {
      const { port } = yield* rawServer(() => {})
      const set = vi.spyOn(Net.Socket.prototype, "setKeepAlive")
      yield* Effect.addFinalizer(() => Effect.sync(() => set.mockRestore()))
      const { keepAliveProbes } = yield* Transport.Transport
      assert.strictEqual(keepAliveProbes, true)
      const endpoint = Endpoint.tcp("127.0.0.1", port)
      yield* connect(endpoint, { keepAliveInitialDelay: 30_000, keepAliveInterval: 5000, keepAliveCount: 3 })
      yield* connect(endpoint, { keepAliveCount: 4 })
      yield* connect(endpoint)
      yield* connect(endpoint, { keepAlive: false, keepAliveCount: 4 })
      assert.deepStrictEqual(
        set.mock.calls.filter(([options]) => typeof options === "object"),
        [
          [{ enable: true, initialDelay: 30_000, interval: 5000, count: 3 }],
          [{ enable: true, initialDelay: 7_200_000, count: 4 }]
        ] as unknown as typeof set.mock.calls
      )
    }).pipe(Effect.provide(NodeTransport.layer)))
})
