/** Log-ins to real servers. */
import { Authenticate } from "@hyperfect/auth"
import type { Login, Policy } from "@hyperfect/auth"
import { type Endpoint, MessageChannel, Transport } from "@hyperfect/transport"
import { Effect } from "effect"

/** Logs in over a line of its own, which the scope closes. */
export const open = <E = never, R = never>(
  endpoint: Endpoint.Endpoint,
  login: Login.Login<E, R>,
  policy?: Policy.Policy
) =>
  Effect.gen(function*() {
    const transport = yield* Transport.Transport
    const connection = yield* transport.connect(endpoint)
    const channel = MessageChannel.client(connection, { longLimit: Authenticate.messageLimit })
    return { channel, session: yield* Authenticate.client(channel, login, policy) }
  }).pipe(Effect.timeout("10 seconds"), Effect.provide(Authenticate.layerCrypto))

/** The one value that a query returns, as text. */
export const value = (channel: MessageChannel.Client, query: string) =>
  Effect.gen(function*() {
    yield* channel.send({ _tag: "Query", query })
    let value = ""
    while (true) {
      const message = yield* channel.receive
      if (message._tag === "DataRow") value = Buffer.from(message.columns[0]!).toString()
      if (message._tag === "ErrorResponse") value = JSON.stringify(message.fields)
      if (message._tag === "ReadyForQuery") return value
    }
  })

/** The reason why a log-in is refused. */
export const refusal = (endpoint: Endpoint.Endpoint, login: Login.Login, policy?: Policy.Policy) =>
  open(endpoint, login, policy).pipe(
    Effect.scoped,
    Effect.flip,
    Effect.flatMap((error) => error._tag === "AuthError" ? Effect.succeed(error.reason) : Effect.fail(error))
  )
