/**
 * A proxy with users of its own: clients prove to it who they are, and it logs in to the server as somebody else. What
 * clients ask is written down; what the server answers passes through untouched.
 *
 * Neither side ever sees the other one's password, and a client without one never gets as far as the server.
 */
import { type Account, Authenticate, type Login, type Startup } from "@hyperfect/auth"
import { type Frontend, Trace } from "@hyperfect/protocol"
import { type Connection, type Endpoint, Listener, MessageChannel, Transport } from "@hyperfect/transport"
import { Effect, type Redacted } from "effect"
import { relay } from "./relay.ts"

export interface Options {
  /** Where clients come in. */
  readonly listen: Endpoint.Endpoint
  /** The server behind it, and whom it takes us for. */
  readonly server: {
    readonly endpoint: Endpoint.Endpoint
    readonly user: string
    readonly password: Redacted.Redacted<string>
  }
  /** The users, by name, and what is known of them. */
  readonly accounts: ReadonlyMap<string, Account.Account>
  /** Takes note of a message of a client, as a line without secrets. */
  readonly note: (user: string, line: string) => Effect.Effect<void>
}

/** What all connections have in common. */
interface Shared {
  readonly settings: ReadonlyMap<string, string>
  /** The keys of the server, by those that its clients know. */
  readonly keys: Map<string, Authenticate.Key>
}

const keyOf = ({ processId, secretKey }: Authenticate.Key): string => [processId, ...secretKey].join(" ")

/** Opens a line to the server and logs in there. */
const logIn = Effect.fnUntraced(function*({ server }: Options, wanted: Pick<Login.Login, "database" | "parameters">) {
  const { connect } = yield* Transport.Transport
  const channel = MessageChannel.client(yield* connect(server.endpoint), { longLimit: Authenticate.messageLimit })
  const login = { ...wanted, user: server.user, password: server.password }
  const session = yield* Authenticate.client(channel, login, { methods: ["scram-sha-256"] })
  return { channel, session }
})

/** What a client wants besides being somebody. */
const wishesOf = ({ parameters }: Startup.Startup) => {
  const others = Array.from(parameters).filter(([name]) => !/^(?:user|database|_pq_\..*)$/.test(name))
  return { database: parameters.get("database"), parameters: Object.fromEntries(others) }
}

/** Tells the client why there is no session after all. */
const excuse = <E extends { readonly message: string }>(channel: MessageChannel.Server, error: E) =>
  Effect.andThen(
    Effect.ignore(channel.send({
      _tag: "ErrorResponse",
      fields: [{ code: "S", value: "FATAL" }, { code: "C", value: "08001" }, { code: "M", value: error.message }]
    })),
    Effect.fail(error)
  )

/** Sends on, message by message, what a client asks. */
const audit = Effect.fnUntraced(function*(
  client: MessageChannel.Server,
  server: MessageChannel.Client,
  note: (message: Frontend.Message) => Effect.Effect<void>
) {
  while (true) {
    const message = yield* client.receive
    yield* note(message)
    yield* server.send(message)
    if (message._tag === "Terminate") return
  }
})

/** Passes a cancel request on to the server, which hangs up when it has looked at it. */
const cancel = Effect.fnUntraced(function*(endpoint: Endpoint.Endpoint, key: Authenticate.Key) {
  const { connect } = yield* Transport.Transport
  const line = yield* connect(endpoint)
  yield* MessageChannel.client(line).send({ ...key, _tag: "CancelRequest" })
  yield* Effect.flip(Effect.forever(line.pull))
})

/** Serves one client, from its first packet to its good-bye. */
const serve = Effect.fnUntraced(function*(options: Options, { keys, settings }: Shared, line: Connection.Connection) {
  const client = MessageChannel.server(line)
  const come = yield* Authenticate.server(client, {
    account: ({ user }) => Effect.succeed(options.accounts.get(user)),
    parameters: Object.fromEntries(settings)
  })
  if (come._tag === "CancelRequest") {
    const key = keys.get(keyOf(come))
    return key === undefined ? undefined : yield* cancel(options.server.endpoint, key)
  }
  const opened = logIn(options, wishesOf(come.startup))
  const { channel: server, session } = yield* Effect.catch(opened, (error) => excuse(client, error))
  // The client knows a key of ours, and we one of the server's.
  if (session.key !== undefined) {
    keys.set(keyOf(come.key), session.key)
    yield* Effect.addFinalizer(() => Effect.sync(() => keys.delete(keyOf(come.key))))
  }
  const changed = Array.from(session.parameters).filter(([name, value]) => settings.get(name) !== value)
  yield* client.send(...changed.map(([name, value]) => ({ _tag: "ParameterStatus", name, value }) as const))
  for (const chunk of server.release()) yield* line.write(chunk)
  const note = (message: Frontend.Message) => options.note(come.startup.user, Trace.line("frontend", message))
  yield* Effect.raceFirst(audit(client, server, note), relay(server.connection, line))
})

/** Lets clients in until the scope closes. Gives where it listens. */
export const start = Effect.fnUntraced(function*(options: Options) {
  // What the server says of itself is what the proxy says of itself before it has a session for a client.
  const { session } = yield* Effect.scoped(logIn(options, {}))
  const shared: Shared = { settings: session.parameters, keys: new Map() }
  const handle = (line: Connection.Connection) =>
    Effect.catch(serve(options, shared, line), (error) => Effect.logDebug("a client has left", error.message))
  return yield* Listener.serve(options.listen, handle)
})
