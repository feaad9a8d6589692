/**
 * One logged-in connection.
 *
 * A session lives as long as its scope. Closing it says good-bye in order: a COPY that is under way is failed, then the
 * server is told to end the session, then the line is closed. Any number of fibers may use a session at once: what they
 * ask is sent without waiting for earlier answers. Streams, COPY and transactions have it to themselves for as long as
 * they last. A session whose line broke is dead, and tells everyone who uses it why.
 *
 * @since 0.1.0
 */
import type * as Authenticate from "@hyperfect/auth/Authenticate"
import type * as Policy from "@hyperfect/auth/Policy"
import type * as ProtocolVersion from "@hyperfect/auth/ProtocolVersion"
import type * as Backend from "@hyperfect/protocol/Backend"
import * as Frontend from "@hyperfect/protocol/Frontend"
import type { Connection, TlsInfo } from "@hyperfect/transport/Connection"
import { Transport } from "@hyperfect/transport/Transport"
import * as TransportError from "@hyperfect/transport/TransportError"
import * as Preset from "@hyperfect/values/Preset"
import type * as Type from "@hyperfect/values/Type"
import * as TypeRegistry from "@hyperfect/values/TypeRegistry"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type * as ConnectErrors from "./ConnectError.ts"
import type { ConnectionConfig } from "./ConnectionConfig.ts"
import { SharedTypes, Types } from "./internal/catalogue.ts"
import { Engine, engineOf } from "./internal/engine.ts"
import { establish, type Established } from "./internal/establish.ts"
import { states } from "./internal/exchange.ts"
import { Feed } from "./internal/feed.ts"
import { attributesOf, Observer } from "./internal/observer.ts"
import * as Queries_ from "./internal/queries.ts"
import { traces } from "./internal/traces.ts"
import type { Queries } from "./Queries.ts"
import { Telemetry } from "./Telemetry.ts"

/**
 * The server at the other end.
 *
 * @category models
 * @since 0.1.0
 */
export interface Server {
  /** A server is Hyper when it says so, by the parameter `hyper_version`. */
  readonly kind: "hyper" | "postgres"
  /** Hyper's own version, or PostgreSQL's `server_version`. */
  readonly version: string
}

/**
 * What may be read of a session besides its queries.
 *
 * @category models
 * @since 0.1.0
 */
export interface Info {
  readonly server: Server
  /** How this session proved who it is. */
  readonly authentication: Policy.Method
  /** The version of the protocol that the server has agreed to. */
  readonly protocolVersion: ProtocolVersion.ProtocolVersion
  /** The settings that the server reports, as they are now. */
  readonly parameters: () => ReadonlyMap<string, string>
  /** Whether a transaction is open (`T`), has failed (`E`), or none is there (`I`), after the last answer. */
  readonly transactionStatus: () => Backend.ReadyForQuery["status"]
  /** The server's process; 0 is an ordinary number on Hyper. Absent when the server did not say. */
  readonly processId: number | undefined
  /** What is known of the TLS session; absent on a plain line. */
  readonly tls: TlsInfo | undefined
  /**
   * Warnings and other notices of the server from now on. A subscriber that is slow misses the oldest of them. It ends
   * with the session.
   */
  readonly notices: Stream.Stream<Backend.NoticeResponse>
  /**
   * Notifications of the channels that this session listens to, from now on, as with notices.
   *
   * @see `Notifications` for channels that are listened to whatever becomes of one session
   */
  readonly notifications: Stream.Stream<Backend.NotificationResponse>
  /** Changes of the settings that the server reports, such as `TimeZone`, from now on, as with notices. */
  readonly parameterChanges: Stream.Stream<Backend.ParameterStatus>
}

/**
 * A session: what can be asked of it, and what is known of it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Session extends Queries, Info {}

/**
 * A failure to open a session.
 *
 * @category errors
 * @since 0.1.0
 */
export type ConnectError = ConnectErrors.ConnectError

const formats = new Map<string | undefined, Type.Format>([["text", 0], ["pgbinary", 1], ["hyperbinary", 2]])

/** How long a cancelled statement may take to end before its session is given up. */
const cancelTimeout = 5_000

/** Asks, on another connection, to cancel what the session is doing. The server hangs up when it has been done. */
const cancel = ({ again }: Established, key: Backend.BackendKeyData) =>
  Effect.scoped(Effect.gen(function*() {
    const connection = yield* again
    const { processId, secretKey } = key
    yield* connection.write(Frontend.encodeUnsafe({ _tag: "CancelRequest", processId, secretKey }))
    yield* Effect.forever(connection.pull)
  })).pipe(Effect.timeoutOption(cancelTimeout), Effect.ignoreCause)

