/**
 * A proxy for PostgreSQL or Hyper, in one of two kinds:
 *
 *     node proxy.ts audit --server db.example:5432 --server-user app --user guest
 *     node proxy.ts websockets --server db.example:5432
 *
 * The first has its own users and logs their queries; passwords come from `PROXY_SERVER_PASSWORD` and `PROXY_PASSWORD`.
 * The second accepts WebSockets.
 */
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Account, ScramVerifier } from "@hyperfect/auth"
import { ConnectionConfig } from "@hyperfect/client"
import { NodePlatform } from "@hyperfect/node"
import { Endpoint } from "@hyperfect/transport"
import { Config, Console, Effect } from "effect"
import { Command, Flag } from "effect/cli"
import * as AuditProxy from "./proxy/auditProxy.ts"
import * as WebSocketProxy from "./proxy/webSocketProxy.ts"

const common = {
  server: Flag.String("server").pipe(Flag.withDescription("the server behind the proxy, as host:port")),
  port: Flag.Int("port").pipe(Flag.withDefault(0), Flag.withDescription("where to listen on 127.0.0.1"))
}

const endpointOf = (text: string) =>
  Effect.map(ConnectionConfig.fromUri(`postgresql://nobody@${text}`), ({ endpoint }) => endpoint)

const audit = Command.make("audit", {
  ...common,
  serverUser: Flag.String("server-user").pipe(Flag.withDescription("whom the server takes us for")),
  user: Flag.String("user").pipe(Flag.withDescription("whom the proxy lets in"))
}, ({ port, server, serverUser, user }) =>
  Effect.scoped(Effect.gen(function*() {
    const account = Account.scramSha256(yield* ScramVerifier.make(yield* Config.Redacted("PROXY_PASSWORD")))
    const endpoint = yield* AuditProxy.start({
      listen: Endpoint.tcp("127.0.0.1", port),
      server: {
        endpoint: yield* endpointOf(server),
        user: serverUser,
        password: yield* Config.Redacted("PROXY_SERVER_PASSWORD")
      },
      accounts: new Map([[user, account]]),
      log: (user, line) => Console.log(`${user}\t${line}`)
    })
    yield* Console.log(`listening on ${Endpoint.format(endpoint)}`)
    return yield* Effect.never
  })))

const webSockets = Command.make("websockets", common, ({ port, server }) =>
  Effect.scoped(Effect.gen(function*() {
    const endpoint = yield* endpointOf(server)
    const found = yield* WebSocketProxy.start({ host: "127.0.0.1", port, server: () => endpoint })
    yield* Console.log(`listening on ws://127.0.0.1:${found}`)
    return yield* Effect.never
  })))

Command.run(Command.make("proxy").pipe(Command.withSubcommands([audit, webSockets])), { version: "0.0.0" }).pipe(
  Effect.provide([NodePlatform.layer, NodeServices.layer]),
  NodeRuntime.runMain
)
