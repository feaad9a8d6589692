/**
 * The report that a server sends when it is ready: one length byte, then that many bytes of text, the last of them
 * zero. Nothing follows it; from then on the server only watches the connection. See H-23.
 */
import * as Utf8 from "@hyperfect/protocol/Utf8"
import type { Connection } from "@hyperfect/transport/Connection"
import type { TransportError } from "@hyperfect/transport/TransportError"
import * as Effect from "effect/Effect"
import { CallbackMalformed } from "../../HyperdError.ts"

const malformed = (problem: string) => Effect.fail(new CallbackMalformed({ problem }))

/** The length byte and the longest text it can announce. Bytes after that are ignored. */
const maxReportSize = 1 + 255

/** Reads the report from a connection that the server has just opened. */
export const read = (connection: Connection): Effect.Effect<string, CallbackMalformed | TransportError> => {
  const received = new Uint8Array(maxReportSize + 1)
  let size = 0
  const next: Effect.Effect<string, CallbackMalformed | TransportError> = Effect.flatMap(connection.pull, (chunks) => {
    for (const chunk of chunks) {
      const part = chunk.subarray(0, received.length - size)
      received.set(part, size)
      size += part.length
    }
    const end = 1 + received[0]!
    if (end === 1) return malformed("it is empty")
    if (size < end) return next
    if (size > end) return malformed(`bytes follow the ${end - 1} that it announced`)
    if (received[end - 1] !== 0) return malformed("it does not end with a zero byte")
    const text = Utf8.decode(received, 1, end - 1)
    return text === undefined || !/^\P{Cc}+$/u.test(text) ? malformed("it is not text") : Effect.succeed(text)
  })
  return next
}
