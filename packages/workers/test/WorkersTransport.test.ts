import { assert, describe, it } from "@effect/vitest"
import { type Connection, Endpoint, Transport } from "@hyperfect/transport"
import { WorkersTransport } from "@hyperfect/workers"
import { Effect, Exit, Fiber, Scope } from "effect"
import { TestClock } from "effect/testing"

/** A socket that keeps the platform's rules: one reader and writer, and none while it is upgraded. */
class FakeSocket implements WorkersTransport.WorkersSocket {
  readonly written: Array<number> = []
  readonly events: Array<string> = []
  readonly opening = Promise.withResolvers<void>()
  readonly opened: Promise<void> = this.opening.promise
  readonly closed = Promise.reject(new Error("the connection was lost"))
  private readonly pipe = new TransformStream<Uint8Array, Uint8Array>()
  readonly readable: ReadableStream<Uint8Array> = this.pipe.readable
  readonly writable: WritableStream<Uint8Array>
  readonly peer: WritableStreamDefaultWriter<Uint8Array> = this.pipe.writable.getWriter()
  secure: FakeSocket | undefined

  constructor(sink: { readonly write?: () => Promise<void> } = {}) {
    this.writable = new WritableStream<Uint8Array>({
      write: (bytes) => void this.written.push(...bytes),
      close: () => void this.events.push("end"),
      ...sink
    })
    this.peer.closed.catch(() => {})
  }

  send(...bytes: Array<number>): void {
    this.peer.write(Uint8Array.from(bytes)).catch(() => {})
  }

  async close(): Promise<void> {
    this.events.push("close")
  }

  startTls(): FakeSocket {
    if (this.readable.locked || this.writable.locked) throw new TypeError("the streams are locked")
    this.events.push("startTls")
    this.secure = new FakeSocket()
    return this.secure
  }
}

const endpoint = Endpoint.tcp("db", 5432)

const connect = (socket: FakeSocket, options?: Transport.ConnectOptions) =>
  Effect.flatMap(Transport.Transport, (transport) => transport.connect(endpoint, options)).pipe(
    Effect.provide(WorkersTransport.layer(() => socket))
  )

const opened = (socket: FakeSocket = new FakeSocket()) => {
  socket.opening.resolve()
  return Effect.map(connect(socket), (connection) => ({ connection, socket }))
}

const full = { verification: "full", serverName: "db" } as const

describe("WorkersTransport > connect", () => {
  it.effect("asks for a socket that can be upgraded, and waits until it is open", () =>
    Effect.gen(function*() {
      const asked: Array<unknown> = []
      const socket = new FakeSocket()
      const opening = yield* Effect.flatMap(Transport.Transport, (transport) => transport.connect(endpoint)).pipe(
        Effect.provide(WorkersTransport.layer((...args) => {
          asked.push(args)
          return socket
        })),
        Effect.forkChild({ startImmediately: true })
      )
      assert.deepStrictEqual(asked, [[{ hostname: "db", port: 5432 }, {
        secureTransport: "starttls",
        allowHalfOpen: false
      }]])
      assert.isUndefined(opening.pollUnsafe())
      socket.opening.resolve()
      assert.strictEqual((yield* Fiber.join(opening)).remote, "db:5432")
    }))

  it.effect("writes an IPv6 address in brackets", () =>
    Effect.gen(function*() {
      const hosts: Array<string> = []
      const socket = new FakeSocket()
      socket.opening.resolve()
      yield* Effect.flatMap(Transport.Transport, (transport) => transport.connect(Endpoint.tcp("::1", 5432))).pipe(
        Effect.provide(WorkersTransport.layer(({ hostname }) => {
          hosts.push(hostname)
          return socket
        }))
      )
      assert.deepStrictEqual(hosts, ["[::1]"])
    }))

  it.effect("fails if the platform rejects the address, or the socket does not open, and closes it", () =>
    Effect.gen(function*() {
      const socket = new FakeSocket()
      socket.opening.reject(new Error("refused"))
      assert.strictEqual((yield* Effect.flip(connect(socket))).reason._tag, "OpenFailed")
      assert.deepStrictEqual(socket.events, ["close"])
      const rejected = Effect.flatMap(Transport.Transport, (transport) => transport.connect(endpoint)).pipe(
        Effect.provide(WorkersTransport.layer(() => {
          throw new TypeError("a port that is not allowed")
        })),
        Effect.flip
      )
      assert.strictEqual((yield* rejected).reason._tag, "OpenFailed")
    }))

  it.effect("closes a socket that does not open in time", () =>
    Effect.gen(function*() {
      const socket = new FakeSocket()
      const opening = yield* Effect.forkChild(Effect.flip(connect(socket, { timeout: 50 })), { startImmediately: true })
      yield* TestClock.adjust(50)
      assert.strictEqual((yield* Fiber.join(opening)).reason._tag, "OpenTimeout")
      assert.deepStrictEqual(socket.events, ["close"])
    }))

  it.effect("has no Unix sockets", () =>
    Effect.gen(function*() {
      const transport = yield* Transport.Transport
      const { reason } = yield* Effect.flip(transport.connect(Endpoint.unix("/tmp/.s.PGSQL.5432")))
      assert.strictEqual(reason._tag, "OpenFailed")
    }).pipe(Effect.provide(WorkersTransport.layer(() => assert.fail("not used")))))
})

