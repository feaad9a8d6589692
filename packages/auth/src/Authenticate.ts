/**
 * Login for clients and servers, as specified in the protocol chapter "Start-up".
 *
 * A login starts after TLS negotiation and ends with the first ReadyForQuery. It has no time limit and owns no
 * resources: apply a timeout, and close the connection if it fails, since the state of the server is then unknown.
 * Create the channel with `longLimit: `{@link messageLimit}, so that an unauthenticated peer cannot make the program
 * buffer more.
 *
 * Not included: client certificates, which TLS handles; the token formats of GSSAPI and SSPI, for which the login needs
 * a provider; the obsolete Kerberos V5, which fails with an error that names it.
 *
 * @since 0.1.0
 */
import type * as Backend from "@hyperfect/protocol/Backend"
import type * as Frontend from "@hyperfect/protocol/Frontend"
import type * as MessageChannel from "@hyperfect/transport/MessageChannel"
import * as TransportError from "@hyperfect/transport/TransportError"
import * as Digest from "effect/crypto/Digest"
import * as Kdf from "effect/crypto/Kdf"
import * as Mac from "effect/crypto/Mac"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Account } from "./Account.ts"
import { type AuthError, ChannelBindingUnavailable, fromReason } from "./AuthError.ts"
import * as ChannelBinding from "./ChannelBinding.ts"
import {
  type ClientExchange,
  type Failure,
  invalid,
  make as makeClientExchange,
  unexpected
} from "./internal/clientExchange.ts"
import { firstCertificate } from "./internal/pem.ts"
import { selectMechanism } from "./internal/selectMechanism.ts"
import { make as makeServerExchange, type ServerExchange } from "./internal/serverExchange.ts"
import type { Login } from "./Login.ts"
import { mechanisms } from "./mechanisms/table.ts"
import { isBindingRequired, type Method, permit, permitIterations, type Policy } from "./Policy.ts"
import * as ProtocolVersion from "./ProtocolVersion.ts"
import * as Startup from "./Startup.ts"

/**
 * The cryptographic services that a login may need.
 *
 * @category services
 * @since 0.1.0
 */
export type Services = Digest.Digest | Kdf.Kdf | Mac.Mac | SecureRandom.SecureRandom

/**
 * The runtime's cryptography through WebCrypto, available in Node, Deno, Bun and browsers.
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
 * The longest message accepted during login, in bytes: libpq's limit for errors.
 *
 * @category constants
 * @since 0.1.0
 */
export const messageLimit = 30_000

/**
 * The default time limit of a client's login: PostgreSQL's `authentication_timeout`.
 *
 * @internal
 */
export const defaultTimeout: Duration.Duration = Duration.seconds(60)

/**
 * An open session.
 *
 * @category models
 * @since 0.1.0
 */
export interface Session extends Startup.Negotiated {
  readonly method: Method
  /** True if the login was bound to the TLS session. */
  readonly channelBound: boolean
  /** The settings that the server reported, in the order received. */
  readonly parameters: ReadonlyMap<string, string>
  /** The key for cancelling a query of this session; 0 is a valid process id. */
  readonly key: Backend.BackendKeyData | undefined
  readonly status: Backend.ReadyForQuery["status"]
  readonly notices: ReadonlyArray<Backend.NoticeResponse>
}

/** The length of cancellation keys in bytes: in version 3.0, and of the keys generated here for later versions. */
const secretKeySize30 = 4
const secretKeySize32 = 32

/** Keys are longer than four bytes since version 3.2 only (protocol, BackendKeyData). */
const checkSecretKey = ({ secretKey }: Backend.BackendKeyData, version: ProtocolVersion.ProtocolVersion) =>
  version === "3.0" && secretKey.length !== secretKeySize30
    ? invalid("BackendKeyData", "secretKey", `${secretKeySize30} bytes in version 3.0`, `${secretKey.length} bytes`)
    : Effect.void

