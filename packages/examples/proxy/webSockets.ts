/**
 * A proxy that lets programs without TCP reach a server: what comes by a WebSocket goes to the server, and what the
 * server says goes back. Browsers open no TCP connections, and neither do some of the places where functions run.
 *
 * It does not look at what passes, so that a client can agree on TLS with the server behind it, if it knows how to. It
 * asks nobody who he is; the server does.
 */
import { NodeSocketServer } from "@effect/platform-node"
import { type Endpoint, SocketTransport, Transport } from "@hyperfect/transport"
import { Effect, Option } from "effect"
import { relay } from "./relay.ts"

export interface Options {
  readonly host: string
  /** 0 for any that is free. */
  readonly port: number
  /** Which server a path stands for; nobody gets to one that it does not stand for. */
  readonly server: (path: string) => Endpoint.Endpoint | undefined
}

/** Lets WebSockets in until the scope closes. Gives the port. */
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
