/**
 * From a configuration to a logged-in line: which server, encrypted how, by the rules of libpq.
 *
 * @since 0.1.0
 */
import * as Authenticate from "@hyperfect/auth/Authenticate"
import * as AuthError from "@hyperfect/auth/AuthError"
import type * as GssProvider from "@hyperfect/auth/GssProvider"
import type * as Login from "@hyperfect/auth/Login"
import * as OAuthBearer from "@hyperfect/auth/OAuthBearer"
import type * as Policy from "@hyperfect/auth/Policy"
import * as Frontend from "@hyperfect/protocol/Frontend"
import type { ProtocolError } from "@hyperfect/protocol/ProtocolError"
import type { Connection } from "@hyperfect/transport/Connection"
import * as Endpoint from "@hyperfect/transport/Endpoint"
import * as MessageChannel from "@hyperfect/transport/MessageChannel"
import { Transport } from "@hyperfect/transport/Transport"
import * as TransportError from "@hyperfect/transport/TransportError"
import { isArrayNonEmpty } from "effect/Array"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import { type ConnectError, type Failure, NoServerFound, ServerUnsuitable } from "../ConnectError.ts"
import { type ConnectionConfig, endpoints, type TargetSessionAttrs } from "../ConnectionConfig.ts"
import { check } from "./check.ts"
import { type Encryption, encryptions, openLine } from "./encryption.ts"
import { unsuitable } from "./sessionAttrs.ts"

/** @internal */
export interface Established {
  /** Which of the servers it is. */
  readonly endpoint: Endpoint.Endpoint
  readonly connection: Connection
  readonly channel: MessageChannel.Client
  readonly login: Authenticate.Session
  /** Another line to the same server, encrypted as the first one is. */
  readonly again: Effect.Effect<Connection, TransportError.TransportError, Scope.Scope | Transport>
}

const defaultConnectTimeout = 15_000

const terminate = Frontend.encodeUnsafe({ _tag: "Terminate" })

const startupParameters = (config: ConnectionConfig): Record<string, string> => ({
  application_name: config.applicationName ?? "hyperfect",
  client_encoding: "UTF8",
  ...(config.options === undefined ? {} : { options: config.options }),
  ...config.parameters
})

/** The endpoint for messages, with the address where there may be several. */
const nameOf = (endpoint: Endpoint.Endpoint): string => {
  const name = Endpoint.format(endpoint)
  return endpoint._tag === "Unix" || endpoint.address === undefined ? name : `${name} (${endpoint.address})`
}

/** Where a line leads to, although the name stands for several addresses, and perhaps for as many servers. */
const sameAddress = (endpoint: Endpoint.Endpoint, { address }: Connection): Endpoint.Endpoint =>
  endpoint._tag === "Unix" || address === undefined || address === endpoint.host ? endpoint : { ...endpoint, address }

/** Nobody can listen on a Unix socket. */
const policy = (config: ConnectionConfig, endpoint: Endpoint.Endpoint): Policy.Policy => ({
  allowCleartextWithoutTls: endpoint._tag === "Unix",
  ...config.policy
})

/** A secret, or the program that fetches it. */
const fetch = (
  secret: Login.Password<AuthError.PasswordUnavailable | AuthError.TokenUnavailable> | undefined
): Login.Password<AuthError.AuthError> | undefined =>
  secret === undefined || Redacted.isRedacted(secret) ? secret : Effect.mapError(secret, AuthError.fromReason)

const providing =
  (provider: GssProvider.Provider<AuthError.GssUnavailable>): GssProvider.Provider<AuthError.AuthError> => (kind) =>
    Effect.mapBoth(provider(kind), {
      onFailure: AuthError.fromReason,
      onSuccess: (next) => (token) => Effect.mapError(next(token), AuthError.fromReason)
    })

/** Runs in a scope of its own, which ends at once when the attempt does not succeed. */
const inOwnScope = <A, E, R>(attempt: Effect.Effect<A, E, R>): Effect.Effect<A, E, R | Scope.Scope> =>
  Effect.flatMap(
    Effect.flatMap(Effect.scope, (scope) => Scope.fork(scope)),
    (scope) =>
      Scope.provide(attempt, scope).pipe(
        Effect.onExit((exit) => (Exit.isFailure(exit) ? Scope.close(scope, exit) : Effect.void))
      )
  ) as Effect.Effect<A, E, R | Scope.Scope>

