/**
 * A proxy with its own users: clients authenticate to it, and it logs in to the server as another user. Clients'
 * messages are logged; the server's responses pass through unchanged.
 *
 * Neither side ever sees the other's password, and an unauthenticated client never reaches the server.
 */
import { type Account, Authenticate, type Login, type Startup } from "@hyperfect/auth"
import { type Frontend, Trace } from "@hyperfect/protocol"
import { type Connection, type Endpoint, Listener, MessageChannel, Transport } from "@hyperfect/transport"
import { Effect, type Redacted } from "effect"
import { relay } from "./relay.ts"

export interface Options {
  /** The endpoint to listen on for clients. */
  readonly listen: Endpoint.Endpoint
  /** The server behind the proxy, and the user to log in as. */
  readonly server: {
    readonly endpoint: Endpoint.Endpoint
    readonly user: string
    readonly password: Redacted.Redacted<string>
  }
  /** The accounts of the proxy's users, by name. */
  readonly accounts: ReadonlyMap<string, Account.Account>
  /** Logs a client's message, as a line without secrets. */
  readonly log: (user: string, line: string) => Effect.Effect<void>
}

/** The state shared by all connections. */
interface Shared {
  readonly settings: ReadonlyMap<string, string>
  /** The keys of the server, by the keys that the clients know. */
  readonly keys: Map<string, Authenticate.Key>
}

const keyOf = ({ processId, secretKey }: Authenticate.Key): string => [processId, ...secretKey].join(" ")

/** Opens a connection to the server and logs in. */
const logIn = Effect.fnUntraced(function*({ server }: Options, wanted: Pick<Login.Login, "database" | "parameters">) {
  const { connect } = yield* Transport.Transport
  const channel = MessageChannel.client(yield* connect(server.endpoint), { longLimit: Authenticate.messageLimit })
  const login = { ...wanted, user: server.user, password: server.password }
  const session = yield* Authenticate.client(channel, login, { methods: ["scram-sha-256"] })
  return { channel, session }
})

/** Returns a client's startup parameters other than the user. */
const startupOptions = ({ parameters }: Startup.Startup) => {
  const others = Array.from(parameters).filter(([name]) => !/^(?:user|database|_pq_\..*)$/.test(name))
  return { database: parameters.get("database"), parameters: Object.fromEntries(others) }
}

/** Reports to the client why its session failed. */
const sendFatalError = <E extends { readonly message: string }>(channel: MessageChannel.Server, error: E) =>
  Effect.andThen(
    Effect.ignore(channel.send({
      _tag: "ErrorResponse",
      fields: [{ code: "S", value: "FATAL" }, { code: "C", value: "08001" }, { code: "M", value: error.message }]
    })),
    Effect.fail(error)
  )

/** Forwards and logs a client's messages. */
const forwardLogged = Effect.fnUntraced(function*(
  client: MessageChannel.Server,
  server: MessageChannel.Client,
  note: (message: Frontend.Message) => Effect.Effect<void>
) {
  while (true) {
    const messages = yield* client.receiveAll
    yield* Effect.forEach(messages, note, { discard: true })
    yield* server.sendAll(messages)
    if (messages.some(({ _tag }) => _tag === "Terminate")) return
  }
})

/** Forwards a cancel request to the server, which closes the connection after processing it. */
const forwardCancel = Effect.fnUntraced(function*(endpoint: Endpoint.Endpoint, key: Authenticate.Key) {
  const { connect } = yield* Transport.Transport
  const line = yield* connect(endpoint)
  yield* MessageChannel.client(line).send({ ...key, _tag: "CancelRequest" })
  yield* Effect.flip(Effect.forever(line.pull))
})

/** Serves one client, from its first packet to its end. */
const serve = Effect.fnUntraced(function*(options: Options, { keys, settings }: Shared, line: Connection.Connection) {
  const client = MessageChannel.server(line)
  const come = yield* Authenticate.server(client, {
    account: ({ user }) => Effect.succeed(options.accounts.get(user)),
    parameters: Object.fromEntries(settings)
  })
  if (come._tag === "CancelRequest") {
    const key = keys.get(keyOf(come))
    return key === undefined ? undefined : yield* forwardCancel(options.server.endpoint, key)
  }
  const opened = logIn(options, startupOptions(come.startup))
  const { channel: server, session } = yield* Effect.catch(opened, (error) => sendFatalError(client, error))
  // The client knows a key of the proxy, and the proxy one of the server.
  if (session.key !== undefined) {
    keys.set(keyOf(come.key), session.key)
    yield* Effect.addFinalizer(() => Effect.sync(() => keys.delete(keyOf(come.key))))
  }
  const changed = Array.from(session.parameters).filter(([name, value]) => settings.get(name) !== value)
  yield* client.send(...changed.map(([name, value]) => ({ _tag: "ParameterStatus", name, value }) as const))
  for (const chunk of server.release()) yield* line.write(chunk)
  const note = (message: Frontend.Message) => options.log(come.startup.user, Trace.formatLine("frontend", message))
  yield* Effect.raceFirst(forwardLogged(client, server, note), relay(server.connection, line))
})

/** Accepts clients until the scope closes. Returns the endpoint that it listens on. */
export const start = Effect.fnUntraced(function*(options: Options) {
  // The proxy reports the server's settings to a client before it has a session for it.
  const { session } = yield* Effect.scoped(logIn(options, {}))
  const shared: Shared = { settings: session.parameters, keys: new Map() }
  const handle = (line: Connection.Connection) =>
    Effect.catch(serve(options, shared, line), (error) => Effect.logDebug("a client has left", error.message))
  return yield* Listener.serve(options.listen, handle)
})
