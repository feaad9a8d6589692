/**
 * How a connection opens: the packets without a tag.
 *
 * A client may ask for encryption before it says who it is, or may have come only to cancel somebody's query.
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
import type { Login } from "./Login.ts"
import * as ProtocolVersion from "./ProtocolVersion.ts"

/**
 * Who wants in, and what the session shall be like.
 *
 * @category models
 * @since 0.1.0
 */
export interface Startup {
  /** Major and minor version, such as 3 and 0. */
  readonly version: readonly [major: number, minor: number]
  /** Empty when the client did not say. */
  readonly user: string
  /** As the client named it; the user's name when it did not. */
  readonly database: string
  /** Every parameter, `user` and `database` included. The last one counts when a name comes twice. */
  readonly parameters: ReadonlyMap<string, string>
}

const yes = Uint8Array.of(0x53)
const no = Uint8Array.of(0x4e)

const violation = (messageName: string, wanted: string, found: string) =>
  Effect.fail(
    new ProtocolError.ProtocolError({
      reason: ProtocolError.reason("MessageUnexpected", messageName, "", 0, wanted, found)
    })
  )

/**
 * Receives the packets up to the StartupMessage or CancelRequest, and answers the requests for encryption among them.
 *
 * **Details**
 *
 * GSSENCRequest gets a no. So does SSLRequest, unless `acceptTls` is there: then it gets a yes, and `acceptTls` secures the
 * line, for example with `line.acceptTls(options)`. Each may come once. Bytes that came in clear text behind an
 * SSLRequest would be taken for something that was said under TLS, so they end the attempt (CVE-2021-23222).
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
    const packet = yield* channel.receive
    if (packet._tag === "StartupMessage" || packet._tag === "CancelRequest") return packet
    if ((packet._tag !== "SSLRequest" && packet._tag !== "GSSENCRequest") || seen.has(packet._tag)) {
      return yield* violation(packet._tag, "a StartupMessage", packet._tag)
    }
    seen.add(packet._tag)
    if (packet._tag === "GSSENCRequest" || acceptTls === undefined) {
      yield* channel.connection.write(no)
    } else {
      const early = channel.release().reduce((sum, chunk) => sum + chunk.length, 0)
      if (early > 0) return yield* violation(packet._tag, "nothing behind it", `${early} bytes`)
      yield* channel.connection.write(yes)
      yield* acceptTls
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

const invalid = (messageName: string, field: string, wanted: string, found: string) =>
  Effect.fail(
    new ProtocolError.ProtocolError({
      reason: ProtocolError.reason("ValueInvalid", messageName, field, 0, wanted, found)
    })
  )

/**
 * The StartupMessage of a log-in.
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
 * What a server has made of a log-in's wishes.
 *
 * @category models
 * @since 0.1.0
 */
export interface Negotiated {
  readonly protocolVersion: ProtocolVersion.ProtocolVersion
  /** The options of the protocol that it does not know. */
  readonly unrecognizedOptions: ReadonlyArray<string>
}

/**
 * What comes of a NegotiateProtocolVersion, if it is an answer to the log-in.
 *
 * **Details**
 *
 * As in libpq, the server must have something to say: an older version than was asked for, though not older than 3.0,
 * or options among those that were asked for. A version that the log-in does not accept is a `VersionUnsupported`.
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
