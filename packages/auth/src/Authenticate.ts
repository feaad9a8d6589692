/**
 * The log-in, as the protocol chapter "Start-up" tells it, for both ends of a connection.
 *
 * A log-in begins behind the negotiation of TLS and ends with the first ReadyForQuery. It has no time limit of its own
 * and owns nothing: put a timeout around it, and close the connection when it fails, since what the server does next is
 * not known. The channel should be made with `longLimit: `{@link messageLimit}, so that nobody who has not said who he is
 * can make us hold more.
 *
 * Not here: client certificates, which TLS takes care of; what GSSAPI and SSPI do with their tokens, for which the log-in
 * needs a provider; Kerberos V5 of old, which is refused by name.
 *
 * @since 0.1.0
 */
import type * as Backend from "@hyperfect/protocol/Backend"
import type * as Frontend from "@hyperfect/protocol/Frontend"
import * as ProtocolError from "@hyperfect/protocol/ProtocolError"
import type * as MessageChannel from "@hyperfect/transport/MessageChannel"
import type * as TransportError from "@hyperfect/transport/TransportError"
import * as Digest from "effect/crypto/Digest"
import * as Kdf from "effect/crypto/Kdf"
import * as Mac from "effect/crypto/Mac"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Account } from "./Account.ts"
import { type AuthError, ChannelBindingUnavailable, fromReason, MethodUnsupported } from "./AuthError.ts"
import * as ChannelBinding from "./ChannelBinding.ts"
import * as Cleartext from "./Cleartext.ts"
import * as Gss from "./Gss.ts"
import {
  accepted,
  type ClientExchange,
  type Failure,
  make as makeClientExchange,
  type Step,
  unexpected
} from "./internal/clientExchange.ts"
import { firstCertificate } from "./internal/pem.ts"
import * as SaslMechanism from "./internal/saslMechanism.ts"
import { make as makeServerExchange, type ServerExchange } from "./internal/serverExchange.ts"
import type { Login } from "./Login.ts"
import * as Md5 from "./Md5.ts"
import * as OAuthBearer from "./OAuthBearer.ts"
import { type Method, permit, type Policy } from "./Policy.ts"
import * as ProtocolVersion from "./ProtocolVersion.ts"
import * as ScramSha256 from "./ScramSha256.ts"
import * as Startup from "./Startup.ts"

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
export interface Session extends Startup.Negotiated {
  readonly method: Method
  /** Whether the log-in was bound to the TLS session. */
  readonly channelBound: boolean
  /** The settings that the server reported, in the order in which it did. */
  readonly parameters: ReadonlyMap<string, string>
  /** What cancels a query of this session; 0 is an ordinary process id. */
  readonly key: Backend.BackendKeyData | undefined
  readonly status: Backend.ReadyForQuery["status"]
  readonly notices: ReadonlyArray<Backend.NoticeResponse>
}

/** How long the keys of cancel requests are, in bytes, in version 3.0, and those that we make, in later ones. */
const shortKey = 4
const longKey = 32

const unsupported = (...offered: ReadonlyArray<string>) => Effect.fail(fromReason(new MethodUnsupported({ offered })))

interface Proven extends Pick<Session, "method" | "channelBound"> {}

