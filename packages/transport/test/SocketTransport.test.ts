import { assert, describe, it } from "@effect/vitest"
import { Endpoint, SocketTransport, Transport, TransportError } from "@hyperfect/transport"
import { Effect, Exit, Fiber, Scope } from "effect"
import { Socket } from "effect/socket"
import { TestClock } from "effect/testing"

type Pulled = Effect.Effect<readonly [Uint8Array | string, ...Array<Uint8Array | string>], Socket.SocketError>

const error = (reason: Socket.SocketErrorReason) => Effect.fail(new Socket.SocketError({ reason }))

/** A socket that reads from a list and records its writes. */
const scripted = (pulls: ReadonlyArray<Pulled>, options: Partial<Socket.Writer & Socket.Reader> = {}) => {
  const written: Array<unknown> = []
  let next = 0
  const socket = Socket.make({
    reader: Effect.succeed({
      pull: Effect.suspend(() => pulls[next++] ?? Effect.never),
      upgrade: options.upgrade ?? Socket.SocketUpgradeError.unsupported
    }),
    writer: Effect.succeed({
      write: options.write ?? ((chunk) => Effect.sync(() => void written.push(chunk))),
      writeAll: () => Effect.die(new Error("not used"))
    })
  })
  return { socket, written }
}

const open = (pulls: ReadonlyArray<Pulled>, options?: Partial<Socket.Writer & Socket.Reader>) =>
  SocketTransport.fromSocket(scripted(pulls, options).socket, "somewhere")

const endpoint = Endpoint.tcp("db", 5432)

describe("SocketTransport.fromSocket > pull", () => {
  it.effect("reads text frames as UTF-8, and ignores empty frames", () =>
    Effect.gen(function*() {
      const line = yield* open([
        Effect.succeed([new Uint8Array(0)]),
        Effect.succeed([Uint8Array.of(1), "", "ä", new Uint8Array(0), Uint8Array.of(2)])
      ])
      assert.deepStrictEqual(yield* line.pull, [Uint8Array.of(1), Uint8Array.of(0xc3, 0xa4), Uint8Array.of(2)])
    }))

  const reset = Object.assign(new Error("reset"), { code: "ECONNRESET" })
  const ends: ReadonlyArray<readonly [Socket.SocketErrorReason, string]> = [
    [new Socket.SocketCloseError({ code: 1000 }), "the other end closed the connection"],
    [new Socket.SocketCloseError({ code: 1001 }), "the other end closed the connection"],
    [new Socket.SocketCloseError({ code: 1005 }), "the other end closed the connection"],
    [new Socket.SocketCloseError({ code: 1006 }), "reading from the connection failed (1006)"],
    [new Socket.SocketCloseError({ code: 1011 }), "reading from the connection failed (1011)"],
    [new Socket.SocketReadError({ cause: reset }), "reading from the connection failed (ECONNRESET)"]
  ]
  it.effect("distinguishes an orderly end from a failure, permanently, and allows no write after either", () =>
    Effect.gen(function*() {
      for (const [reason, message] of ends) {
        const line = yield* open([error(reason), Effect.succeed([Uint8Array.of(1)])])
        assert.strictEqual((yield* Effect.flip(line.pull)).message, message)
        assert.strictEqual((yield* Effect.flip(line.pull)).message, message)
        assert.strictEqual((yield* Effect.flip(line.write(Uint8Array.of(1)))).reason._tag, "WriteFailed")
      }
    }))
})

describe("SocketTransport.fromSocket > write", () => {
  it.effect("reports the reason of a failure, also for later writes", () =>
    Effect.gen(function*() {
      const cause = Object.assign(new Error("gone"), { code: "EPIPE" })
      const line = yield* open([], { write: () => error(new Socket.SocketWriteError({ cause })) })
      for (let i = 0; i < 2; i++) {
        const { reason } = yield* Effect.flip(line.write(Uint8Array.of(1)))
        assert.isTrue(reason._tag === "WriteFailed" && reason.code === "EPIPE")
      }
    }))

  it.effect("is interrupted only by the end of the connection", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      let interrupted = 0
      const stuck = Effect.onInterrupt(Effect.never, () => Effect.sync(() => void interrupted++))
      const line = yield* Scope.provide(open([], { write: () => stuck }), scope)
      const given = yield* Effect.forkChild(line.write(Uint8Array.of(1)), { startImmediately: true })
      yield* Fiber.interrupt(given)
      assert.strictEqual(interrupted, 0)
      const writing = yield* Effect.forkChild(line.write(Uint8Array.of(2)), { startImmediately: true })
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(interrupted, 2)
      const closed = new TransportError.Closed({ by: "local" })
      for (const failed of [Fiber.join(writing), line.write(Uint8Array.of(3)), line.pull]) {
        assert.deepStrictEqual((yield* Effect.flip(failed)).reason, closed)
      }
    }))
})

