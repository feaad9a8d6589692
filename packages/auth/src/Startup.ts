/**
 * The start of a connection: the packets without a tag.
 *
 * A client may request encryption before it sends its user, or may only cancel the query of another session.
 *
 * @since 0.1.0
 */
import type * as Backend from "@hyperfect/protocol/Backend"
import { newestVersion } from "@hyperfect/protocol/backend/NegotiateProtocolVersion"
import type * as Frontend from "@hyperfect/protocol/Frontend"
import * as ProtocolError from "@hyperfect/protocol/ProtocolError"
import type * as MessageChannel from "@hyperfect/transport/MessageChannel"
import type * as TransportError from "@hyperfect/transport/TransportError"
import * as Effect from "effect/Effect"
import { type AuthError, fromReason, VersionUnsupported } from "./AuthError.ts"
import { invalid } from "./internal/clientExchange.ts"
import { end, errorResponse } from "./internal/refusal.ts"
import type { Login } from "./Login.ts"
import * as ProtocolVersion from "./ProtocolVersion.ts"

/**
 * The client's user, database and session parameters.
 *
 * @category models
 * @since 0.1.0
 */
export interface Startup {
  /** The major and minor version, such as 3 and 0. */
  readonly version: readonly [major: number, minor: number]
  /** Empty if the client did not send one. */
  readonly user: string
  /** The requested database; the user's name if the client did not send one. */
  readonly database: string
  /** Every parameter, including `user` and `database`. If a name occurs twice, the last value counts. */
  readonly parameters: ReadonlyMap<string, string>
}

const acceptByte = Uint8Array.of(0x53)
const rejectByte = Uint8Array.of(0x4e)

const violation = (messageName: string, wanted: string, found: string) =>
  ProtocolError.make("MessageUnexpected", messageName, "", 0, wanted, found)

/** PostgreSQL's name of each request, and the version number that it reports for a repeated one. */
const requests = {
  SSLRequest: { name: "SSL", version: "1234.5679" },
  GSSENCRequest: { name: "GSSAPI encryption", version: "1234.5680" }
} as const

/** @internal */
export const unsupportedVersion = (version: string, newest: ProtocolVersion.ProtocolVersion): string =>
  `unsupported frontend protocol ${version}: server supports 3.0 to ${newest}`

const attackDetail = "This could be either a client-software bug or evidence of an attempted man-in-the-middle attack."

const receivePacket = (channel: MessageChannel.Server) =>
  Effect.catchTag(channel.receive, "ProtocolError", (error) => {
    // As in PostgreSQL, other packets are not answered: their senders do not read messages.
    if (error.reason.messageName !== "StartupMessage") return Effect.fail(error)
    const last = error.reason._tag === "Utf8Invalid"
      ? errorResponse("postgres", "22021", "invalid byte sequence for encoding \"UTF8\"")
      : errorResponse("postgres", "08P01", "invalid startup packet layout: expected terminator as last byte")
    return end(channel, last, error)
  })

/**
 * Receives the packets up to the StartupMessage or CancelRequest, and answers encryption requests.
 *
 * **Details**
 *
 * GSSENCRequest is declined. SSLRequest is declined too, unless `acceptTls` is given: then it is accepted, and
 * `acceptTls` upgrades the connection, for example with `connection.acceptTls(options)`. Each may occur once, and
 * GSSENCRequest not under TLS. Bytes sent in clear text after a request would be mistaken for data received under
 * encryption, so they end the attempt (CVE-2021-23222).
 *
 * Invalid packets to which PostgreSQL 18 responds get the same response: bytes after a request and a StartupMessage
 * that cannot be decoded (08P01, 22021 if it is not UTF-8, which PostgreSQL would accept), and a request that is not
 * allowed (0A000). A packet that is too long or unknown is not answered.
 *
 * @category running
 * @since 0.1.0
 */