/** Answers the server's request for authentication, up to and with its AuthenticationOk. */
const prove = Effect.fnUntraced(function*<E, R>(
  exchange: ClientExchange<E, R>,
  request: Step
): Effect.fn.Return<Proven, Failure | E, Services | R> {
  const allow = (method: Method, isBound?: boolean) =>
    permit(exchange.policy, method, exchange.channel.connection, isBound)
  switch (request._tag) {
    case "AuthenticationOk": {
      yield* allow("trust")
      return { method: "trust", channelBound: false }
    }
    case "AuthenticationCleartextPassword": {
      yield* allow("password")
      yield* Cleartext.client(exchange)
      yield* accepted(exchange)
      return { method: "password", channelBound: false }
    }
    case "AuthenticationMD5Password": {
      yield* allow("md5")
      yield* Md5.client(exchange, request)
      yield* accepted(exchange)
      return { method: "md5", channelBound: false }
    }
    case "AuthenticationSASL": {
      const mechanism = yield* SaslMechanism.choose(exchange, request.mechanisms)
      if (mechanism.method === "oauth") {
        yield* allow("oauth")
        yield* OAuthBearer.client(exchange)
        return { method: "oauth", channelBound: false }
      }
      const channelBound = mechanism.binding.endPoint !== undefined
      yield* allow("scram-sha-256", channelBound)
      yield* ScramSha256.client(exchange, mechanism.binding)
      yield* accepted(exchange)
      return { method: "scram-sha-256", channelBound }
    }
    case "AuthenticationGSS":
    case "AuthenticationSSPI": {
      const method = request._tag === "AuthenticationGSS" ? "gss" : "sspi"
      yield* allow(method)
      yield* Gss.client(exchange, method)
      return { method, channelBound: false }
    }
    case "AuthenticationKerberosV5":
      return yield* unsupported("kerberos")
    default:
      return yield* unexpected(request, "a request for authentication")
  }
})

/** A program that has only ever met version 3.0 would not know what to do with a longer key. */
const checkKey = ({ secretKey }: Backend.BackendKeyData, version: ProtocolVersion.ProtocolVersion) =>
  version === "3.0" && secretKey.length !== shortKey
    ? Effect.fail(
      new ProtocolError.ProtocolError({
        reason: ProtocolError.reason(
          "ValueInvalid",
          "BackendKeyData",
          "secretKey",
          0,
          `${shortKey} bytes in version 3.0`,
          `${secretKey.length} bytes`
        )
      })
    )
    : Effect.void

/** Collects what the server tells about the session until it is ready. */
const opened = Effect.fnUntraced(function*<E, R>(
  exchange: ClientExchange<E, R>,
  version: ProtocolVersion.ProtocolVersion
) {
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
        yield* checkKey(message, version)
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
 * It sends the StartupMessage, proves who the user is in the way that the server asks for, and returns when the server is
 * ready. The newest version of the protocol that the log-in accepts is asked for, and an older one taken if the log-in
 * accepts that, too. A method that the policy does not allow fails before the password is asked for; so does a SCRAM
 * challenge that is not what it should be. After SCRAM the server has proved that it knows the password too.
 *
 * A failure of the program that fetches the password is passed on as it is.
 *
 * **Gotchas**
 *
 * The connection is of no use after a failure, and still open: its scope should end with the attempt.
 *
 * **Example** (Both ends of a log-in)
 *
 * ```ts
 * import { Account, Authenticate, ScramVerifier } from "@hyperfect/auth"
 * import { InMemory, MessageChannel } from "@hyperfect/transport"
 * import { Effect, Fiber, Redacted } from "effect"
 * import { strict as assert } from "node:assert"
 *
 * const password = Redacted.make("s3cret")
 *
 * const program = Effect.gen(function*() {
 *   const line = yield* InMemory.pair()
 *   const account = Account.scramSha256(yield* ScramVerifier.make(password))
 *   const server = yield* Effect.forkChild(
 *     Authenticate.server(MessageChannel.server(line.server), {
 *       account: ({ user }) => Effect.succeed(user === "app" ? account : undefined),
 *       parameters: { server_version: "18.0" }
 *     })
 *   )
 *   const channel = MessageChannel.client(line.client, { longLimit: Authenticate.messageLimit })
 *   const session = yield* Authenticate.client(channel, { user: "app", password }, { methods: ["scram-sha-256"] })
 *   yield* Fiber.join(server)
 *   return [session.method, session.parameters.get("server_version")]
 * }).pipe(Effect.scoped, Effect.provide(Authenticate.layerCrypto))
 *
 * assert.deepEqual(await Effect.runPromise(program), ["scram-sha-256", "18.0"])
 * ```
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
  if (policy.channelBinding === "require" && channel.connection.tls() === undefined) {
    return yield* fromReason(new ChannelBindingUnavailable({ problem: "no-tls" }))
  }
  const exchange = makeClientExchange(channel, login, policy)
  yield* exchange.send(yield* Startup.toMessage(login))

  let request = yield* exchange.receive
  let negotiated: Startup.Negotiated = {
    protocolVersion: ProtocolVersion.limits(login).max,
    unrecognizedOptions: []
  }
  if (request._tag === "NegotiateProtocolVersion") {
    negotiated = yield* Startup.negotiate(request, login)
    request = yield* exchange.receive
  }

  const proven = yield* prove(exchange, request)
  const session = yield* opened(exchange, negotiated.protocolVersion)
  return { ...proven, ...session, ...negotiated, notices: exchange.notices }
})

