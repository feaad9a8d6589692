/**
 * From a configuration to a logged-in connection: the choice of server and encryption, by libpq's rules.
 *
 * @since 0.1.0
 */
import * as Authenticate from "@hyperfect/auth/Authenticate"
import * as AuthError from "@hyperfect/auth/AuthError"
import type * as GssProvider from "@hyperfect/auth/GssProvider"
import type * as Login from "@hyperfect/auth/Login"
import * as OAuthBearer from "@hyperfect/auth/mechanisms/OAuthBearer"
import type * as Policy from "@hyperfect/auth/Policy"
import * as Frontend from "@hyperfect/protocol/Frontend"
import type { Connection } from "@hyperfect/transport/Connection"
import * as Endpoint from "@hyperfect/transport/Endpoint"
import * as MessageChannel from "@hyperfect/transport/MessageChannel"
import { Transport } from "@hyperfect/transport/Transport"
import * as TransportError from "@hyperfect/transport/TransportError"
import { isArrayNonEmpty } from "effect/Array"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import { type Failure, NoServerFound, ServerUnsuitable } from "../../ConnectError.ts"
import { type ConnectionConfig, endpoints, type TargetSessionAttrs } from "../../ConnectionConfig.ts"
import type { ConnectionConfigError } from "../../ConnectionConfigError.ts"
import * as Dialect from "../../Dialect.ts"
import { toMillis } from "../config/durations.ts"
import { configError } from "../config/settings.ts"
import { validate } from "../config/validate.ts"
import { releasedOnFailure } from "../session/ownScope.ts"
import { type Encryption, encryptionAttempts, openConnection } from "./encryption.ts"
import { setFloatDigits } from "./floatDigits.ts"
import { type HostMemory, SharedHosts } from "./hostMemory.ts"
import { checkSessionAttrs } from "./targetSessionAttrs.ts"

/** @internal */
export interface Established {
  /** The server that was chosen. */
  readonly endpoint: Endpoint.Endpoint
  readonly connection: Connection
  readonly channel: MessageChannel.Client
  readonly login: Authenticate.Session
  readonly dialect: Dialect.Dialect
  /** The requirement that it was accepted for: `"any"` in the second pass of `"prefer-standby"`. */
  readonly accepted: TargetSessionAttrs
  /** A command to repeat after RESET ALL, which undoes it. */
  readonly afterReset: string | undefined
  /** Opens another connection to the same server, with the same encryption. */
  readonly connectAgain: Effect.Effect<Connection, TransportError.TransportError, Scope.Scope | Transport>
}

const defaultConnectTimeout = 15_000

/** Ends a session. */
export const terminate = Frontend.encodeUnsafe({ _tag: "Terminate" })

const startupParameters = (config: ConnectionConfig): Record<string, string> => ({
  application_name: config.applicationName ?? "hyperfect",
  client_encoding: "UTF8",
  ...(config.options === undefined ? {} : { options: config.options }),
  ...config.parameters
})

/** The endpoint for messages, with the address if there may be several. */
const endpointName = (endpoint: Endpoint.Endpoint): string => {
  const name = Endpoint.format(endpoint)
  return endpoint._tag === "Unix" || endpoint.address === undefined ? name : `${name} (${endpoint.address})`
}

/**
 * Adds the address that the connection leads to, since the name may stand for several addresses, and possibly servers.
 */
const withResolvedAddress = (endpoint: Endpoint.Endpoint, { address }: Connection): Endpoint.Endpoint =>
  endpoint._tag === "Unix" || address === undefined || address === endpoint.host ? endpoint : { ...endpoint, address }

/** Secrets may be sent without TLS on a Unix socket, which cannot be intercepted on the network. */
const policyFor = (config: ConnectionConfig, endpoint: Endpoint.Endpoint): Policy.Policy => ({
  allowCleartextWithoutTls: endpoint._tag === "Unix",
  allowMd5WithoutTls: endpoint._tag === "Unix",
  ...config.policy
})

/** Maps the failure of a secret's effect to an error of authentication. */
const mapSecretError = (
  secret: Login.Password<AuthError.PasswordUnavailable | AuthError.TokenUnavailable> | undefined
): Login.Password<AuthError.AuthError> | undefined =>
  Effect.isEffect(secret) ? Effect.mapError(secret, AuthError.fromReason) : secret

const mapGssError =
  (provider: GssProvider.Provider<AuthError.GssUnavailable>): GssProvider.Provider<AuthError.AuthError> => (kind) =>
    Effect.mapBoth(provider(kind), {
      onFailure: AuthError.fromReason,
      onSuccess: (next) => (token) => Effect.mapError(next(token), AuthError.fromReason)
    })

