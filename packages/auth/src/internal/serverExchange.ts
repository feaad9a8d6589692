/** The server's side of the exchange between the StartupMessage and AuthenticationOk. */
import * as Backend from "@hyperfect/protocol/Backend"
import { get as getField } from "@hyperfect/protocol/ErrorField"
import type * as Frontend from "@hyperfect/protocol/Frontend"
import * as ProtocolError from "@hyperfect/protocol/ProtocolError"
import type * as MessageChannel from "@hyperfect/transport/MessageChannel"
import * as TransportError from "@hyperfect/transport/TransportError"
import * as Effect from "effect/Effect"
import { fromErrorResponse, fromReason, type MechanismMalformed } from "../AuthError.ts"
import type { Startup } from "../Startup.ts"
import { type Failure, invalid } from "./clientExchange.ts"
import { type Dialect, end, errorResponse } from "./refusal.ts"

export type { Failure }

export interface ServerExchange {
  readonly startup: Startup
  /** Sends a request and receives its response, which must be of the given kind. */
  readonly request: <Tag extends ClientResponse["_tag"]>(
    request: Backend.Message,
    tag: Tag
  ) => Effect.Effect<Extract<ClientResponse, { readonly _tag: Tag }>, Failure>
  readonly send: (message: Backend.Message) => Effect.Effect<void, Failure>
  /** Ends the attempt with the dialect's error text, which does not state the cause. */
  readonly reject: Effect.Effect<never, Failure>
  /** Ends the attempt with PostgreSQL's error text for a token; Hyper does not support tokens. */
  readonly rejectToken: Effect.Effect<never, Failure>
  /** Ends the attempt because of an invalid client message, with PostgreSQL's error text unless one is given. */
  readonly malformed: (error: MechanismMalformed, text?: string) => Effect.Effect<never, Failure>
  /** Ends the attempt without a response, as a server does for a request that it does not know. */
  readonly unsupportedVersion: Effect.Effect<never, Failure>
  /** Ends the attempt with an error. */
  readonly refuse: (sqlState: string, text: string) => Effect.Effect<never, Failure>
}

type ClientResponse = Frontend.PasswordMessage | Frontend.SASLInitialResponse | Frontend.SASLResponse

/** Returns PostgreSQL's error text for a response that cannot be decoded, if it has one. */
const complaint = (error: ProtocolError.ProtocolError): string | undefined => {
  const { _tag, found, messageName } = error.reason
  if (_tag === "TagUnknown") {
    return `expected password response, got message type ${String(JSON.parse(found)).charCodeAt(0)}`
  }
  const said = Backend.errorResponse(error)
  if (said === undefined) return undefined
  return messageName === "PasswordMessage" ? "invalid password packet size" : getField(said.fields, "message")
}

export const make = (channel: MessageChannel.Server, startup: Startup, dialect: Dialect): ServerExchange => {
  const { database, user } = startup
  const refuse = (sqlState: string, text: string): Effect.Effect<never, Failure> => {
    const error = errorResponse(dialect, sqlState, text)
    return end(channel, error, fromErrorResponse(error, user, database))
  }
  const violated = (text: string, error: Failure) => end(channel, errorResponse(dialect, "08P01", text), error)
  const reject = dialect === "hyper"
    ? refuse("42501", `unable to connect as '${user}'`)
    : refuse("28P01", `password authentication failed for user "${user}"`)
  const unreadable = (error: ProtocolError.ProtocolError): Effect.Effect<never, Failure> => {
    const text = complaint(error)
    // A password in another encoding is a wrong one.
    if (error.reason._tag === "Utf8Invalid" && error.reason.messageName === "PasswordMessage") return reject
    return text === undefined ? Effect.fail(error) : violated(text, error)
  }
  return {
    startup,
    send: channel.send,
    refuse,
    unsupportedVersion: invalid(
      "StartupMessage",
      "protocolVersion",
      "version 3.0",
      `version ${startup.version.join(".")}`
    ),
    reject,
    rejectToken: refuse("28000", `OAuth bearer authentication failed for user "${user}"`),
    malformed: (error, text) =>
      violated(
        text ?? `malformed ${error.mechanism.startsWith("SCRAM") ? "SCRAM" : error.mechanism} message`,
        fromReason(error)
      ),
    request: <Tag extends ClientResponse["_tag"]>(request: Backend.Message, tag: Tag) =>
      Effect.gen(function*() {
        yield* channel.send(request)
        const answer = yield* Effect.catchTag(channel.receive, "ProtocolError", unreadable)
        if (answer._tag === tag) return answer as Extract<ClientResponse, { readonly _tag: Tag }>
        // A client that has no password, or rejects the method, disconnects in order.
        if (answer._tag === "Terminate") return yield* TransportError.closed("peer")
        const error = ProtocolError.make("MessageUnexpected", answer._tag, "", 0, tag, answer._tag)
        return yield* violated(`expected ${tag}, got ${answer._tag}`, error)
      })
  }
}