describe("WorkersTransport > connection", () => {
  it.effect("reads and writes, and ends with the peer", () =>
    Effect.gen(function*() {
      const { connection, socket } = yield* opened()
      yield* connection.write(Uint8Array.of(1, 2))
      assert.deepStrictEqual(socket.written, [1, 2])
      socket.send(3)
      assert.deepStrictEqual(yield* connection.pull, [Uint8Array.of(3)])
      socket.peer.close().catch(() => {})
      assert.strictEqual((yield* Effect.flip(connection.pull)).reason._tag, "Closed")
      assert.strictEqual((yield* Effect.flip(connection.write(Uint8Array.of(4)))).reason._tag, "WriteFailed")
    }))

  it.effect("loses no bytes when a pull is interrupted", () =>
    Effect.gen(function*() {
      const { connection, socket } = yield* opened()
      const pulling = yield* Effect.forkChild(connection.pull, { startImmediately: true })
      yield* Fiber.interrupt(pulling)
      socket.send(1)
      assert.deepStrictEqual(yield* connection.pull, [Uint8Array.of(1)])
    }))

  it.effect("reports lost connections to reads and writes", () =>
    Effect.gen(function*() {
      const { connection, socket } = yield* opened(
        new FakeSocket({ write: () => Promise.reject(new Error("lost")) })
      )
      assert.strictEqual((yield* Effect.flip(connection.write(Uint8Array.of(1)))).reason._tag, "WriteFailed")
      socket.peer.abort(new Error("lost")).catch(() => {})
      assert.strictEqual((yield* Effect.flip(connection.pull)).reason._tag, "ReadFailed")
    }))

  it.effect("sends what is left before it closes", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const { connection, socket } = yield* Scope.provide(opened(), scope)
      yield* Effect.forkChild(connection.write(Uint8Array.of(1)), { startImmediately: true })
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(socket.written, [1])
      assert.deepStrictEqual(socket.events, ["end", "close"])
    }))

  it.effect("closes after a second if the peer does not read", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const { connection, socket } = yield* Scope.provide(
        opened(new FakeSocket({ write: () => new Promise(() => {}) })),
        scope
      )
      yield* Effect.forkChild(Effect.exit(connection.write(Uint8Array.of(1))), { startImmediately: true })
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
      yield* TestClock.adjust(1000)
      yield* Fiber.join(closing)
      assert.deepStrictEqual(socket.events, ["close"])
    }))
})

describe("WorkersTransport > startTls", () => {
  it.effect("continues on the upgraded socket", () =>
    Effect.gen(function*() {
      const { connection, socket } = yield* opened()
      const securing = yield* Effect.forkChild(connection.startTls(full), { startImmediately: true })
      const secure = socket.secure!
      assert.isUndefined(securing.pollUnsafe())
      secure.opening.resolve()
      const info = yield* Fiber.join(securing)
      assert.isUndefined(info.peerCertificate)
      yield* connection.write(Uint8Array.of(1))
      secure.send(2)
      assert.deepStrictEqual(yield* connection.pull, [Uint8Array.of(2)])
      assert.deepStrictEqual([socket.written, secure.written], [[], [1]])
      assert.deepStrictEqual(socket.events, ["startTls"])
    }))

  it.effect("fails if the handshake does, and closes the connection", () =>
    Effect.gen(function*() {
      const { connection, socket } = yield* opened()
      const securing = yield* Effect.forkChild(Effect.flip(connection.startTls(full)), { startImmediately: true })
      socket.secure!.opening.reject(new Error("the certificate is not trusted"))
      assert.strictEqual((yield* Fiber.join(securing)).reason._tag, "TlsFailed")
      assert.deepStrictEqual(socket.secure!.events, ["close"])
      assert.strictEqual((yield* Effect.flip(connection.write(Uint8Array.of(1)))).reason._tag, "Closed")
    }))

  it.effect("refuses options that the platform cannot honour, without a handshake", () =>
    Effect.gen(function*() {
      const refused: ReadonlyArray<readonly [Connection.TlsOptions, RegExp]> = [
        [{ ...full, rootCertificates: "roots" }, /root certificates/],
        [{ ...full, certificate: "certificate" }, /client certificates/],
        [{ ...full, applicationProtocols: ["postgresql"] }, /direct TLS/],
        [{ ...full, minVersion: "TLSv1.3" }, /versions of TLS/],
        [{ ...full, verification: "ca" }, /verification without a name/],
        [{ ...full, serverName: "db.example" }, /hostaddr/]
      ]
      for (const [options, problem] of refused) {
        const { connection, socket } = yield* opened()
        const error = yield* Effect.flip(connection.startTls(options))
        assert.strictEqual(error.reason._tag, "TlsFailed")
        assert.match(error.message, problem)
        assert.deepStrictEqual(socket.events, ["close"])
      }
    }))
})
