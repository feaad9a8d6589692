/** A client that exchanges single messages with a scripted server. */
import * as Authenticate from "@hyperfect/auth/Authenticate"
import type * as Backend from "@hyperfect/protocol/Backend"
import type * as Frontend from "@hyperfect/protocol/Frontend"
import { rows } from "@hyperfect/testing/ScriptedServer"
import * as Endpoint from "@hyperfect/transport/Endpoint"
import * as MessageChannel from "@hyperfect/transport/MessageChannel"
import * as Transport from "@hyperfect/transport/Transport"
import * as BuiltIn from "@hyperfect/values/BuiltIn"
import { Effect, Redacted } from "effect"

export const password = Redacted.make("s3cret")
export const ok = { _tag: "AuthenticationOk" } as const
export const ready = { _tag: "ReadyForQuery", status: "I" } as const

export const connect = Effect.gen(function*() {
  const transport = yield* Transport.Transport
  return MessageChannel.client(yield* transport.connect(Endpoint.tcp("db", 5432)))
})

export const login = Effect.gen(function*() {
  const channel = yield* connect
  yield* Authenticate.client(channel, { user: "app", password })
  return channel
}).pipe(Effect.provide(Authenticate.layerCrypto))

/** Sends messages, and receives the responses up to and including the next ReadyForQuery. */
export const exchange = Effect.fnUntraced(
  function*(channel: MessageChannel.Client, ...messages: ReadonlyArray<Frontend.Message>) {
    yield* channel.send(...messages)
    const heard: Array<Backend.Message> = []
    do heard.push(yield* channel.receive)
    while (heard.at(-1)?._tag !== "ReadyForQuery")
    return heard
  }
)

export const query = (channel: MessageChannel.Client, query: string) => exchange(channel, { _tag: "Query", query })

export const tags = (messages: ReadonlyArray<Backend.Message>): string => messages.map(({ _tag }) => _tag).join(" ")

const text = (bytes: Uint8Array | null | undefined) =>
  bytes === null || bytes === undefined ? bytes : Buffer.from(bytes).toString()

export const cells = (messages: ReadonlyArray<Backend.Message>) =>
  messages.flatMap((message) => message._tag === "DataRow" ? [message.columns.map(text)] : [])

export const parse = (text: string, name = "", parameterTypes: ReadonlyArray<number> = []) =>
  ({ _tag: "Parse", name, query: text, parameterTypes }) as const
export const bind = (statement = "", resultFormats: ReadonlyArray<number> = []) =>
  ({ _tag: "Bind", portal: "", statement, parameterFormats: [], parameters: [], resultFormats }) as const
export const execute = { _tag: "Execute", portal: "", maxRows: 0 } as const
export const sync = { _tag: "Sync" } as const
export const describeStatement = (name = "") => ({ _tag: "Describe", kind: "S", name }) as const
export const describePortal = { _tag: "Describe", kind: "P", name: "" } as const

export const users = rows({ id: BuiltIn.int8, email: BuiltIn.text }, [
  { id: 1n, email: "a@b.c" },
  { id: 2n, email: null }
])

export const oneRow = (value: string) => rows({ value: BuiltIn.text }, [{ value }])
