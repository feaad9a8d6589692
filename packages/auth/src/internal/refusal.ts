/** Errors with which a server ends a client's attempt. */
import type * as Backend from "@hyperfect/protocol/Backend"
import { codes, type ErrorField } from "@hyperfect/protocol/ErrorField"
import type * as MessageChannel from "@hyperfect/transport/MessageChannel"
import * as Effect from "effect/Effect"

/** The servers whose error responses can be reproduced. */
export type Dialect = "postgres" | "hyper"

/** Creates an error that ends the attempt. */
export const errorResponse = (
  dialect: Dialect,
  sqlState: string,
  text: string,
  detail?: string
): Backend.ErrorResponse => {
  const field = (name: keyof typeof codes, value: string): ErrorField => ({ code: codes[name], value })
  const what = [
    field("sqlState", sqlState),
    field("message", text),
    ...detail === undefined ? [] : [field("detail", detail)]
  ]
  return {
    _tag: "ErrorResponse",
    fields: dialect === "hyper"
      ? [field("severityLocalized", "ERROR"), ...what, field("source", "User")]
      : [field("severityLocalized", "FATAL"), field("severity", "FATAL"), ...what]
  }
}

/** Sends the last message to the client. A failure to send it does not change the outcome. */
export const end = <E>(
  channel: MessageChannel.Server,
  last: Backend.ErrorResponse,
  error: E
): Effect.Effect<never, E> => Effect.andThen(Effect.ignore(channel.send(last)), Effect.fail(error))