const copyFail = Frontend.encodeUnsafe({ _tag: "CopyFail", message: "the session is closed" })
const terminate = Frontend.encodeUnsafe({ _tag: "Terminate" })

/**
 * Ends the session in order, also one that has died of something else than its line: Hyper would keep the table of an
 * unfinished COPY locked for ever (measured).
 */
const close = (engine: Engine, connection: Connection): Effect.Effect<void> =>
  Effect.suspend(() => {
    const copying = engine.current()?.state === states.CopyingIn
    engine.die(TransportError.closed("local"))
    const farewell = copying
      ? Effect.andThen(connection.write(copyFail), connection.write(terminate))
      : connection.write(terminate)
    return Effect.ignore(Effect.timeoutOption(farewell, "1 second"))
  })

/**
 * Opens a session, on the first server of the configuration that will do.
 *
 * @see {@link ConnectError} for when another server is tried
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  config: ConnectionConfig
): Effect.Effect<Session, ConnectError, Scope.Scope | Transport | Authenticate.Services> =>
  Effect.gen(function*() {
    const transport = yield* Transport
    const types = (yield* SharedTypes) ?? new Types(yield* TypeRegistry.TypeRegistry)
    const preset = yield* Preset.Preset
    const telemetry = yield* Telemetry
    const database = config.database ?? config.user
    const connecting = new Observer(attributesOf(undefined, config.endpoint, database), telemetry)
    const attributes = ({ endpoint, login }: Established) => {
      const isHyper = login.parameters.has("hyper_version")
      // Hyper has no database that is named after the user.
      return attributesOf(isHyper ? "hyper" : "postgres", endpoint, isHyper ? config.database : database)
    }
    const established = yield* connecting.effect({ name: "hyperfect.connect", attributes }, establish(config))
    const { channel, login } = established

    const parameters = new Map(login.parameters)
    const hyperVersion = parameters.get("hyper_version")
    const server: Server = hyperVersion === undefined
      ? { kind: "postgres", version: parameters.get("server_version") ?? "" }
      : { kind: "hyper", version: hyperVersion }
    const observer = new Observer(attributes(established), telemetry)
    const connection = observer.counted(established.connection, yield* Effect.context<never>())
    const notices = new Feed<Backend.NoticeResponse>()
    const notifications = new Feed<Backend.NotificationResponse>()
    const parameterChanges = new Feed<Backend.ParameterStatus>()

    const scope = yield* Effect.scope
    const detach = Effect.runForkWith(yield* Effect.context<never>())
    const engine = new Engine({
      connection,
      server: server.kind,
      unread: channel.release(),
      status: login.status,
      cancel: login.key === undefined
        ? Effect.void
        : Effect.provideService(cancel(established, login.key), Transport, transport),
      cancelTimeout,
      silenceTimeout: config.silenceTimeout,
      fork: (effect) => detach(Effect.forkIn(effect, scope, { startImmediately: true })),
      detach,
      onAsynchronous: (message) => {
        switch (message._tag) {
          case "ParameterStatus":
            // Hyper's sign of life while a statement runs, not a setting (measured).
            if (message.name === "alive") break
            parameters.set(message.name, message.value)
            engine.leave(traces.settings)
            parameterChanges.publish(message)
            break
          case "NoticeResponse":
            notices.publish(message)
            break
          case "NotificationResponse":
            engine.onNotification?.(message)
            notifications.publish(message)
        }
      },
      onDeath: () => {
        notices.end()
        notifications.end()
        parameterChanges.end()
      }
    })
    yield* Effect.forkScoped(engine.run, { startImmediately: true })
    yield* Effect.forkScoped(engine.watch, { startImmediately: true })
    yield* Effect.addFinalizer(() => close(engine, connection))

    /** Simple queries answer in the session's own format, which Hyper reports and only the start-up can set. */
    const simpleFormat = () => formats.get(parameters.get("result_format_code")?.toLowerCase()) ?? 0

    const info: Info = {
      server,
      authentication: login.method,
      protocolVersion: login.protocolVersion,
      parameters: () => parameters,
      transactionStatus: () => engine.status,
      processId: login.key?.processId,
      tls: connection.tls(),
      notices: notices.stream,
      notifications: notifications.stream,
      parameterChanges: parameterChanges.stream
    }
    const queries = Queries_.make({
      engine,
      kind: server.kind,
      types,
      defaultPreset: preset,
      simpleFormat,
      statementCacheSize: config.statementCacheSize ?? 256,
      processId: login.key?.processId,
      queryTimeout: config.queryTimeout,
      observer
    })
    const session: Session = { ...info, ...queries }
    engineOf.set(session, engine)
    return session
  })
