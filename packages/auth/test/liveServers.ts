/** Logins to real servers. */
import { Authenticate } from "@hyperfect/auth"
import type { Login, Policy } from "@hyperfect/auth"
import { type Endpoint, MessageChannel, Transport } from "@hyperfect/transport"
import { Effect } from "effect"

/** Logs in over a new connection, which the scope closes. */
export const connect = <E = never, R = never>(
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

/** Returns the single value of a query's result, as text. */
export const queryValue = (channel: MessageChannel.Client, query: string) =>
  Effect.gen(function*() {
    yield* channel.send({ _tag: "Query", query })
    let queryValue = ""
    while (true) {
      const message = yield* channel.receive
      if (message._tag === "DataRow") queryValue = Buffer.from(message.columns[0]!).toString()
      if (message._tag === "ErrorResponse") queryValue = JSON.stringify(message.fields)
      if (message._tag === "ReadyForQuery") return queryValue
    }
  })

/** Returns the reason why a login fails. */
export const loginFailure = (endpoint: Endpoint.Endpoint, login: Login.Login, policy?: Policy.Policy) =>
  connect(endpoint, login, policy).pipe(
    Effect.scoped,
    Effect.flip,
    Effect.flatMap((error) => error._tag === "AuthError" ? Effect.succeed(error.reason) : Effect.fail(error))
  )