type AttemptError = Failure["cause"]

interface AttemptFailure {
  readonly error: AttemptError
  /** True if TLS had been established. */
  readonly isSecured: boolean
}

const attemptConnect = (
  config: ConnectionConfig,
  endpoint: Endpoint.Endpoint,
  encryption: Encryption,
  wanted: TargetSessionAttrs,
  onWait: (request: string) => void
) =>
  Effect.suspend(() => {
    let isSecured = false
    return Effect.gen(function*() {
      const connection = yield* openConnection(config, endpoint, encryption, onWait)
      onWait("the login")
      isSecured = connection.tls() !== undefined
      const channel = MessageChannel.client(connection, { longLimit: Authenticate.messageLimit })
      const login = yield* Authenticate.client(channel, {
        user: config.user,
        password: mapSecretError(config.passwordOf?.(endpoint) ?? config.password),
        scramKeys: config.scramKeys,
        token: mapSecretError(config.token),
        gss: config.gss === undefined ? undefined : mapGssError(config.gss(endpoint)),
        minProtocolVersion: config.minProtocolVersion,
        maxProtocolVersion: config.maxProtocolVersion,
        database: config.database,
        saslPrep: config.saslPrep,
        parameters: startupParameters(config)
      }, policyFor(config, endpoint))
      const dialect = Dialect.detect(login.parameters, config.dialect)
      const found = yield* checkSessionAttrs(wanted, channel, login, dialect)
      if (found !== undefined) {
        yield* Effect.ignore(connection.write(terminate))
        return yield* new ServerUnsuitable({ endpoint: endpointName(endpoint), wanted, found })
      }
      const established: Established = {
        endpoint,
        connection,
        channel,
        login,
        dialect,
        accepted: wanted,
        afterReset: yield* setFloatDigits(config, channel, login, dialect),
        connectAgain: openConnection(config, withResolvedAddress(endpoint, connection), isSecured ? "tls" : "plain")
      }
      return established
    }).pipe(releasedOnFailure, Effect.mapError((error): AttemptFailure => ({ error, isSecured })))
  })

/** Returns the SQLSTATE with which the server refused the login. */
const rejectionSqlState = (error: AttemptError): string | undefined =>
  error._tag === "AuthError" && error.reason._tag === "Rejected" ? error.reason.sqlState : undefined

/** True if the server is starting, stopping, crashing, or a standby that does not take queries. */
const isUnsettled = (sqlState: string | undefined): boolean => sqlState !== undefined && /^57P0[123]$/.test(sqlState)

/** `invalid_authorization_specification`: for example, no line of `pg_hba.conf` matches, which may require TLS. */
const invalidAuthorization = "28000"

const isHandshakeFailure = (error: AttemptError): boolean =>
  error._tag === "TransportError" && error.reason._tag === "TlsFailed"

/** True if the other encryption may lead to a session. */
const shouldTryFallback = ({ error, isSecured }: AttemptFailure, first: Encryption): boolean => {
  if (first === "tls-if-offered" && isHandshakeFailure(error)) return true
  const sqlState = rejectionSqlState(error)
  // A server without TLS has already been tried in plain text.
  return sqlState !== undefined && !isUnsettled(sqlState) && (first === "plain" || isSecured)
}

/**
 * Returns the more informative of two errors: the first, unless it only shows that the second attempt was the right
 * one.
 */
const moreInformative = (first: AttemptError, second: AttemptError): AttemptError =>
  second._tag !== "TransportError" && (rejectionSqlState(first) === invalidAuthorization || isHandshakeFailure(first))
    ? second
    : first

const timedOut = (endpoint: Endpoint.Endpoint, milliseconds: number, unanswered: string | undefined) =>
  TransportError.fromReason(
    new TransportError.OpenTimeout({
      endpoint: Endpoint.format(endpoint),
      milliseconds,
      ...(unanswered === undefined ? {} : { unanswered })
    })
  )

/** Applies the connect timeout of a host. `unanswered` returns the request whose response is awaited, if any. */
const withConnectTimeout = <A, E, R>(
  config: ConnectionConfig,
  endpoint: Endpoint.Endpoint,
  effect: Effect.Effect<A, E, R>,
  unanswered: () => string | undefined = () => undefined
): Effect.Effect<A, E | TransportError.TransportError, R> => {
  const connectTimeout = toMillis(config.connectTimeout ?? defaultConnectTimeout)
  return connectTimeout <= 0 || connectTimeout === Infinity ? effect : Effect.timeoutOrElse(effect, {
    duration: connectTimeout,
    orElse: () => Effect.fail(timedOut(endpoint, connectTimeout, unanswered()))
  })
}

