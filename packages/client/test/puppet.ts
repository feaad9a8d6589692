/** A server that a test plays itself, message by message, at the other end of a line in memory. */
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

type Tag = Frontend.Message["_tag"]

export interface Server {
  /** Receives messages until these have come, in this order, and returns the last of them. */
  readonly hear: (...tags: ReadonlyArray<Tag>) => Effect.Effect<Frontend.Message>
  readonly say: (...messages: ReadonlyArray<Backend.Message>) => Effect.Effect<void>
  readonly hangUp: Effect.Effect<void>
  readonly channel: MessageChannel.Server
}

interface Options extends InMemory.Options {
  readonly dialect?: "hyper" | undefined
  /** What the server does about a request to cancel, before it hangs up. */
  readonly onCancel?: Effect.Effect<void> | undefined
}

/** The sessions that the server has let in. */
class Guests extends Context.Service<Guests, Queue.Queue<Server>>()("test/Guests") {}

const serve = (channel: MessageChannel.Server, gone: Deferred.Deferred<void>): Server => ({
  hear: Effect.fnUntraced(function*(...tags: ReadonlyArray<Tag>) {
    let message: Frontend.Message | undefined
    for (const tag of tags) {
      message = yield* Effect.orDie(channel.receive)
      if (message._tag !== tag) return yield* Effect.die(new Error(`expected ${tag}, received ${message._tag}`))
    }
    return message!
  }),
  say: (...messages) => Effect.orDie(channel.send(...messages)),
  hangUp: Effect.asVoid(Deferred.succeed(gone, undefined)),
  channel
})

/** A transport to the server that a test plays. */
export const puppet = (options: Options = {}) =>
  Layer.unwrap(Effect.gen(function*() {
    const guests = yield* Queue.unbounded<Server>()
    const parameters = {
      server_version: options.dialect === "hyper" ? "9.1.0" : "18.0",
      ...options.dialect === "hyper" ? { hyper_version: "main.0.0.1" } : {}
    }
    const lines = InMemory.layer((line) =>
      Effect.gen(function*() {
        const channel = MessageChannel.server(line)
        const came = yield* Effect.orDie(
          Authenticate.server(channel, { account: () => Effect.succeed(Account.trust), parameters })
        )
        if (came._tag === "CancelRequest") return yield* options.onCancel ?? Effect.void
        const gone = yield* Deferred.make<void>()
        yield* Queue.offer(guests, serve(channel, gone))
        yield* Deferred.await(gone)
      }), options)
    return Layer.merge(lines, Layer.succeed(Guests, guests))
  })).pipe(Layer.provideMerge(Authenticate.layerCrypto))

/** The server's end of the next session that is opened. */
export const greet = Effect.flatMap(Guests, (guests) => Queue.take(guests))

/** Opens a session; returns both of its ends. */
export const meetWith = Effect.fnUntraced(function*(changes: Partial<ConnectionConfig>) {
  const session = yield* Session.make({
    endpoint: Endpoint.tcp("db", 5432),
    user: "app",
    sslMode: "disable",
    ...changes
  })
  const server = yield* greet
  return { session, server }
})

export const meet = meetWith({})

export const ready = (status: "I" | "T" | "E" = "I"): Backend.Message => ({ _tag: "ReadyForQuery", status })
export const complete = (commandTag: string): Backend.Message => ({ _tag: "CommandComplete", commandTag })
export const error = (code: string, severity = "ERROR"): Backend.Message => ({
  _tag: "ErrorResponse",
  fields: [{ code: "S", value: severity }, { code: "C", value: code }, { code: "M", value: "as the test wants it" }]
})
export const copyIn: Backend.Message = { _tag: "CopyInResponse", format: 0, columnFormats: [0] }
