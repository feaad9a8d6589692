/**
 * The client's side of the conversation from the StartupMessage to ReadyForQuery, with what may come at any point taken
 * out of it: notices are put aside, an ErrorResponse or the end of the line is an error.
 */
import type * as Backend from "@hyperfect/protocol/Backend"
import type * as Frontend from "@hyperfect/protocol/Frontend"
import * as ProtocolError from "@hyperfect/protocol/ProtocolError"
import type * as MessageChannel from "@hyperfect/transport/MessageChannel"
import type * as TransportError from "@hyperfect/transport/TransportError"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { type AuthError, fromErrorResponse, fromReason, PasswordMissing, ServerClosed } from "../AuthError.ts"
import type { Login } from "../Login.ts"
import type { Method, Policy } from "../Policy.ts"
import * as Password from "./password.ts"

export type Failure = AuthError | ProtocolError.ProtocolError | TransportError.TransportError

/** What the workflow has to deal with itself. */
export type Step = Exclude<Backend.Message, Backend.NoticeResponse | Backend.ErrorResponse>

export interface ClientExchange<E = never, R = never> {
  readonly channel: MessageChannel.Client
  readonly login: Login<E, R>
  readonly policy: Policy
  readonly notices: ReadonlyArray<Backend.NoticeResponse>
  readonly send: (message: Frontend.Message) => Effect.Effect<void, Failure>
  readonly receive: Effect.Effect<Step, Failure>
  /** Comes by the password, for a method that wants it. */
  readonly password: (method: Method) => Effect.Effect<Redacted.Redacted<string>, AuthError | E, R>
}

/** Servers send some twenty messages. Whoever sends without end shall not fill our memory. */
const messageLimit = 1000

export const unexpected = (
  message: { readonly _tag: string },
  wanted: string
): Effect.Effect<never, ProtocolError.ProtocolError> =>
  Effect.fail(
    new ProtocolError.ProtocolError({
      reason: ProtocolError.reason("MessageUnexpected", message._tag, "", 0, wanted, message._tag)
    })
  )

/** Receives what lets the client in. */
export const accepted = <E, R>(exchange: ClientExchange<E, R>): Effect.Effect<void, Failure> =>
  Effect.flatMap(
    exchange.receive,
    (message) => message._tag === "AuthenticationOk" ? Effect.void : unexpected(message, "AuthenticationOk")
  )

/** The other end is gone. A reset is what becomes of an end when the server had not read all that we sent. */
const isGone = ({ reason }: TransportError.TransportError): boolean =>
  reason._tag === "Closed"
    ? reason.by === "peer"
    : (reason._tag === "ReadFailed" || reason._tag === "WriteFailed") &&
      (reason.code === "ECONNRESET" || reason.code === "EPIPE")

export const make = <E, R>(
  channel: MessageChannel.Client,
  login: Login<E, R>,
  policy: Policy
): ClientExchange<E, R> => {
  const notices: Array<Backend.NoticeResponse> = []
  let received = 0
  let sent = ""

  const closed = Effect.suspend(() => Effect.fail(fromReason(new ServerClosed({ after: sent }))))

  const next = Effect.catchTag(
    channel.receive,
    "TransportError",
    (error): Effect.Effect<never, Failure> => isGone(error) ? closed : Effect.fail(error)
  )

  const receive: Effect.Effect<Step, Failure> = Effect.flatMap(next, (message) => {
    if (++received > messageLimit) return unexpected(message, `ReadyForQuery within ${messageLimit} messages`)
    switch (message._tag) {
      case "NoticeResponse": {
        notices.push(message)
        return receive
      }
      case "ErrorResponse":
        return Effect.fail(fromErrorResponse(message, login.user, login.database ?? login.user))
      default:
        return Effect.succeed(message)
    }
  })

  return {
    channel,
    login,
    policy,
    notices,
    receive,
    send: (message) =>
      Effect.suspend(() => {
        sent = message._tag
        return Effect.catchTag(
          channel.send(message),
          "TransportError",
          // A server that is gone may have said why before, and only our write came too late.
          (error): Effect.Effect<never, Failure> => isGone(error) ? Effect.andThen(receive, closed) : Effect.fail(error)
        )
      }),
    password: (method) =>
      Effect.suspend((): Effect.Effect<Redacted.Redacted<string>, AuthError | E, R> => {
        const { password, user } = login
        const missing = Effect.failSync(() => fromReason(new PasswordMissing({ user, method })))
        if (password === undefined) return missing
        const secret: Effect.Effect<Redacted.Redacted<string>, E, R> = Redacted.isRedacted(password)
          ? Effect.succeed(password)
          : password
        // An empty password is none, as in libpq: no server takes it.
        return Effect.flatMap(
          secret,
          (password) => Redacted.value(password) === "" ? missing : Password.check(password)
        )
      })
  }
}
