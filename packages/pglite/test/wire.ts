/** A connection to PGlite below the client: messages are written and the answers to them read as messages. */
import * as Backend from "@hyperfect/protocol/Backend"
import * as Frame from "@hyperfect/protocol/Frame"
import * as Frontend from "@hyperfect/protocol/Frontend"
import type { Connection } from "@hyperfect/transport/Connection"
import { Effect } from "effect"

/** Encodes messages into one chunk. */
export const encode = (...messages: ReadonlyArray<Frontend.Message>): Uint8Array =>
  Buffer.concat(messages.map((message) => Frontend.encodeUnsafe(message)))

export const query = (text: string): Frontend.Message => ({ _tag: "Query", query: text })
export const sync: Frontend.Message = { _tag: "Sync" }
export const terminate: Frontend.Message = { _tag: "Terminate" }

export const parse = (name: string, text: string): Frontend.Message => ({
  _tag: "Parse",
  name,
  query: text,
  parameterTypes: []
})

export const bind = (portal: string, statement: string): Frontend.Message => ({
  _tag: "Bind",
  portal,
  statement,
  parameterFormats: [],
  parameters: [],
  resultFormats: []
})

export const execute = (portal: string, maxRows = 0): Frontend.Message => ({ _tag: "Execute", portal, maxRows })

/** Makes a reader of the messages that come. Each call returns those up to the next one with one of the tags. */
export const reader = ({ pull }: Connection) => {
  const messages: Array<Backend.Message> = []
  const read = Backend.readerUnsafe()
  const parser = Frame.makeParser(Backend.limits(), (bytes, start, end) => messages.push(read(bytes, start, end)))
  return Effect.fnUntraced(function*(...tags: ReadonlyArray<Backend.Message["_tag"]>) {
    while (true) {
      const end = messages.findIndex(({ _tag }) => tags.includes(_tag))
      if (end >= 0) return messages.splice(0, end + 1)
      for (const chunk of yield* pull) parser.push(chunk)
    }
  })
}

/** Logs a connection in, and returns it with a reader of its messages. */
export const logIn = Effect.fnUntraced(function*(connection: Connection) {
  const parameters = [{ name: "user", value: "postgres" }, { name: "database", value: "postgres" }]
  yield* connection.write(encode({ _tag: "StartupMessage", protocolVersion: 0x30000, parameters }))
  const until = reader(connection)
  yield* until("ReadyForQuery")
  return {
    connection,
    until,
    send: (...messages: ReadonlyArray<Frontend.Message>) => connection.write(encode(...messages))
  }
})

const decoder = new TextDecoder()

/** The first column of all rows, as text. */
export const firstColumn = (messages: ReadonlyArray<Backend.Message>): ReadonlyArray<string> =>
  messages.flatMap((message) => {
    const value = message._tag === "DataRow" ? message.columns[0] : undefined
    return value instanceof Uint8Array ? [decoder.decode(value)] : []
  })