type AttemptError = TransportError.TransportError | ProtocolError | AuthError.AuthError | ServerUnsuitable

interface Flaw {
  readonly error: AttemptError
  /** Whether the line had been secured. */
  readonly secured: boolean
}

const attempt = (
  config: ConnectionConfig,
  endpoint: Endpoint.Endpoint,
  encryption: Encryption,
  wanted: TargetSessionAttrs
) =>
  Effect.suspend(() => {
    let secured = false
    return Effect.gen(function*() {
      const connection = yield* openLine(config, endpoint, encryption)
      secured = connection.tls() !== undefined
      const channel = MessageChannel.client(connection, { longLimit: Authenticate.messageLimit })
      const login = yield* Authenticate.client(channel, {
        user: config.user,
        password: fetch(config.passwordOf?.(endpoint) ?? config.password),
        scramKeys: config.scramKeys,
        token: fetch(config.token),
        gss: config.gss === undefined ? undefined : providing(config.gss(endpoint)),
        minProtocolVersion: config.minProtocolVersion,
        maxProtocolVersion: config.maxProtocolVersion,
        database: config.database,
        saslPrep: config.saslPrep,
        parameters: startupParameters(config)
      }, policy(config, endpoint))
      const found = yield* unsuitable(wanted, channel, login)
      if (found !== undefined) {
        yield* Effect.ignore(connection.write(terminate))
        return yield* new ServerUnsuitable({ endpoint: nameOf(endpoint), wanted, found })
      }
      const established: Established = {
        endpoint,
        connection,
        channel,
        login,
        again: openLine(config, sameAddress(endpoint, connection), secured ? "tls" : "plain")
      }
      return established
    }).pipe(inOwnScope, Effect.mapError((error): Flaw => ({ error, secured })))
  })

/** The SQLSTATE that the server refused us with. */
const refusal = (error: AttemptError): string | undefined =>
  error._tag === "AuthError" && error.reason._tag === "Rejected" ? error.reason.sqlState : undefined

/** `cannot_connect_now`: the server is starting, stopping, or a standby that does not take queries. */
const cannotConnectNow = "57P03"

/** `invalid_authorization_specification`: among others, no line of `pg_hba.conf` fits, which TLS is part of. */
const notLetIn = "28000"

const isHandshakeFailure = (error: AttemptError): boolean =>
  error._tag === "TransportError" && error.reason._tag === "TlsFailed"

/** Whether the other way to encrypt may lead to a session. */
const mayHelp = ({ error, secured }: Flaw, first: Encryption): boolean => {
  if (first === "tls-if-offered" && isHandshakeFailure(error)) return true
  const sqlState = refusal(error)
  // A server that had no TLS has already been tried in clear.
  return sqlState !== undefined && sqlState !== cannotConnectNow && (first === "plain" || secured)
}

/** Of two errors the one that says more: the first, unless it only shows that the second was the way in. */
const telling = (first: AttemptError, second: AttemptError): AttemptError =>
  second._tag !== "TransportError" && (refusal(first) === notLetIn || isHandshakeFailure(first)) ? second : first

const timedOut = (endpoint: Endpoint.Endpoint, milliseconds: number) =>
  TransportError.fromReason(new TransportError.OpenTimeout({ endpoint: Endpoint.format(endpoint), milliseconds }))

