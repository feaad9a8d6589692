/**
 * A proxy through which programs without TCP can reach a server: it forwards data between a WebSocket and a connection
 * to the server. Browsers cannot open TCP connections, and neither can some serverless platforms.
 *
 * It does not inspect the data, so a client can negotiate TLS with the server behind it, if it supports that. It does
 * not authenticate clients; the server does.
 */
import { NodeSocketServer } from "@effect/platform-node"
import { type Endpoint, SocketTransport, Transport } from "@hyperfect/transport"
import { Effect, Option } from "effect"
import { relay } from "./relay.ts"

export interface Options {
  readonly host: string
  /** 0 for any free port. */
  readonly port: number
  /** Maps a path to a server; a path without one is rejected. */
  readonly server: (path: string) => Endpoint.Endpoint | undefined
}

/** Accepts WebSockets until the scope closes. Returns the port. */
export const start = Effect.fnUntraced(function*(options: Options) {
  const { address, run } = yield* NodeSocketServer.makeWebSocket({ host: options.host, port: options.port })
  const { connect } = yield* Transport.Transport
  yield* Effect.forkScoped(run((socket) =>
    Effect.gen(function*() {
      const request = yield* Effect.serviceOption(NodeSocketServer.IncomingMessage)
      const client = yield* SocketTransport.fromSocket(socket, "a WebSocket")
      const endpoint = options.server(Option.match(request, { onNone: () => "", onSome: ({ url = "" }) => url }))
      if (endpoint === undefined) return
      const server = yield* connect(endpoint)
      yield* Effect.raceFirst(relay(client, server), relay(server, client))
    }).pipe(Effect.scoped, Effect.ignore)
  ))
  return "port" in address ? address.port : 0
})