export const receive = Effect.fnUntraced(function*(
  channel: MessageChannel.Server,
  acceptTls?: Effect.Effect<unknown, TransportError.TransportError>
): Effect.fn.Return<
  Frontend.StartupMessage | Frontend.CancelRequest,
  ProtocolError.ProtocolError | TransportError.TransportError
> {
  const seen = new Set<string>()
  while (true) {
    const packet = yield* receivePacket(channel)
    if (packet._tag === "StartupMessage" || packet._tag === "CancelRequest") return packet
    const error = violation(packet._tag, "a StartupMessage", packet._tag)
    if (packet._tag !== "SSLRequest" && packet._tag !== "GSSENCRequest") return yield* error
    const { name, version } = requests[packet._tag]
    const isSecured = channel.connection.tls() !== undefined
    if (seen.has(packet._tag) || isSecured) {
      const text = unsupportedVersion(version, ProtocolVersion.latest)
      return yield* end(channel, errorResponse("postgres", "0A000", text), error)
    }
    seen.add(packet._tag)
    const early = channel.release().reduce((sum, chunk) => sum + chunk.length, 0)
    const injected = violation(packet._tag, "nothing behind it", `${early} bytes`)
    if (packet._tag === "SSLRequest" && acceptTls !== undefined) {
      // PostgreSQL reads them as part of the handshake, which fails without an answer.
      if (early > 0) return yield* injected
      yield* channel.connection.write(acceptByte)
      yield* acceptTls
    } else {
      yield* channel.connection.write(rejectByte)
      if (early === 0) continue
      const text = `received unencrypted data after ${name} request`
      return yield* end(channel, errorResponse("postgres", "08P01", text, attackDetail), injected)
    }
  }
})

/**
 * Reads a StartupMessage.
 *
 * @category converting
 * @since 0.1.0
 */
export const fromMessage = (message: Frontend.StartupMessage): Startup => {
  const parameters = new Map(message.parameters.map(({ name, value }) => [name, value]))
  const user = parameters.get("user") ?? ""
  return {
    version: [message.protocolVersion >>> 16, message.protocolVersion & 0xffff],
    user,
    database: parameters.get("database") ?? user,
    parameters
  }
}

/**
 * Creates the StartupMessage of a login.
 *
 * @category converting
 * @since 0.1.0
 */
export const toMessage = (
  login: Login<unknown, unknown>
): Effect.Effect<Frontend.StartupMessage, ProtocolError.ProtocolError> => {
  const { database, parameters = {}, user } = login
  for (const name of ["user", "database"]) {
    if (Object.hasOwn(parameters, name)) {
      return invalid("StartupMessage", "parameters", `${name} in its own place`, `${name} among the parameters`)
    }
  }
  const { max, min } = ProtocolVersion.limits(login)
  if (ProtocolVersion.toNumber(min) > ProtocolVersion.toNumber(max)) {
    return invalid("StartupMessage", "protocolVersion", `at least ${min}`, `at most ${max}`)
  }
  return Effect.succeed({
    _tag: "StartupMessage",
    protocolVersion: ProtocolVersion.toNumber(max),
    parameters: [
      { name: "user", value: user },
      ...(database === undefined ? [] : [{ name: "database", value: database }]),
      ...Object.entries(parameters).map(([name, value]) => ({ name, value }))
    ]
  })
}

/**
 * The outcome of the server's version negotiation.
 *
 * @category models
 * @since 0.1.0
 */
export interface Negotiated {
  readonly protocolVersion: ProtocolVersion.ProtocolVersion
  /** The protocol options that the server does not know. */
  readonly unrecognizedOptions: ReadonlyArray<string>
}

/**
 * Interprets a NegotiateProtocolVersion, if it is a valid answer to the login.
 *
 * **Details**
 *
 * As in libpq, the message must not be empty: it must name an older version than requested, but not older than 3.0, or
 * some of the requested options. A version that the login does not accept is a `VersionUnsupported`.
 *
 * @category converting
 * @since 0.1.0
 */
export const negotiate = (
  message: Backend.NegotiateProtocolVersion,
  login: Login<unknown, unknown>
): Effect.Effect<Negotiated, AuthError | ProtocolError.ProtocolError> => {
  const { max, min } = ProtocolVersion.limits(login)
  const { unrecognizedOptions } = message
  const number = newestVersion(message)
  const protocolVersion = ProtocolVersion.fromNumber(number)
  const wrong = (field: string, wanted: string, found: string) =>
    invalid("NegotiateProtocolVersion", field, wanted, found)
  if (protocolVersion === undefined || number > ProtocolVersion.toNumber(max)) {
    return wrong("newestVersion", `a version up to ${max}`, `${number >>> 16}.${number & 0xffff}`)
  }
  if (!unrecognizedOptions.every((name) => name.startsWith("_pq_.") && Object.hasOwn(login.parameters ?? {}, name))) {
    return wrong("unrecognizedOptions", "options that were asked for", "others")
  }
  if (protocolVersion === max && unrecognizedOptions.length === 0) {
    return wrong("", "something that the server cannot do", "nothing")
  }
  return number < ProtocolVersion.toNumber(min)
    ? Effect.fail(fromReason(new VersionUnsupported({ wanted: min, offered: protocolVersion })))
    : Effect.succeed({ protocolVersion, unrecognizedOptions })
}