/** Tries one server with the given credentials. */
const tryOnce = (config: ConnectionConfig, endpoint: Endpoint.Endpoint, wanted: TargetSessionAttrs) =>
  Effect.suspend(() => {
    const [first, second] = encryptionAttempts(config, endpoint)
    let unanswered: string | undefined
    const attempt = (encryption: Encryption) =>
      Effect.suspend(() => {
        unanswered = undefined
        return attemptConnect(config, endpoint, encryption, wanted, (request) => void (unanswered = request))
      })
    const attempts = Effect.catch(
      attempt(first),
      (flaw) =>
        second === undefined || !shouldTryFallback(flaw, first)
          ? Effect.fail(flaw.error)
          : Effect.mapError(attempt(second), ({ error }) => moreInformative(flaw.error, error))
    )
    return withConnectTimeout(config, endpoint, attempts, () => unanswered)
  })

/** Tries one server. The token provider may ask a user, so it is not under the connect timeout. */
const tryServer = (config: ConnectionConfig, endpoint: Endpoint.Endpoint, wanted: TargetSessionAttrs) =>
  config.tokenProvider === undefined ? tryOnce(config, endpoint, wanted) : Effect.provideService(
    OAuthBearer.withTokenProvider((token) => tryOnce({ ...config, token }, endpoint, wanted)),
    OAuthBearer.TokenProvider,
    config.tokenProvider
  )

/** The reasons of a connection that was not made, or was lost, or whose login was not answered in time. */
const unreached: ReadonlySet<string> = new Set([
  "OpenFailed",
  "OpenTimeout",
  "Closed",
  "ReadFailed",
  "WriteFailed",
  "ServerClosed",
  "StreamEnded"
])

/**
 * True if a server could not be reached, or did not answer the login, be it that it hung up: a proxy accepts connections
 * for a server that is down, and so does a system until the server's process is gone.
 */
const isUnreachable = (error: AttemptError): boolean =>
  error._tag !== "ServerUnsuitable" &&
  (unreached.has(error.reason._tag) || (error.reason._tag === "TlsFailed" && error.reason.code === "ECONNRESET"))

/** True if another server may succeed. */
const canTryNextServer = (error: AttemptError): boolean =>
  isUnreachable(error) || error._tag === "ServerUnsuitable" || isUnsettled(rejectionSqlState(error)) ||
  (error._tag === "TransportError" && error.reason._tag === "TlsRefused" && error.isRetryable)

/**
 * Returns true if a server can be reached and answers a login, whatever the answer. Asks no provider for a token, since
 * that may ask a user.
 *
 * @internal
 */
export const canReach = (
  config: ConnectionConfig,
  endpoint: Endpoint.Endpoint
): Effect.Effect<boolean, never, Transport | Authenticate.Services> =>
  tryOnce(config, endpoint, "any").pipe(
    Effect.tap(({ connection }) => Effect.ignore(connection.write(terminate))),
    Effect.scoped,
    Effect.match({ onFailure: (error) => !isUnreachable(error), onSuccess: () => true })
  )

/** Returns the endpoints in the configured order, or shuffled for load balancing. */
const orderEndpoints = (
  config: ConnectionConfig,
  endpoints: ReadonlyArray<Endpoint.Endpoint>
): Effect.Effect<ReadonlyArray<Endpoint.Endpoint>> =>
  config.loadBalanceHosts === "random" ? Random.shuffle(endpoints) : Effect.succeed(endpoints)

/**
 * Resolves host names. Each address is a server of its own if the choice of server matters; otherwise the transport
 * tries the addresses in its own order.
 */
const resolveAddresses = Effect.fnUntraced(function*(config: ConnectionConfig, endpoint: Endpoint.Endpoint) {
  const { addresses } = yield* Transport
  const { loadBalanceHosts, targetSessionAttrs = "any" } = config
  return addresses === undefined || (targetSessionAttrs === "any" && loadBalanceHosts !== "random")
    ? [endpoint]
    : yield* orderEndpoints(config, yield* withConnectTimeout(config, endpoint, addresses(endpoint)))
})

