/**
 * The laws of securing a connection in place. They do not cover what cryptography has to reject.
 *
 * @since 0.1.0
 */
import type * as Connection from "@hyperfect/transport/Connection"
import type * as TransportError from "@hyperfect/transport/TransportError"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { LawBroken } from "../../LawBroken.ts"
import {
  type ConnectionPair,
  type EndpointOptions,
  expect,
  expectClosed,
  type LawEffect,
  overPair,
  patternBytes,
  reasonOf,
  receive,
  type ScopedConnection,
  startSuspended,
  transfer
} from "./harness.ts"

/** @internal */
export interface TlsLawOptions extends EndpointOptions {
  readonly client: Connection.TlsOptions
  readonly server: Connection.TlsServerOptions
}

const securePair = (options: TlsLawOptions, { client, server }: ConnectionPair) =>
  Effect.zip(client.connection.startTls(options.client), server.connection.acceptTls(options.server), {
    concurrent: true
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
export const tlsLaws = (options: TlsLawOptions): Record<string, LawEffect> => {
  const law = overPair(options)
  const startHandshake = ({ connection }: ScopedConnection) =>
    startSuspended(connection.startTls(options.client), "a handshake without an answer")
  return {
    "a connection is secured in place, after data in clear text": law(function*(line) {
      const { client, server } = line
      yield* expect(client.connection.tls() === undefined, "a plain line claims to be secured")
      yield* transfer(client, server, 8)
      yield* transfer(server, client, 1)
      const [clientInfo, serverInfo] = yield* securePair(options, line)
      yield* expect(client.connection.tls() === clientInfo, "the client does not know that it is secured")
      yield* expect(server.connection.tls() === serverInfo, "the server does not know that it is secured")
      yield* expect(clientInfo.protocol === serverInfo.protocol, "the ends name different protocols")
      yield* expect(clientInfo.cipher === serverInfo.cipher, "the ends name different ciphers")
      yield* expect((clientInfo.peerCertificate?.length ?? 0) > 0, "the client has not got the server's certificate")
      yield* Effect.zip(transfer(client, server, 1_000_000), transfer(server, client, 1_000_000), { concurrent: true })
    }),

    "data written right after the handshake arrives": law(function*({ client, server }) {
      yield* Effect.forkChild(
        Effect.andThen(server.connection.acceptTls(options.server), server.connection.write(patternBytes(0, 100)))
      )
      yield* client.connection.startTls(options.client)
      yield* receive(client.connection, 100)
      yield* transfer(client, server, 50)
    }),

    "a server may respond late to the handshake": law(function*({ client, server }) {
      yield* transfer(client, server, 8)
      const securing = yield* startHandshake(client)
      yield* server.connection.acceptTls(options.server)
      yield* Fiber.join(securing)
      yield* transfer(server, client, 10)
    }),

    "a response in clear text fails the handshake and closes the connection": law(function*({ client, server }) {
      yield* Effect.forkChild(Effect.andThen(
        server.connection.pull,
        server.connection.write(Uint8Array.from("EFATAL: no TLS here", (letter) => letter.charCodeAt(0)))
      ))
      yield* expectTlsFailed(client.connection.startTls(options.client), "a handshake with a plain server")
      yield* expectClosed(client.connection.pull, "local", "a pull after a failed handshake")
      yield* expectClosed(client.connection.write(patternBytes(0, 1)), "local", "a write after a failed handshake")
    }),

    "a client that continues in clear text fails the server's handshake": law(function*({ client, server }) {
      yield* Effect.forkChild(
        client.connection.write(Uint8Array.from("Q select 1 in clear text", (letter) => letter.charCodeAt(0)))
      )
      yield* expectTlsFailed(server.connection.acceptTls(options.server), "a handshake with a plain client")
    }),

    "clear text before the handshake is not treated as part of the secured stream": law(function*({ client, server }) {
      // The first byte has been pulled, as the response to a request for TLS; the others arrived with it or after it.
      yield* transfer(server, client, 1)
      const words = server.connection.write(patternBytes(1, 100))
      yield* Effect.forkChild(Effect.ignore(Effect.andThen(words, server.connection.acceptTls(options.server))))
      yield* Effect.sleep("20 millis")
      yield* expectTlsFailed(client.connection.startTls(options.client), "a handshake behind clear text")
    }),

    "the peer's close during the handshake fails it": law(function*({ client, server }) {
      const securing = yield* startHandshake(client)
      yield* server.close
      yield* expectTlsFailed(Fiber.join(securing), "the handshake")
    }),

    "a client that disconnects during the handshake fails the server's side": law(function*({ client, server }) {
      const securing = yield* startSuspended(
        server.connection.acceptTls(options.server),
        "a handshake without a client"
      )
      yield* client.close
      yield* expectTlsFailed(Fiber.join(securing), "the handshake")
    }),

    "closing a connection during the handshake fails it": law(function*({ client }) {
      const securing = yield* startHandshake(client)
      yield* client.close
      const reason = yield* reasonOf(Fiber.join(securing), "the handshake succeeded")
      yield* expect(
        reason._tag === "TlsFailed" || (reason._tag === "Closed" && reason.by === "local"),
        `the handshake failed with ${reason._tag}`
      )
    }),

    "interrupting a handshake closes the connection": law(function*({ client, server }) {
      const securing = yield* startHandshake(client)
      yield* Fiber.interrupt(securing)
      yield* expectClosed(
        client.connection.write(patternBytes(0, 1)),
        "local",
        "a write after an interrupted handshake"
      )
      yield* reasonOf(Effect.forever(server.connection.pull), "the stream of an interrupted handshake has no end")
    }),

    "a connection can be secured only once": law(function*(line) {
      yield* securePair(options, line)
      yield* expectTlsFailed(line.client.connection.startTls(options.client), "securing a secured line")
      yield* transfer(line.client, line.server, 10)
    }),

    "the end of a secured stream arrives after its last byte": law(function*(line) {
      yield* securePair(options, line)
      yield* Effect.all([
        Effect.andThen(line.server.connection.write(patternBytes(0, 300_000)), line.server.close),
        receive(line.client.connection, 300_000)
      ], { concurrency: 2, discard: true })
      yield* expectClosed(line.client.connection.pull, "peer", "a pull at the end")
    })
  }
}
