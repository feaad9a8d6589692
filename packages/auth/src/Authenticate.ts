/**
 * The log-in, as the protocol chapter "Start-up" tells it, for both ends of a connection.
 *
 * A log-in begins behind the negotiation of TLS and ends with the first ReadyForQuery. It has no time limit of its own
 * and owns nothing: put a timeout around it, and close the connection when it fails, since what the server does next is
 * not known. The channel should be made with `longLimit: `{@link messageLimit}, so that nobody who has not said who he is
 * can make us hold more.
 *
 * Not here: client certificates, which TLS takes care of; GSSAPI, SSPI and Kerberos, which are refused by name; channel
 * binding.
 *
 * @since 0.1.0
 */
import type * as Backend from "@hyperfect/protocol/Backend"
import { protocolVersion30, type StartupMessage } from "@hyperfect/protocol/frontend/StartupMessage"
import * as ProtocolError from "@hyperfect/protocol/ProtocolError"
import type * as MessageChannel from "@hyperfect/transport/MessageChannel"
import type * as TransportError from "@hyperfect/transport/TransportError"
import * as Digest from "effect/crypto/Digest"
import * as Kdf from "effect/crypto/Kdf"
import * as Mac from "effect/crypto/Mac"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type AuthError, fromReason, MethodUnsupported } from "./AuthError.ts"
import * as Cleartext from "./Cleartext.ts"
import {
  type ClientExchange,
  type Failure,
  make as makeClientExchange,
  type Step,
  unexpected
} from "./internal/clientExchange.ts"
import type { Login } from "./Login.ts"
import * as Md5 from "./Md5.ts"
import { type Method, permit, type Policy } from "./Policy.ts"
import * as ScramMessage from "./ScramMessage.ts"
import * as ScramSha256 from "./ScramSha256.ts"

/**
 * The cryptography that a log-in may need.
 *
 * @category services
 * @since 0.1.0
 */
export type Services = Digest.Digest | Kdf.Kdf | Mac.Mac | SecureRandom.SecureRandom

/**
 * The cryptography of the runtime, by way of WebCrypto: Node, Deno, Bun and browsers have it.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerCrypto: Layer.Layer<Services> = Layer.mergeAll(
  Digest.layerWebCrypto,
  Kdf.layerWebCrypto,
  Layer.provideMerge(Mac.layerWebCrypto, SecureRandom.layerWebCrypto)
)

/**
 * The longest message that a log-in has a use for, in bytes: the limit that libpq sets for errors.
 *
 * @category constants
 * @since 0.1.0
 */
export const messageLimit = 30_000

/**
 * A session that is open.
 *
 * @category models
 * @since 0.1.0
 */
export interface Session {
  readonly method: Method
  /** The settings that the server reported, in the order in which it did. */
  readonly parameters: ReadonlyMap<string, string>
  /** What cancels a query of this session; 0 is an ordinary process id. */
  readonly key: Backend.BackendKeyData | undefined
  readonly status: Backend.ReadyForQuery["status"]
  readonly notices: ReadonlyArray<Backend.NoticeResponse>
  /** The options of the protocol (`_pq_.`) that were asked for and the server does not know. */
  readonly unrecognizedOptions: ReadonlyArray<string>
}

const invalid = (messageName: string, field: string, wanted: string, found: string) =>
  Effect.fail(
    new ProtocolError.ProtocolError({
      reason: ProtocolError.reason("ValueInvalid", messageName, field, 0, wanted, found)
    })
  )

const startupMessage = (login: Login<unknown, unknown>): Effect.Effect<StartupMessage, ProtocolError.ProtocolError> => {
  const { database, parameters = {}, user } = login
  for (const name of ["user", "database"]) {
    if (Object.hasOwn(parameters, name)) {
      return invalid("StartupMessage", "parameters", `${name} in its own place`, `${name} among the parameters`)
    }
  }
  return Effect.succeed({
    _tag: "StartupMessage",
    protocolVersion: protocolVersion30,
    parameters: [
      { name: "user", value: user },
      ...(database === undefined ? [] : [{ name: "database", value: database }]),
      ...Object.entries(parameters).map(([name, value]) => ({ name, value }))
    ]
  })
}