/** Settings for OAuth are not ignored, although a server that requests no token does not need them. */
const oauthFlaw = ({ oauth, token, tokenProvider }: ConnectionConfig): ConnectionConfigError | undefined =>
  oauth === undefined || (token ?? tokenProvider) !== undefined
    ? undefined
    : configError(
      "oauth_issuer",
      "unsupported",
      "needs an HTTP client: ConnectionConfig.withDeviceFlow takes it from the context"
    )

/** Refuses keepalive settings that the transport would ignore. */
const probesFlaw = (
  { keepAlive, keepAliveCount, keepAliveInterval }: ConnectionConfig,
  { keepAliveProbes }: Transport["Service"]
): ConnectionConfigError | undefined =>
  keepAliveProbes === true || keepAlive === false || (keepAliveInterval ?? keepAliveCount) === undefined
    ? undefined
    : configError(
      keepAliveInterval === undefined ? "keepalives_count" : "keepalives_interval",
      "unsupported",
      "is not supported by the transport, which needs Node.js 24.21 or 26.4"
    )

type Places = Result.Result<ReadonlyArray<Endpoint.Endpoint>, TransportError.TransportError>

/** The state of one search for a server. */
interface Search {
  readonly config: ConnectionConfig
  readonly servers: ReadonlyArray<Endpoint.Endpoint>
  readonly resolved: Map<Endpoint.Endpoint, Places>
  readonly hosts: HostMemory | undefined
  /** The servers that were down before. */
  readonly down: ReadonlyMap<string, Failure>
}

/** Tries the servers that were down before, or the others. */
const tryServers = Effect.fnUntraced(function*(
  { config, down, hosts, resolved, servers }: Search,
  wanted: TargetSessionAttrs,
  isDown: boolean
) {
  const failures: Array<Failure> = []
  for (const server of servers) {
    const isServerDown = down.has(endpointName(server))
    if (isServerDown && !isDown) continue
    const places: Places = resolved.get(server) ?? (yield* Effect.result(resolveAddresses(config, server)))
    resolved.set(server, places)
    if (Result.isFailure(places) && isServerDown === isDown) {
      const failure = { endpoint: endpointName(server), cause: places.failure }
      failures.push(failure)
      if (servers.length > 1) hosts?.onUnreachable(server, failure)
    }
    const found = Result.getOrElse(places, () => [])
    for (const endpoint of found) {
      const name = endpointName(endpoint)
      if ((isServerDown || down.has(name)) !== isDown) continue
      const result = yield* Effect.result(tryServer(config, endpoint, wanted))
      const isLost = Result.isFailure(result) && isUnreachable(result.failure)
      if (!isLost) hosts?.onReached(name)
      if (Result.isSuccess(result)) return Result.succeed(result.success)
      const failure = { endpoint: name, cause: result.failure }
      if (isLost && (servers.length > 1 || found.length > 1)) hosts?.onUnreachable(endpoint, failure)
      if (!canTryNextServer(failure.cause)) return yield* Effect.fail(failure.cause)
      failures.push(failure)
    }
  }
  return Result.fail(failures)
})

/**
 * Opens a connection to the first acceptable server, and logs in. Servers that were down before are tried after all
 * others. The connection ends with the scope.
 *
 * @internal
 */
export const establish = Effect.fnUntraced(
  function*(config: ConnectionConfig) {
    const flaw = validate(config) ?? oauthFlaw(config) ?? probesFlaw(config, yield* Transport)
    if (flaw !== undefined) return yield* flaw
    const servers = yield* orderEndpoints(config, endpoints(config))
    const { targetSessionAttrs = "any" } = config
    const passes = targetSessionAttrs === "prefer-standby" ? ["prefer-standby", "any"] as const : [targetSessionAttrs]
    const hosts = yield* SharedHosts
    const down: Search["down"] = hosts?.failures() ?? new Map()
    const search: Search = { config, servers, resolved: new Map(), hosts, down }

    const failures: Array<Failure> = []
    for (const isDown of down.size === 0 ? [false] : [false, true]) {
      // A server that answers may be promoted: the next attempt must not wait for one that does not. Looks find that one.
      if (isDown && failures.some(({ cause }) => cause._tag === "ServerUnsuitable")) {
        failures.push(...down.values())
        break
      }
      let latest: ReadonlyArray<Failure> = []
      for (const wanted of passes) {
        const result = yield* tryServers(search, wanted, isDown)
        if (Result.isSuccess(result)) return result.success
        latest = result.failure
      }
      failures.push(...latest)
    }
    if (failures.length > 1 && isArrayNonEmpty(failures)) return yield* new NoServerFound({ failures })
    return yield* Effect.fail(failures[0]!.cause)
  }
)
