/**
 * The client's side of the exchange from the StartupMessage to ReadyForQuery, with the messages handled that may come
 * at any point: notices are collected, and an ErrorResponse or the end of the connection is an error.
 */
import type * as Backend from "@hyperfect/protocol/Backend"
import type * as Frontend from "@hyperfect/protocol/Frontend"
import * as ProtocolError from "@hyperfect/protocol/ProtocolError"
import type * as MessageChannel from "@hyperfect/transport/MessageChannel"
import type * as TransportError from "@hyperfect/transport/TransportError"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as AuthError from "../AuthError.ts"
import type { Login } from "../Login.ts"
import * as Password from "./password.ts"
import * as Secret from "./secret.ts"

export type Failure = AuthError.AuthError | ProtocolError.ProtocolError | TransportError.TransportError

/** The messages that the login itself must handle. */
export type ServerMessage = Exclude<Backend.Message, Backend.NoticeResponse | Backend.ErrorResponse>

/** The rules of the policy that concern the messages of a mechanism. */
interface Rules {
  readonly isBindingAllowed: boolean
  readonly permitIterations: (iterations: number) => Effect.Effect<void, AuthError.AuthError>
}

export interface ClientExchange<E = never, R = never> extends Rules {
  readonly channel: MessageChannel.Client
  readonly login: Login<E, R>
  readonly notices: ReadonlyArray<Backend.NoticeResponse>
  readonly send: (message: Frontend.Message) => Effect.Effect<void, Failure>
  readonly receive: Effect.Effect<ServerMessage, Failure>
  /** Returns the password for a method that requires it. */
  readonly password: (method: string) => Effect.Effect<Redacted.Redacted<string>, AuthError.AuthError | E, R>
}

/** Servers send about twenty messages. Bounds the memory that a server can fill by sending endlessly. */
const messageLimit = 1000

export const unexpected = (
  message: { readonly _tag: string },
  wanted: string
): Effect.Effect<never, ProtocolError.ProtocolError> =>
  Effect.fail(ProtocolError.make("MessageUnexpected", message._tag, "", 0, wanted, message._tag))

/** Fails because of a field with an invalid value. */
export const invalid = (messageName: string, field: string, wanted: string, found: string) =>
  Effect.fail(ProtocolError.make("ValueInvalid", messageName, field, 0, wanted, found))

/** Receives AuthenticationOk. */
export const expectAuthenticationOk = <E, R>(exchange: ClientExchange<E, R>): Effect.Effect<void, Failure> =>
  Effect.flatMap(
    exchange.receive,
    (message) => message._tag === "AuthenticationOk" ? Effect.void : unexpected(message, "AuthenticationOk")
  )

/** True if the peer disconnected. A connection is reset if the server closed it without reading all data sent. */
const isDisconnect = ({ reason }: TransportError.TransportError): boolean =>
  reason._tag === "Closed"
    ? reason.by === "peer"
    : (reason._tag === "ReadFailed" || reason._tag === "WriteFailed") &&
      (reason.code === "ECONNRESET" || reason.code === "EPIPE")

export const make = <E, R>(channel: MessageChannel.Client, login: Login<E, R>, rules: Rules): ClientExchange<E, R> => {
  const notices: Array<Backend.NoticeResponse> = []
  let received = 0
  let sent = ""

  const closed = Effect.suspend(() => Effect.fail(AuthError.fromReason(new AuthError.ServerClosed({ after: sent }))))

  const next = Effect.catchTag(
    channel.receive,
    "TransportError",
    (error): Effect.Effect<never, Failure> => isDisconnect(error) ? closed : Effect.fail(error)
  )

  const receive: Effect.Effect<ServerMessage, Failure> = Effect.flatMap(next, (message) => {
    if (++received > messageLimit) return unexpected(message, `ReadyForQuery within ${messageLimit} messages`)
    switch (message._tag) {
      case "NoticeResponse":
        notices.push(message)
        return receive
      case "ErrorResponse":
        return Effect.fail(AuthError.fromErrorResponse(message, login.user, login.database ?? login.user))
      default:
        return Effect.succeed(message)
    }
  })

  return {
    channel,
    login,
    ...rules,
    notices,
    receive,
    send: (message) =>
      Effect.suspend(() => {
        sent = message._tag
        return Effect.catchTag(
          channel.send(message),
          "TransportError",
          // A server that disconnected may have sent the reason before, which only arrived after the failed write.
          (error): Effect.Effect<never, Failure> =>
            isDisconnect(error) ? Effect.andThen(receive, closed) : Effect.fail(error)
        )
      }),
    password: (method) =>
      Effect.suspend((): Effect.Effect<Redacted.Redacted<string>, AuthError.AuthError | E, R> => {
        const { password, user } = login
        const missing = Effect.failSync(() => AuthError.fromReason(new AuthError.PasswordMissing({ user, method })))
        if (password === undefined) return missing
        const unusable = () => AuthError.fromReason(new AuthError.PasswordInvalid({ problem: AuthError.noSecret }))
        // An empty password is treated as missing, as in libpq: no server accepts it.
        return Effect.flatMap(
          Secret.fetch(password, unusable),
          (password) => Redacted.value(password) === "" ? missing : Password.check(password)
        )
      })
  }
}
