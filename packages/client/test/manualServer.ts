/** A server that a test plays message by message, at the other end of an in-memory connection. */
import * as Account from "@hyperfect/auth/Account"
import * as Authenticate from "@hyperfect/auth/Authenticate"
import type { ConnectionConfig } from "@hyperfect/client/ConnectionConfig"
import * as Session from "@hyperfect/client/Session"
import type * as Backend from "@hyperfect/protocol/Backend"
import type * as Frontend from "@hyperfect/protocol/Frontend"
import * as Endpoint from "@hyperfect/transport/Endpoint"
import * as InMemory from "@hyperfect/transport/InMemory"
import * as MessageChannel from "@hyperfect/transport/MessageChannel"
import { Context, Deferred, Effect, Layer, Queue } from "effect"

type MessageTag = Frontend.Message["_tag"]

export interface Server {
  /** Receives messages, which must be these in this order, and returns the last of them. */
  readonly expect: (...tags: ReadonlyArray<MessageTag>) => Effect.Effect<Frontend.Message>
  readonly send: (...messages: ReadonlyArray<Backend.Message>) => Effect.Effect<void>
  readonly disconnect: Effect.Effect<void>
  readonly channel: MessageChannel.Server
}

interface Options extends InMemory.Options {
  readonly dialect?: "hyper" | undefined
  /** Runs when the server receives a cancel request, before it disconnects. */
  readonly onCancel?: Effect.Effect<void> | undefined
  /** True if the server sends sessions a key to cancel with; the default. */
  readonly hasKey?: boolean | undefined
}

/** The sessions that the server has accepted. */
class Sessions extends Context.Service<Sessions, Queue.Queue<Server>>()("test/Guests") {}

const makeServer = (channel: MessageChannel.Server, gone: Deferred.Deferred<void>): Server => ({
  expect: Effect.fnUntraced(function*(...tags: ReadonlyArray<MessageTag>) {
    let message: Frontend.Message | undefined
    for (const tag of tags) {
      message = yield* Effect.orDie(channel.receive)
      if (message._tag !== tag) return yield* Effect.die(new Error(`expected ${tag}, received ${message._tag}`))
    }
    return message!
  }),
  send: (...messages) => Effect.orDie(channel.send(...messages)),
  disconnect: Effect.asVoid(Deferred.succeed(gone, undefined)),
  channel
})

/** A transport to the server that a test plays. */
export const manualServer = (options: Options = {}) =>
  Layer.unwrap(Effect.gen(function*() {
    const guests = yield* Queue.unbounded<Server>()
    const parameters = {
      server_version: options.dialect === "hyper" ? "9.1.0" : "18.0",
      ...options.dialect === "hyper" ? { hyper_version: "main.0.0.1" } : {}
    }
    const lines = InMemory.layer((line) =>
      Effect.gen(function*() {
        const channel = MessageChannel.server(line)
        const login: MessageChannel.Server = options.hasKey === false
          ? {
            ...channel,
            send: (...messages) => channel.send(...messages.filter(({ _tag }) => _tag !== "BackendKeyData"))
          }
          : channel
        const came = yield* Effect.orDie(
          Authenticate.server(login, { account: () => Effect.succeed(Account.trust), parameters })
        )
        if (came._tag === "CancelRequest") return yield* options.onCancel ?? Effect.void
        const gone = yield* Deferred.make<void>()
        yield* Queue.offer(guests, makeServer(channel, gone))
        yield* Deferred.await(gone)
      }), options)
    return Layer.merge(lines, Layer.succeed(Sessions, guests))
  })).pipe(Layer.provideMerge(Authenticate.layerCrypto))

/** The server's end of the next session that is opened. */
export const acceptSession = Effect.flatMap(Sessions, (guests) => Queue.take(guests))

/** Opens a session and returns both of its ends. */
export const connectWith = Effect.fnUntraced(function*(changes: Partial<ConnectionConfig>) {
  const session = yield* Session.make({
    endpoint: Endpoint.tcp("db", 5432),
    user: "app",
    sslMode: "disable",
    ...changes
  })
  const server = yield* acceptSession
  return { session, server }
})

export const connect = connectWith({})

export const ready = (status: "I" | "T" | "E" = "I"): Backend.Message => ({ _tag: "ReadyForQuery", status })
export const complete = (commandTag: string): Backend.Message => ({ _tag: "CommandComplete", commandTag })
export const error = (code: string, severity = "ERROR"): Backend.Message => ({
  _tag: "ErrorResponse",
  fields: [{ code: "S", value: severity }, { code: "C", value: code }, { code: "M", value: "as the test wants it" }]
})
export const copyIn: Backend.Message = { _tag: "CopyInResponse", format: 0, columnFormats: [0] }