describe("SocketTransport.fromSocket > startTls", () => {
  const full = { verification: "full", serverName: "db" } as const

  it.effect("fails if the socket does not support it, and closes the connection", () =>
    Effect.gen(function*() {
      const { socket, written } = scripted([])
      const line = yield* SocketTransport.fromSocket(socket, "somewhere")
      assert.strictEqual((yield* Effect.flip(line.startTls(full))).reason._tag, "TlsFailed")
      assert.deepStrictEqual(written, [new Socket.CloseEvent()])
      assert.strictEqual((yield* Effect.flip(line.write(Uint8Array.of(1)))).reason._tag, "Closed")
      assert.isUndefined(line.tls())
    }))

  it.effect("passes its options on, and never omits a security option", () =>
    Effect.gen(function*() {
      const told: Array<Socket.TlsUpgradeOptions | undefined> = []
      const upgrade = (options?: Socket.TlsUpgradeOptions) => Effect.sync(() => void told.push(options))
      const secure = (options: Parameters<Effect.Success<ReturnType<typeof open>>["startTls"]>[0]) =>
        Effect.flatMap(open([], { upgrade }), (line) => line.startTls(options))
      yield* secure({ ...full, rootCertificates: "roots", applicationProtocols: ["postgresql"] })
      yield* secure({ verification: "none", serverName: "db", sendServerName: false })
      assert.deepStrictEqual(told.map((options) => [options?.rejectUnauthorized, options?.servername, options?.ca]), [
        [true, "db", "roots"],
        [false, undefined, undefined]
      ])
      for (
        const options of [
          { ...full, verification: "ca" },
          { ...full, revocationList: "revoked" },
          { ...full, minVersion: "TLSv1.3" },
          { ...full, maxVersion: "TLSv1.2" }
        ] as const
      ) assert.strictEqual((yield* Effect.flip(secure(options))).reason._tag, "TlsFailed")
      assert.lengthOf(told, 2)
    }))
})

describe("SocketTransport.layer", () => {
  const connect = (reader: Socket.Socket["reader"], timeout?: number) =>
    Effect.flatMap(Transport.Transport, (transport) => transport.connect(endpoint, { timeout })).pipe(
      Effect.scoped,
      Effect.flip,
      Effect.provide(SocketTransport.layer(() => {
        const { socket } = scripted([])
        return Effect.succeed(Socket.make({ reader, writer: socket.writer }))
      }))
    )

  it.effect("reports why a socket could not be opened", () =>
    Effect.gen(function*() {
      const cause = Object.assign(new Error("refused"), { code: "ECONNREFUSED" })
      const refused = yield* connect(error(new Socket.SocketOpenError({ kind: "Unknown", cause })))
      assert.strictEqual(refused.message, "cannot connect to db:5432 (ECONNREFUSED)")
    }))

  it.effect("times out", () =>
    Effect.gen(function*() {
      const connecting = yield* Effect.forkChild(connect(Effect.never, 1000), { startImmediately: true })
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(connecting)).message, "no connection to db:5432 within 1000 ms")
    }))

  it.effect("closes a connection with its scope, not with the layer", () =>
    Effect.gen(function*() {
      let isOpen = false
      const { socket } = scripted([])
      const reader = Effect.andThen(
        Effect.acquireRelease(Effect.sync(() => isOpen = true), () => Effect.sync(() => isOpen = false)),
        socket.reader
      )
      const transport = SocketTransport.layer(() => Effect.succeed(Socket.make({ reader, writer: socket.writer })))
      yield* Effect.gen(function*() {
        const { connect } = yield* Transport.Transport
        yield* Effect.scoped(Effect.tap(connect(endpoint), () => Effect.sync(() => assert.isTrue(isOpen))))
        assert.isFalse(isOpen)
      }).pipe(Effect.provide(transport))
    }))
})
