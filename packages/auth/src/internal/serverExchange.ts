/** The server's side of the conversation between the StartupMessage and AuthenticationOk. */
import type * as Backend from "@hyperfect/protocol/Backend"
import { codes, type ErrorField } from "@hyperfect/protocol/ErrorField"
import type * as Frontend from "@hyperfect/protocol/Frontend"
import * as ProtocolError from "@hyperfect/protocol/ProtocolError"
import type * as MessageChannel from "@hyperfect/transport/MessageChannel"
import * as TransportError from "@hyperfect/transport/TransportError"
import * as Effect from "effect/Effect"
import { type AuthError, fromErrorResponse, fromReason, type MechanismMalformed } from "../AuthError.ts"
import type { Startup } from "../Startup.ts"

export type Failure = AuthError | ProtocolError.ProtocolError | TransportError.TransportError

/** The servers whose way of saying no is known. */
export type Dialect = "postgres" | "hyper"

export interface ServerExchange {
  readonly startup: Startup
  /** Sends a request and receives the answer to it, which must be of the given kind. */
  readonly ask: <Tag extends Answer["_tag"]>(
    request: Backend.Message,
    tag: Tag
  ) => Effect.Effect<Extract<Answer, { readonly _tag: Tag }>, Failure>
  readonly send: (message: Backend.Message) => Effect.Effect<void, Failure>
  /** Ends the attempt with the words of the dialect; they do not tell what was wrong. */
  readonly reject: Effect.Effect<never, Failure>
  /** Ends the attempt in PostgreSQL's words for a token; Hyper takes none. */
  readonly rejectToken: Effect.Effect<never, Failure>
  /** Ends the attempt because of what the client sent. */
  readonly malformed: (error: MechanismMalformed) => Effect.Effect<never, Failure>
  /** Ends the attempt without a word, as a server does that does not know what it was asked. */
  readonly hangUp: Effect.Effect<never, Failure>
  /** Ends the attempt with an error. */
  readonly refuse: (sqlState: string, text: string) => Effect.Effect<never, Failure>
}

type Answer = Frontend.PasswordMessage | Frontend.SASLInitialResponse | Frontend.SASLResponse

const phases = { PasswordMessage: "password", SASLInitialResponse: "sasl-initial", SASLResponse: "sasl" } as const

const response = (dialect: Dialect, sqlState: string, text: string): Backend.ErrorResponse => {
  const field = (name: keyof typeof codes, value: string): ErrorField => ({ code: codes[name], value })
  const what = [field("sqlState", sqlState), field("message", text)]
  return {
    _tag: "ErrorResponse",
    fields: dialect === "hyper"
      ? [field("severityLocalized", "ERROR"), ...what, field("source", "User")]
      : [field("severityLocalized", "FATAL"), field("severity", "FATAL"), ...what]
  }
}

export const make = (channel: MessageChannel.Server, startup: Startup, dialect: Dialect): ServerExchange => {
  const { database, user } = startup
  /** Whether the client still listens makes no difference to what went wrong. */
  const end = (last: Backend.ErrorResponse, error: Failure): Effect.Effect<never, Failure> =>
    Effect.andThen(Effect.ignore(channel.send(last)), Effect.fail(error))
  const refuse = (sqlState: string, text: string): Effect.Effect<never, Failure> => {
    const error = response(dialect, sqlState, text)
    return end(error, fromErrorResponse(error, user, database))
  }
  const violated = (text: string, error: Failure) => end(response(dialect, "08P01", text), error)
  return {
    startup,
    send: channel.send,
    refuse,
    hangUp: Effect.fail(
      new ProtocolError.ProtocolError({
        reason: ProtocolError.reason(
          "ValueInvalid",
          "StartupMessage",
          "protocolVersion",
          0,
          "version 3.0",
          `version ${startup.version.join(".")}`
        )
      })
    ),
    reject: dialect === "hyper"
      ? refuse("42501", `unable to connect as '${user}'`)
      : refuse("28P01", `password authentication failed for user "${user}"`),
    rejectToken: refuse("28000", `OAuth bearer authentication failed for user "${user}"`),
    malformed: (error) =>
      violated(
        `malformed ${error.mechanism.startsWith("SCRAM") ? "SCRAM" : error.mechanism} message`,
        fromReason(error)
      ),
    ask: <Tag extends Answer["_tag"]>(request: Backend.Message, tag: Tag) =>
      Effect.gen(function*() {
        channel.phase = phases[tag]
        yield* channel.send(request)
        const answer = yield* channel.receive
        channel.phase = "password"
        if (answer._tag === tag) return answer as Extract<Answer, { readonly _tag: Tag }>
        // A client that has no password, or does not like the method, leaves in order.
        if (answer._tag === "Terminate") {
          return yield* TransportError.closed("peer")
        }
        const reason = ProtocolError.reason("MessageUnexpected", answer._tag, "", 0, tag, answer._tag)
        return yield* violated(`expected ${tag}, got ${answer._tag}`, new ProtocolError.ProtocolError({ reason }))
      })
  }
}