/** Collects the session properties that the server reports until it is ready. */
const receiveUntilReady = Effect.fnUntraced(function*<E, R>(
  exchange: ClientExchange<E, R>,
  version: ProtocolVersion.ProtocolVersion
) {
  const parameters = new Map<string, string>()
  let key: Backend.BackendKeyData | undefined
  while (true) {
    const message = yield* exchange.receive
    switch (message._tag) {
      case "ParameterStatus":
        parameters.set(message.name, message.value)
        break
      case "BackendKeyData":
        yield* checkSecretKey(message, version)
        // Copied, because the chunk that contains it would otherwise be kept as long as the session.
        key = { ...message, secretKey: message.secretKey.slice() }
        break
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
 * Sends the StartupMessage, authenticates the user with the method that the server requests, and returns when the
 * server is ready. It requests the newest protocol version that the login accepts, and accepts an older one within the
 * login's range. A method that the policy does not allow, and an invalid SCRAM challenge, fail before the password is
 * requested. After SCRAM the server has proved that it knows the password too.
 *
 * A failure of the effect that fetches the password is passed on unchanged.
 *
 * **Gotchas**
 *
 * After a failure the connection is unusable but still open: its scope should end with the attempt.
 *
 * **Example** (Both ends of a login)
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
 *   const { client, server } = yield* InMemory.pair()
 *   const account = Account.scramSha256(yield* ScramVerifier.make(password))
 *   const served = yield* Effect.forkChild(
 *     Authenticate.server(MessageChannel.server(server), {
 *       account: ({ user }) => Effect.succeed(user === "app" ? account : undefined),
 *       parameters: { server_version: "18.0" }
 *     })
 *   )
 *   const channel = MessageChannel.client(client, { longLimit: Authenticate.messageLimit })
 *   const session = yield* Authenticate.client(channel, { user: "app", password }, { methods: ["scram-sha-256"] })
 *   yield* Fiber.join(served)
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
): Effect.fn.Return<Session, Failure | E, Services | R> {
  if (isBindingRequired(policy) && channel.connection.tls() === undefined) {
    return yield* fromReason(new ChannelBindingUnavailable({ problem: "no-tls" }))
  }
  const exchange = makeClientExchange(channel, login, {
    isBindingAllowed: policy.channelBinding !== "disable",
    permitIterations: (iterations) => permitIterations(policy, iterations)
  })
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

  const { isBound = false, method, run } = yield* selectMechanism(exchange, request, policy)
  yield* permit(policy, method, channel.connection, isBound)
  yield* run
  const session = yield* receiveUntilReady(exchange, negotiated.protocolVersion)
  return { method, channelBound: isBound, ...session, ...negotiated, notices: exchange.notices }
})

/**
 * The key for cancelling a query of a session.
 *
 * @category models
 * @since 0.1.0
 */
export type Key = Omit<Backend.BackendKeyData, "_tag">

/**
 * Options of a server's login.
 *
 * @category models
 * @since 0.1.0
 */
export interface ServerOptions<out E = never, out R = never> {
  /** Looks up a user; `undefined` if the user is unknown. */
  readonly account: (startup: Startup.Startup) => Effect.Effect<Account | undefined, E, R>
  /** The settings to report, such as `server_version`. */
  readonly parameters?:
    | Readonly<Record<string, string>>
    | ((startup: Startup.Startup) => Readonly<Record<string, string>>)
    | undefined
  /** The newest supported protocol version. Defaults to the latest. Hyper's dialect supports 3.0 only. */
  readonly maxProtocolVersion?: ProtocolVersion.ProtocolVersion | undefined
  /**
   * The key for cancelling a query of the session. Defaults to a random one. In version 3.0 its secret must be four
   * bytes, in later versions it may be up to 256.
   */
  readonly key?: Key | ((version: ProtocolVersion.ProtocolVersion) => Key) | undefined
  /** The server whose SQLSTATEs and texts are used to reject a client. Defaults to PostgreSQL. */
  readonly dialect?: "postgres" | "hyper" | undefined
  /** Upgrades the connection if the client requests TLS. If absent, TLS is declined. */
  readonly acceptTls?: Effect.Effect<unknown, TransportError.TransportError> | undefined
  /**
   * The certificate that `acceptTls` presents, in PEM (the first of a chain). If given, SCRAM-SHA-256-PLUS is offered
   * on connections with TLS, unless the certificate's signature algorithm has no hash for channel binding.
   */
  readonly certificate?: string | undefined
  /** The time limit of the whole login. Defaults to 60 seconds, as in PostgreSQL. */
  readonly timeout?: Duration.Input | undefined
}

/**
 * A client that was admitted.
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

/** Returns the channel binding data of the connection. */
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

/** Requests the proof that an account requires. */
const authenticateClient = Effect.fnUntraced(function*(
  exchange: ServerExchange,
  account: Account | undefined,
  endPoint: Uint8Array | undefined
): Effect.fn.Return<Method, Failure, Services> {
  if (account === undefined) return yield* exchange.reject
  // Only a mechanism of the table admits the client. Accounts may come from a database or an untyped program.
  for (const mechanism of mechanisms) {
    const verify = mechanism.server(exchange, account, endPoint)
    if (verify !== undefined) return yield* Effect.as(verify, mechanism.name)
  }
  const method = JSON.stringify(account.method) ?? "undefined"
  return yield* exchange.refuse(
    "28000",
    `there is no authentication method ${method} for user "${exchange.startup.user}"`
  )
})

const randomKey = Effect.fnUntraced(function*(version: ProtocolVersion.ProtocolVersion) {
  const random = yield* SecureRandom.SecureRandom
  return {
    processId: yield* random.intBetween(1, 0x7fffffff),
    secretKey: yield* random.randomBytes(version === "3.0" ? secretKeySize30 : secretKeySize32)
  }
})

/** Negotiates a version with the client, and informs it if the version differs from the requested one. */
const negotiateVersion = Effect.fnUntraced(function*(
  exchange: ServerExchange,
  { dialect, maxProtocolVersion = ProtocolVersion.latest }: ServerOptions<unknown, unknown>
): Effect.fn.Return<ProtocolVersion.ProtocolVersion, Failure> {
  const { parameters, version: [major, minor] } = exchange.startup
  const asked = major * 0x10000 + minor
  if (dialect === "hyper") {
    // Hyper ignores options, and disconnects without an error on any other version (H-01).
    return asked === ProtocolVersion.toNumber("3.0") ? "3.0" : yield* exchange.unsupportedVersion
  }
  if (major !== 3) {
    return yield* exchange.refuse("0A000", Startup.unsupportedVersion(`${major}.${minor}`, maxProtocolVersion))
  }
  const newest = ProtocolVersion.toNumber(maxProtocolVersion)
  const version = asked >= newest ? maxProtocolVersion : "3.0"
  const unrecognizedOptions = Array.from(parameters.keys()).filter((name) => name.startsWith("_pq_."))
  // Version 3.1 never existed (protocol, "Protocol Versions"), but PostgreSQL handles it as an older version than its
  // own, and so as 3.0.
  const newestVersion = Math.min(asked, newest)
  if (newestVersion !== asked || unrecognizedOptions.length > 0) {
    yield* exchange.send({ _tag: "NegotiateProtocolVersion", newestVersion, unrecognizedOptions })
  }
  return version
})

/**
 * Accepts a client: the server's side of the login.
 *
 * **When to use**
 *
 * Use it in test servers and proxies.
 *
 * **Details**
 *
 * It answers encryption requests, authenticates the client according to its account, and reports that the session is
 * ready. A client that only cancels a query is returned as the CancelRequest that it sent; such a connection is closed
 * without an answer. A newer minor version of the protocol is negotiated down to the newest supported one.
 *
 * A rejected client receives an error, and the effect fails with the same `Rejected`. An unexpected message is answered
 * with 08P01 and fails with a `ProtocolError`. An account whose method is not one of `Account` is rejected (28000), and
 * so is an empty password, as in PostgreSQL. The caller must close the connection.
 *
 * An unauthenticated client can occupy few resources: the channel accepts only login messages, with PostgreSQL's
 * limits. A client that has not logged in within 60 seconds (`timeout`), counted from the start of the login, fails
 * with a `TransportError` of reason `Unresponsive` and receives no error message.
 *
 * **Gotchas**
 *
 * Unknown users are rejected before authentication, as Hyper does, so a client can distinguish them from known users.
 *
 * @category running
 * @since 0.1.0
 */
export const server = <E = never, R = never>(
  channel: MessageChannel.Server,
  options: ServerOptions<E, R>
): Effect.Effect<Client | Frontend.CancelRequest, Failure | E, Services | R> => {
  const duration = Duration.fromInputUnsafe(options.timeout ?? defaultTimeout)
  const late = new TransportError.Unresponsive({ wanted: "login", milliseconds: Duration.toMillis(duration) })
  return Effect.timeoutOrElse(logIn(channel, options), {
    duration,
    orElse: () => Effect.fail(TransportError.fromReason(late))
  })
}

const logIn = Effect.fnUntraced(function*<E, R>(
  channel: MessageChannel.Server,
  options: ServerOptions<E, R>
): Effect.fn.Return<Client | Frontend.CancelRequest, Failure | E, Services | R> {
  const packet = yield* Startup.receive(channel, options.acceptTls)
  if (packet._tag === "CancelRequest") return packet

  const startup = Startup.fromMessage(packet)
  const exchange = makeServerExchange(channel, startup, options.dialect ?? "postgres")
  const protocolVersion = yield* negotiateVersion(exchange, options)
  if (startup.user === "") return yield* exchange.refuse("28000", "no PostgreSQL user name specified in startup packet")

  const endPoint = yield* endPointOf(channel, options.certificate)
  const method = yield* authenticateClient(exchange, yield* options.account(startup), endPoint)
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
