/**
 * Queries on a connection before its session is available.
 *
 * @internal
 */
import * as Utf8 from "@hyperfect/protocol/Utf8"
import type * as MessageChannel from "@hyperfect/transport/MessageChannel"
import * as Effect from "effect/Effect"

/** Returns the single value of a query, as text, and whether the server refused it. */
export const ask = Effect.fnUntraced(function*(channel: MessageChannel.Client, query: string) {
  yield* channel.send({ _tag: "Query", query })
  let value: string | undefined
  let isRefused = false
  while (true) {
    const message = yield* channel.receive
    if (message._tag === "DataRow") {
      const bytes = message.columns[0]
      value = bytes === undefined || bytes === null ? undefined : Utf8.decode(bytes, 0, bytes.length)
    }
    if (message._tag === "ErrorResponse") isRefused = true
    if (message._tag === "ReadyForQuery") return { isRefused, value: isRefused ? undefined : value }
  }
})