/** What takes no longer than each host has. */
const inTime = <A, E, R>(
  config: ConnectionConfig,
  endpoint: Endpoint.Endpoint,
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E | TransportError.TransportError, R> => {
  const { connectTimeout = defaultConnectTimeout } = config
  return connectTimeout <= 0 ? effect : Effect.timeoutOrElse(effect, {
    duration: connectTimeout,
    orElse: () => Effect.fail(timedOut(endpoint, connectTimeout))
  })
}

/** One server, with what there is to log in with. */
const tryOnce = (config: ConnectionConfig, endpoint: Endpoint.Endpoint, wanted: TargetSessionAttrs) => {
  const [first, second] = encryptions(config, endpoint)
  const attempts = Effect.catch(
    attempt(config, endpoint, first, wanted),
    (flaw) =>
      second === undefined || !mayHelp(flaw, first)
        ? Effect.fail(flaw.error)
        : Effect.mapError(attempt(config, endpoint, second, wanted), ({ error }) => telling(flaw.error, error))
  )
  return inTime(config, endpoint, attempts)
}

/** One server. What gets tokens may ask a user, so the time for connecting is not for it. */
const tryServer = (config: ConnectionConfig, endpoint: Endpoint.Endpoint, wanted: TargetSessionAttrs) =>
  config.tokenProvider === undefined ? tryOnce(config, endpoint, wanted) : Effect.provideService(
    OAuthBearer.withTokenProvider((token) => tryOnce({ ...config, token }, endpoint, wanted)),
    OAuthBearer.TokenProvider,
    config.tokenProvider
  )

/** Whether another server may do better. */
const isOfThisServerOnly = (error: AttemptError): boolean => {
  if (error._tag === "ServerUnsuitable" || refusal(error) === cannotConnectNow) return true
  return error._tag === "TransportError" && ["OpenFailed", "OpenTimeout"].includes(error.reason._tag)
}

/** In the order of the configuration, or in any when the load is to be balanced. */
const inOrder = (
  config: ConnectionConfig,
  endpoints: ReadonlyArray<Endpoint.Endpoint>
): Effect.Effect<ReadonlyArray<Endpoint.Endpoint>> =>
  config.loadBalanceHosts === "random" ? Random.shuffle(endpoints) : Effect.succeed(endpoints)

/**
 * What a name stands for. Each address is a server of its own when it matters which one it is; else the transport may go
 * through them as it likes.
 */
const addressesOf = Effect.fnUntraced(function*(config: ConnectionConfig, endpoint: Endpoint.Endpoint) {
  const { addresses } = yield* Transport
  const { loadBalanceHosts, targetSessionAttrs = "any" } = config
  return addresses === undefined || (targetSessionAttrs === "any" && loadBalanceHosts !== "random")
    ? [endpoint]
    : yield* inOrder(config, yield* inTime(config, endpoint, addresses(endpoint)))
})

const tryServers = Effect.fnUntraced(function*(
  config: ConnectionConfig,
  servers: ReadonlyArray<Endpoint.Endpoint>,
  wanted: TargetSessionAttrs
) {
  const failures: Array<Failure> = []
  for (const server of servers) {
    const places = yield* Effect.result(addressesOf(config, server))
    if (Result.isFailure(places)) failures.push({ endpoint: nameOf(server), cause: places.failure })
    for (const endpoint of Result.getOrElse(places, () => [])) {
      const result = yield* Effect.result(tryServer(config, endpoint, wanted))
      if (Result.isSuccess(result)) return Result.succeed(result.success)
      const cause = result.failure
      if (!isOfThisServerOnly(cause)) return yield* Effect.fail(cause)
      failures.push({ endpoint: nameOf(endpoint), cause })
    }
  }
  return Result.fail(failures)
})

/**
 * Opens a line to the first server that will do, and logs in. The line ends with the scope.
 *
 * @internal
 */
export const establish: (
  config: ConnectionConfig
) => Effect.Effect<Established, ConnectError, Scope.Scope | Transport | Authenticate.Services> = Effect.fnUntraced(
  function*(config: ConnectionConfig) {
    const flaw = check(config)
    if (flaw !== undefined) return yield* flaw
    const servers = yield* inOrder(config, endpoints(config))
    const { targetSessionAttrs = "any" } = config
    const passes = targetSessionAttrs === "prefer-standby" ? ["prefer-standby", "any"] as const : [targetSessionAttrs]

    let failures: Array<Failure> = []
    for (const wanted of passes) {
      const result = yield* tryServers(config, servers, wanted)
      if (Result.isSuccess(result)) return result.success
      failures = result.failure
    }
    if (failures.length > 1 && isArrayNonEmpty(failures)) return yield* new NoServerFound({ failures })
    return yield* Effect.fail(failures[0]!.cause)
  }
)
