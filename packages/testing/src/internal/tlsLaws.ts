/**
 * The laws of securing a line in place. What the cryptography has to refuse is not among them.
 *
 * @since 0.1.0
 */
import type * as Connection from "@hyperfect/transport/Connection"
import type * as TransportError from "@hyperfect/transport/TransportError"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { LawBroken } from "../LawBroken.ts"
import {
  expect,
  expectClosed,
  type LawEffect,
  type Line,
  openLine,
  pass,
  pattern,
  type Place,
  reasonOf,
  receive,
  startSuspended
} from "./law.ts"

/** @internal */
export interface TlsLawOptions extends Place {
  readonly client: Connection.TlsOptions
  readonly server: Connection.TlsServerOptions
}

const secureLine = (options: TlsLawOptions, line: Line) =>
  Effect.all([line.client.connection.startTls(options.client), line.server.connection.acceptTls(options.server)], {
    concurrency: 2
  })

const expectTlsFailed = <A>(
  effect: Effect.Effect<A, TransportError.TransportError>,
  what: string
): Effect.Effect<void, LawBroken> =>
  Effect.flatMap(
    reasonOf(effect, `${what} succeeded`),
    (reason) => expect(reason._tag === "TlsFailed", `${what} failed with ${reason._tag}`)
  )

/** @internal */
export const tlsLaws = (options: TlsLawOptions): Record<string, LawEffect> => ({
  "a line is secured in place, after words in clear text": Effect.gen(function*() {
    const line = yield* openLine(options)
    const { client, server } = line
    yield* expect(client.connection.tls() === undefined, "a plain line claims to be secured")
    yield* pass(client, server, 8)
    yield* pass(server, client, 1)
    const [clientInfo, serverInfo] = yield* secureLine(options, line)
    yield* expect(client.connection.tls() === clientInfo, "the client does not know that it is secured")
    yield* expect(server.connection.tls() === serverInfo, "the server does not know that it is secured")
    yield* expect(clientInfo.protocol === serverInfo.protocol, "the ends name different protocols")
    yield* expect(clientInfo.cipher === serverInfo.cipher, "the ends name different ciphers")
    yield* expect((clientInfo.peerCertificate?.length ?? 0) > 0, "the client has not got the server's certificate")
    yield* Effect.all([pass(client, server, 1_000_000), pass(server, client, 1_000_000)], {
      concurrency: 2,
      discard: true
    })
  }),

  "what is written right behind the handshake arrives": Effect.gen(function*() {
    const { client, server } = yield* openLine(options)
    yield* Effect.forkChild(
      Effect.andThen(server.connection.acceptTls(options.server), server.connection.write(pattern(0, 100)))
    )
    yield* client.connection.startTls(options.client)
    yield* receive(client.connection, 100)
    yield* pass(client, server, 50)
  }),

  "a server may take its time to answer the handshake": Effect.gen(function*() {
    const { client, server } = yield* openLine(options)
    yield* pass(client, server, 8)
    const securing = yield* startSuspended(
      client.connection.startTls(options.client),
      "a handshake that nobody answers"
    )
    yield* server.connection.acceptTls(options.server)
    yield* Fiber.join(securing)
    yield* pass(server, client, 10)
  }),

  "a server that answers in clear text fails the handshake and closes the line": Effect.gen(function*() {
    const { client, server } = yield* openLine(options)
    yield* Effect.forkChild(Effect.andThen(
      server.connection.pull,
      server.connection.write(Uint8Array.from("EFATAL: no TLS here", (letter) => letter.charCodeAt(0)))
    ))
    yield* expectTlsFailed(client.connection.startTls(options.client), "a handshake with a plain server")
    yield* expectClosed(client.connection.pull, "local", "a pull after a failed handshake")
    yield* expectClosed(client.connection.write(pattern(0, 1)), "local", "a write after a failed handshake")
  }),

  "a client that goes on in clear text fails the server's handshake": Effect.gen(function*() {
    const { client, server } = yield* openLine(options)
    yield* Effect.forkChild(
      client.connection.write(Uint8Array.from("Q select 1 in clear text", (letter) => letter.charCodeAt(0)))
    )
    yield* expectTlsFailed(server.connection.acceptTls(options.server), "a handshake with a plain client")
  }),

  "clear text ahead of the handshake is not taken for the secured stream": Effect.gen(function*() {
    const { client, server } = yield* openLine(options)
    // The first byte has been pulled, as the answer to a request for TLS; the others came with it or behind it.
    yield* pass(server, client, 1)
    const words = server.connection.write(pattern(1, 100))
    yield* Effect.forkChild(Effect.ignore(Effect.andThen(words, server.connection.acceptTls(options.server))))
    yield* Effect.sleep("20 millis")
    yield* expectTlsFailed(client.connection.startTls(options.client), "a handshake behind clear text")
  }),

  "a line that the other end closes during the handshake fails it": Effect.gen(function*() {
    const { client, server } = yield* openLine(options)
    const securing = yield* startSuspended(
      client.connection.startTls(options.client),
      "a handshake that nobody answers"
    )
    yield* server.close
    yield* expectTlsFailed(Fiber.join(securing), "the handshake")
  }),

  "a client that goes away during the handshake fails the server's side of it": Effect.gen(function*() {
    const { client, server } = yield* openLine(options)
    const securing = yield* startSuspended(server.connection.acceptTls(options.server), "a handshake without a client")
    yield* client.close
    yield* expectTlsFailed(Fiber.join(securing), "the handshake")
  }),

  "closing a line during the handshake fails it": Effect.gen(function*() {
    const { client } = yield* openLine(options)
    const securing = yield* startSuspended(
      client.connection.startTls(options.client),
      "a handshake that nobody answers"
    )
    yield* client.close
    const reason = yield* reasonOf(Fiber.join(securing), "the handshake succeeded")
    yield* expect(
      reason._tag === "TlsFailed" || (reason._tag === "Closed" && reason.by === "local"),
      `the handshake failed with ${reason._tag}`
    )
  }),

  "interrupting a handshake closes the line": Effect.gen(function*() {
    const { client, server } = yield* openLine(options)
    const securing = yield* startSuspended(
      client.connection.startTls(options.client),
      "a handshake that nobody answers"
    )
    yield* Fiber.interrupt(securing)
    yield* expectClosed(client.connection.write(pattern(0, 1)), "local", "a write after an interrupted handshake")
    yield* reasonOf(Effect.forever(server.connection.pull), "the stream of an interrupted handshake has no end")
  }),

  "a line is secured only once": Effect.gen(function*() {
    const line = yield* openLine(options)
    yield* secureLine(options, line)
    yield* expectTlsFailed(line.client.connection.startTls(options.client), "securing a secured line")
    yield* pass(line.client, line.server, 10)
  }),

  "the end of a secured stream comes after its last byte": Effect.gen(function*() {
    const line = yield* openLine(options)
    yield* secureLine(options, line)
    yield* Effect.all([
      Effect.andThen(line.server.connection.write(pattern(0, 300_000)), line.server.close),
      receive(line.client.connection, 300_000)
    ], { concurrency: 2, discard: true })
    yield* expectClosed(line.client.connection.pull, "peer", "a pull at the end")
  })
})