/**
 * What cancels a query of a session.
 *
 * @category models
 * @since 0.1.0
 */
export interface Key {
  readonly processId: number
  readonly secretKey: Uint8Array
}

/**
 * How a server receives clients.
 *
 * @category models
 * @since 0.1.0
 */
export interface ServerOptions<out E = never, out R = never> {
  /** What is known of a user who wants in; `undefined` for a stranger. */
  readonly account: (startup: Startup.Startup) => Effect.Effect<Account | undefined, E, R>
  /** The settings to report, such as `server_version`. */
  readonly parameters?:
    | Readonly<Record<string, string>>
    | ((startup: Startup.Startup) => Readonly<Record<string, string>>)
    | undefined
  /** The newest version of the protocol that is spoken; the latest when absent. Hyper's dialect speaks 3.0 only. */
  readonly maxProtocolVersion?: ProtocolVersion.ProtocolVersion | undefined
  /**
   * What will cancel a query of the session; a random one when absent. In version 3.0 its secret must be four bytes, in
   * later ones it may be up to 256.
   */
  readonly key?: Key | ((version: ProtocolVersion.ProtocolVersion) => Key) | undefined
  /** Whose SQLSTATEs and texts refuse a client; PostgreSQL's when absent. */
  readonly dialect?: "postgres" | "hyper" | undefined
  /** Secures the line when the client asks for it; TLS is refused when absent. */
  readonly acceptTls?: Effect.Effect<unknown, TransportError.TransportError> | undefined
  /**
   * The certificate that `acceptTls` shows, in PEM (the first of a chain). With it SCRAM-SHA-256-PLUS is offered on lines
   * with TLS, unless it is signed in a way that has no hash for that.
   */
  readonly certificate?: string | undefined
}

/**
 * A client that was let in.
 *
 * @category models
 * @since 0.1.0
 */
export interface Client {
  readonly _tag: "Client"
  readonly startup: Startup.Startup
  readonly protocolVersion: ProtocolVersion.ProtocolVersion
  readonly method: Method
  readonly key: Backend.BackendKeyData
}

/** What a client can bind its log-in to. */
const endPointOf = (
  channel: MessageChannel.Server,
  certificate: string | undefined
): Effect.Effect<Uint8Array | undefined, AuthError, Digest.Digest> =>
  certificate === undefined || channel.connection.tls() === undefined
    ? Effect.succeed(undefined)
    : Effect.catchReason(
      Effect.flatMap(firstCertificate(certificate), ChannelBinding.endPoint),
      "AuthError",
      "ChannelBindingUnavailable",
      (reason) => reason.problem === "no-hash" ? Effect.succeed(undefined) : Effect.fail(fromReason(reason))
    )

/** Asks for the proof that an account calls for. */
const demand = Effect.fnUntraced(function*(
  exchange: ServerExchange,
  account: Account | undefined,
  endPoint: Uint8Array | undefined
): Effect.fn.Return<Method, Failure, Services> {
  if (account === undefined) return yield* exchange.reject
  switch (account.method) {
    case "trust":
      break
    case "password": {
      yield* Cleartext.server(exchange, account.password)
      break
    }
    case "md5": {
      yield* Md5.server(exchange, account.password)
      break
    }
    case "scram-sha-256": {
      yield* ScramSha256.server(exchange, account.verifier, endPoint)
      break
    }
    case "oauth": {
      yield* OAuthBearer.server(exchange, account)
      break
    }
  }
  return account.method
})

