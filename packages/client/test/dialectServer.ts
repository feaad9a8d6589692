/** A scripted server that records the messages that it receives. */
import * as Account from "@hyperfect/auth/Account"
import * as Authenticate from "@hyperfect/auth/Authenticate"
import type * as Backend from "@hyperfect/protocol/Backend"
import type * as Frontend from "@hyperfect/protocol/Frontend"
import * as InMemory from "@hyperfect/transport/InMemory"
import * as MessageChannel from "@hyperfect/transport/MessageChannel"
import { Effect, Layer } from "effect"
import { complete } from "./manualServer.ts"

export interface Options {
  readonly version?: string | undefined
  /** The format that RowDescription reports for columns in text; 0 by default. */
  readonly reported?: 0 | 1 | undefined
}

const failure: Backend.Message = {
  _tag: "ErrorResponse",
  fields: [{ code: "S", value: "ERROR" }, { code: "C", value: "22012" }, { code: "M", value: "division by zero" }]
}

/**
 * A server that answers each statement with the integer 7, except `fail` with an error. Like Hyper, it forgets that a
 * transaction has failed when the next statement comes.
 */
export const makeServer = ({ reported = 0, version = "18.0" }: Options) => {
  const received: Array<Frontend.Message> = []
  const layer = InMemory.layer((line) =>
    Effect.gen(function*() {
      const channel = MessageChannel.server(line)
      yield* Authenticate.server(channel, {
        account: () => Effect.succeed(Account.trust),
        parameters: { server_version: version }
      })
      let status: Backend.Message & { readonly _tag: "ReadyForQuery" } = { _tag: "ReadyForQuery", status: "I" }
      let text = ""
      let format = 0
      let isSkipping = false
      const columnOf = (format: number): Backend.Message => ({
        _tag: "RowDescription",
        fields: [{
          name: "n",
          tableOid: 0,
          columnNumber: 0,
          typeOid: text.includes("custom") ? 99_999 : 23,
          typeSize: 4,
          typeModifier: -1,
          format
        }]
      })
      const run = (query: string): ReadonlyArray<Backend.Message> => {
        if (query === "fail") {
          status = { ...status, status: status.status === "I" ? "I" : "E" }
          isSkipping = true
          return [failure]
        }
        if (/^(begin|rollback|commit|set)/i.test(query)) {
          if (!/^set/i.test(query)) status = { ...status, status: /^begin/i.test(query) ? "T" : "I" }
          return [complete(/^\w+/.exec(query)![0].toUpperCase())]
        }
        if (status.status === "E") status = { ...status, status: "T" }
        const seven = format === 1 ? Uint8Array.of(0, 0, 0, 7) : new TextEncoder().encode("7")
        return [{ _tag: "DataRow", columns: [seven] }, complete("SELECT 1")]
      }
      while (true) {
        const message = yield* channel.receive
        received.push(message)
        if (message._tag === "Terminate") return
        if (message._tag === "Sync") {
          isSkipping = false
          yield* channel.send(status)
        } else if (message._tag === "Query") {
          format = 0
          const answer = run(message.query)
          isSkipping = false
          yield* channel.send(...answer[0]?._tag === "DataRow" ? [columnOf(0)] : [], ...answer, status)
        } else if (!isSkipping) {
          if (message._tag === "Parse") {
            text = message.query
            yield* channel.send({ _tag: "ParseComplete" })
          } else if (message._tag === "Describe") {
            const parameterTypes = text.includes("$1") ? [23] : []
            if (message.kind === "S") yield* channel.send({ _tag: "ParameterDescription", parameterTypes })
            yield* channel.send(columnOf(message.kind === "S" ? 0 : reported))
          } else if (message._tag === "Bind") {
            format = message.resultFormats[0] ?? 0
            yield* channel.send({ _tag: "BindComplete" })
          } else if (message._tag === "Execute") yield* channel.send(...run(text))
        }
      }
    }).pipe(Effect.ignore)
  ).pipe(Layer.provideMerge(Authenticate.layerCrypto))
  return { layer, received }
}
