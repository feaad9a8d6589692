/** Single steps of the protocol, for tests of the real behavior of a server. */
import type * as Backend from "@hyperfect/protocol/Backend"
import * as ErrorField from "@hyperfect/protocol/ErrorField"
import * as Frontend from "@hyperfect/protocol/Frontend"
import { protocolVersion30 } from "@hyperfect/protocol/frontend/StartupMessage"
import type * as Endpoint from "@hyperfect/transport/Endpoint"
import * as MessageChannel from "@hyperfect/transport/MessageChannel"
import * as Transport from "@hyperfect/transport/Transport"
import { Effect } from "effect"

/** Opens a connection and sends StartupMessage; the next message is the server's authentication request. */
export const startSession = Effect.fnUntraced(
  function*(endpoint: Endpoint.Endpoint, parameters: Record<string, string>) {
    const transport = yield* Transport.Transport
    const channel = MessageChannel.client(yield* transport.connect(endpoint))
    yield* channel.send(Frontend.StartupMessage.make({
      protocolVersion: protocolVersion30,
      parameters: Object.entries(parameters).map(([name, value]) => ({ name, value }))
    }))
    return channel
  }
)

/** Receives messages up to and including one with a given tag. */
export const receiveUntil = Effect.fnUntraced(
  function*(channel: MessageChannel.Client, ...tags: ReadonlyArray<Backend.Message["_tag"]>) {
    const messages: Array<Backend.Message> = []
    do messages.push(yield* channel.receive)
    while (!tags.includes(messages.at(-1)!._tag))
    return messages
  }
)

/** Returns the rows of a query in text format, on a channel that is logged in. */
export const query = Effect.fnUntraced(function*(channel: MessageChannel.Client, sql: string) {
  yield* channel.send(Frontend.Query.make({ query: sql }))
  const messages = yield* receiveUntil(channel, "ReadyForQuery")
  return messages.flatMap((message): ReadonlyArray<ReadonlyArray<string | null | undefined>> =>
    message._tag === "DataRow"
      ? [message.columns.map((column) => column === null ? null : Buffer.from(column).toString("utf8"))]
      : message._tag === "ErrorResponse"
      ? [[ErrorField.get(message.fields, "sqlState"), ErrorField.get(message.fields, "message")]]
      : []
  )
})