/** What the server does not know must be of version 3, and something that we have asked for. */
const unrecognizedOptions = (
  message: Backend.NegotiateProtocolVersion,
  login: Login<unknown, unknown>
): Effect.Effect<ReadonlyArray<string>, ProtocolError.ProtocolError> => {
  const major = message.newestVersion >>> 16
  const isAsked = (name: string) => name.startsWith("_pq_.") && Object.hasOwn(login.parameters ?? {}, name)
  if (major !== 0 && major !== 3) {
    return invalid("NegotiateProtocolVersion", "newestVersion", "version 3", `version ${major}`)
  }
  return message.unrecognizedOptions.every(isAsked)
    ? Effect.succeed(message.unrecognizedOptions)
    : invalid("NegotiateProtocolVersion", "unrecognizedOptions", "options that were asked for", "others")
}

const unsupported = (...offered: ReadonlyArray<string>) => Effect.fail(fromReason(new MethodUnsupported({ offered })))

/** Answers the server's request for authentication, up to but not including its AuthenticationOk. */
const prove = Effect.fnUntraced(function*<E, R>(
  exchange: ClientExchange<E, R>,
  request: Step
): Effect.fn.Return<Method, Failure | E, Services | R> {
  const allow = (method: Method) => permit(exchange.policy, method, exchange.channel.connection)
  switch (request._tag) {
    case "AuthenticationCleartextPassword": {
      yield* allow("password")
      yield* Cleartext.client(exchange)
      return "password"
    }
    case "AuthenticationMD5Password": {
      yield* allow("md5")
      yield* Md5.client(exchange, request)
      return "md5"
    }
    case "AuthenticationSASL": {
      if (!request.mechanisms.includes(ScramMessage.mechanism)) return yield* unsupported(...request.mechanisms)
      yield* allow("scram-sha-256")
      yield* ScramSha256.client(exchange)
      return "scram-sha-256"
    }
    case "AuthenticationGSS":
      return yield* unsupported("gss")
    case "AuthenticationSSPI":
      return yield* unsupported("sspi")
    case "AuthenticationKerberosV5":
      return yield* unsupported("kerberos")
    default:
      return yield* unexpected(request, "a request for authentication")
  }
})

/** Collects what the server tells about the session until it is ready. */
const opened = Effect.fnUntraced(function*<E, R>(exchange: ClientExchange<E, R>) {
  const parameters = new Map<string, string>()
  let key: Backend.BackendKeyData | undefined
  while (true) {
    const message = yield* exchange.receive
    switch (message._tag) {
      case "ParameterStatus": {
        parameters.set(message.name, message.value)
        break
      }
      case "BackendKeyData": {
        // A copy, for the chunk that it lies in would live as long as the session.
        key = { ...message, secretKey: message.secretKey.slice() }
        break
      }
      case "ReadyForQuery":
        return { parameters, key, status: message.status }
      default:
        return yield* unexpected(message, "ReadyForQuery")
    }
  }
})

/**
 * Logs a client in.
 *
 * **Details**
 *
 * It sends the StartupMessage (protocol 3.0), proves who the user is in the way that the server asks for, and returns when
 * the server is ready. A method that the policy does not allow fails before the password is asked for; so does a SCRAM
 * challenge that is not what it should be. After SCRAM the server has proved that it knows the password too.
 *
 * A failure of the program that fetches the password is passed on as it is.
 *
 * @category running
 * @since 0.1.0
 */
export const client = Effect.fnUntraced(function*<E = never, R = never>(
  channel: MessageChannel.Client,
  login: Login<E, R>,
  policy: Policy = {}
): Effect.fn.Return<
  Session,
  AuthError | ProtocolError.ProtocolError | TransportError.TransportError | E,
  Services | R
> {
  const exchange = makeClientExchange(channel, login, policy)
  yield* exchange.send(yield* startupMessage(login))

  let request = yield* exchange.receive
  let unknown: ReadonlyArray<string> = []
  if (request._tag === "NegotiateProtocolVersion") {
    unknown = yield* unrecognizedOptions(request, login)
    request = yield* exchange.receive
  }

  let method: Method = "trust"
  if (request._tag === "AuthenticationOk") {
    yield* permit(policy, "trust", channel.connection)
  } else {
    method = yield* prove(exchange, request)
    const end = yield* exchange.receive
    if (end._tag !== "AuthenticationOk") return yield* unexpected(end, "AuthenticationOk")
  }

  return { method, ...yield* opened(exchange), notices: exchange.notices, unrecognizedOptions: unknown }
})