const randomKey = Effect.fnUntraced(function*(version: ProtocolVersion.ProtocolVersion) {
  const random = yield* SecureRandom.SecureRandom
  return {
    processId: yield* random.intBetween(1, 0x7fffffff),
    secretKey: yield* random.randomBytes(version === "3.0" ? shortKey : longKey)
  }
})

/** Agrees with the client on a version, and tells it if it is not the one that it has asked for. */
const agree = Effect.fnUntraced(function*(
  exchange: ServerExchange,
  { dialect, maxProtocolVersion = ProtocolVersion.latest }: ServerOptions<unknown, unknown>
): Effect.fn.Return<ProtocolVersion.ProtocolVersion, Failure> {
  const { parameters, version: [major, minor] } = exchange.startup
  const asked = major * 0x10000 + minor
  if (dialect === "hyper") {
    // Measured: Hyper passes over options, and hangs up without a word on any other version.
    return asked === ProtocolVersion.toNumber("3.0") ? "3.0" : yield* exchange.hangUp
  }
  if (major !== 3) return yield* exchange.refuse("0A000", `unsupported frontend protocol ${major}.${minor}`)
  const version = asked >= ProtocolVersion.toNumber(maxProtocolVersion) ? maxProtocolVersion : "3.0"
  const unrecognizedOptions = Array.from(parameters.keys()).filter((name) => name.startsWith("_pq_."))
  const newestVersion = ProtocolVersion.toNumber(version)
  if (newestVersion !== asked || unrecognizedOptions.length > 0) {
    yield* exchange.send({ _tag: "NegotiateProtocolVersion", newestVersion, unrecognizedOptions })
  }
  return version
})

/**
 * Receives a client: the server's half of the log-in.
 *
 * **When to use**
 *
 * Use in servers for tests and in proxies.
 *
 * **Details**
 *
 * It answers requests for encryption, asks for what the account calls for, and says that the session is ready. A client
 * that only came to cancel a query is reported as the CancelRequest that it sent; such a connection is closed without an
 * answer. A newer minor version of the protocol is negotiated down to the newest one that is spoken.
 *
 * Whoever is refused is told so, and the effect fails with the same `Rejected`. A message out of place is answered with
 * 08P01 and is a `ProtocolError`. The connection is the caller's to close.
 *
 * **Gotchas**
 *
 * A stranger is refused before a proof is asked for, as Hyper does it, so strangers can be told from users.
 *
 * @category running
 * @since 0.1.0
 */
export const server = Effect.fnUntraced(function*<E = never, R = never>(
  channel: MessageChannel.Server,
  options: ServerOptions<E, R>
): Effect.fn.Return<Client | Frontend.CancelRequest, Failure | E, Services | R> {
  const packet = yield* Startup.receive(channel, options.acceptTls)
  if (packet._tag === "CancelRequest") return packet

  const startup = Startup.fromMessage(packet)
  const exchange = makeServerExchange(channel, startup, options.dialect ?? "postgres")
  const protocolVersion = yield* agree(exchange, options)
  if (startup.user === "") return yield* exchange.refuse("28000", "no user name was given")

  const endPoint = yield* endPointOf(channel, options.certificate)
  const method = yield* demand(exchange, yield* options.account(startup), endPoint)
  const wanted = typeof options.key === "function" ? options.key(protocolVersion) : options.key
  const key = { _tag: "BackendKeyData", ...wanted ?? (yield* randomKey(protocolVersion)) } as const
  const { parameters = {} } = options
  yield* channel.send(
    { _tag: "AuthenticationOk" },
    ...Object.entries(typeof parameters === "function" ? parameters(startup) : parameters).map(([name, value]) =>
      ({ _tag: "ParameterStatus", name, value }) as const
    ),
    key,
    { _tag: "ReadyForQuery", status: "I" }
  )
  return { _tag: "Client", startup, protocolVersion, method, key }
})
