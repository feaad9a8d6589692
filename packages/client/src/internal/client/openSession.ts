/**
 * Opens sessions: logs in, and starts the engine and the queries of a connection.
 *
 * @internal
 */
import type * as Backend from "@hyperfect/protocol/Backend"
import * as Frontend from "@hyperfect/protocol/Frontend"
import * as ProtocolError from "@hyperfect/protocol/ProtocolError"
import type { Connection } from "@hyperfect/transport/Connection"
import { Transport } from "@hyperfect/transport/Transport"
import * as TransportError from "@hyperfect/transport/TransportError"
import * as Preset from "@hyperfect/values/Preset"
import type * as Type from "@hyperfect/values/Type"
import * as TypeRegistry from "@hyperfect/values/TypeRegistry"
import { Clock } from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Scheduler from "effect/Scheduler"
import * as Scope from "effect/Scope"
import type { ConnectionConfig } from "../../ConnectionConfig.ts"
import { Telemetry } from "../../Telemetry.ts"
import { toMillis } from "../config/durations.ts"
import { establish, type Established, terminate } from "../connect/establish.ts"
import { roleOf } from "../connect/targetSessionAttrs.ts"
import { Engine } from "../engine/engine.ts"
import { states } from "../engine/exchange.ts"
import { makeCommenter } from "../model/comment.ts"
import { isUtf8 } from "../model/encoding.ts"
import { makeQueries } from "../query/queries.ts"
import { makeSessionRunner } from "../query/sessionRunner.ts"
import { Broadcast } from "../session/broadcast.ts"
import { logNotice, NoticeSink } from "../session/notices.ts"
import { Observer, serverAttributes } from "../session/observer.ts"
import { lastWord } from "../session/queryError.ts"
import { fromLogin } from "../session/serverParameters.ts"
import { SharedTypes, TypeCatalogue } from "../statement/typeCatalogue.ts"

const formats = new Map<string | undefined, Type.Format>([["text", 0], ["pgbinary", 1], ["hyperbinary", 2]])

/** The time in milliseconds that a cancelled statement may take to end before its session is closed. */
const cancelTimeout = 5_000

/** Opens the connection for a cancel request. The server closes it when it has handled the request. */
const openCancelRequest = ({ connectAgain }: Established, { processId, secretKey }: Backend.BackendKeyData) =>
  Effect.map(connectAgain, (connection) =>
    Effect.andThen(
      connection.write(Frontend.encodeUnsafe({ _tag: "CancelRequest", processId, secretKey })),
      Effect.forever(connection.pull)
    ))

/** Throws the reason to end the session if its encoding is not UTF-8, which all texts are sent and decoded as. */
const checkEncoding = (encoding: string | undefined): void => {
  if (encoding === undefined || isUtf8(encoding)) return
  throw ProtocolError.reason("MessageUnexpected", "ParameterStatus", "value", 0, "the client_encoding UTF8", encoding)
}

const copyFail = Frontend.encodeUnsafe({ _tag: "CopyFail", message: "the session is closed" })
/** Shared, since creating errors is expensive and almost every session ends with this one. */
let scopeEnded: TransportError.TransportError | undefined
let scopeEndedForGood: ReturnType<typeof lastWord> | undefined

const makeScopeEnded = (): TransportError.TransportError =>
  Object.freeze(TransportError.fromReason(
    Object.freeze(new TransportError.Closed({ by: "local", why: "the session is closed: its scope has ended" }))
  ))

/**
 * Closes the session in order, even if it died of something other than its connection: Hyper would keep the table of an
 * unfinished COPY locked forever (H-19).
 */
const close = (engine: Engine, connection: Connection, isReplaceable: boolean): Effect.Effect<void> =>
  Effect.suspend(() => {
    const copying = engine.queue.current()?.state === states.CopyingIn
    const { lastRequest } = engine.cancellation
    scopeEnded ??= makeScopeEnded()
    engine.close(isReplaceable ? scopeEnded : scopeEndedForGood ??= Object.freeze(lastWord(scopeEnded)))
    const finalMessages = Effect.forEach(
      copying ? [copyFail, terminate] : [terminate],
      (bytes) => connection.write(bytes)
    )
    const all = Effect.all([Effect.ignore(finalMessages), lastRequest], { concurrency: "unbounded", discard: true })
    return Effect.timeoutOption(all, "1 second")
  })

/** Opens a session on the first acceptable server of the configuration. Returns it with the runner of its queries. */
export const openSession = (config: ConnectionConfig) =>
  Effect.gen(function*() {
    const transport = yield* Transport
    const sharedTypes = yield* SharedTypes
    const isReplaceable = sharedTypes !== undefined
    const types = sharedTypes ?? new TypeCatalogue(yield* TypeRegistry.TypeRegistry, yield* Clock)
    const preset = yield* Preset.Preset
    const telemetry = yield* Telemetry
    const database = config.database ?? config.user
    const connecting = new Observer(serverAttributes(undefined, config.endpoint, database), telemetry)
    const attributes = ({ dialect, endpoint }: Established) =>
      serverAttributes(dialect, endpoint, dialect.userDatabase ? database : config.database)
    const established = yield* connecting.effect({ name: "hyperfect.connect", attributes }, establish(config))
    const { channel, dialect, login } = established

    const parameters = yield* Effect.try({
      try: () => {
        checkEncoding(login.parameters.get("client_encoding"))
        return fromLogin(login.parameters)
      },
      catch: ProtocolError.fromThrown
    })
    const version = parameters.get("hyper_version") ?? parameters.get("server_version") ?? ""
    const observer = new Observer(attributes(established), telemetry)
    const connection = observer.countBytes(established.connection, yield* Effect.context<never>())
    const notices = new Broadcast(login.notices)
    const notifications = new Broadcast<Backend.NotificationResponse>()
    const parameterChanges = new Broadcast<Backend.ParameterStatus>()

    // A forked scope, since finalizers of the caller that use the session run when the caller's scope no longer accepts
    // fibers.
    const scope = yield* Scope.fork(yield* Effect.scope)
    const context = yield* Effect.context<never>()
    // A step that the scheduler interrupts is not atomic: messages written later would overtake it.
    const detach = Effect.runForkWith(Context.add(context, Scheduler.PreventSchedulerYield, true))
    const run = Effect.runForkWith(context)
    const sink = yield* NoticeSink
    const onNotice = sink === undefined && telemetry.logNotices !== true
      ? undefined
      : (notice: Backend.NoticeResponse, size: number) => {
        sink?.(notice, login.key?.processId, size)
        if (telemetry.logNotices === true) run(logNotice(notice, login.key?.processId))
      }
    if (onNotice !== undefined) { for (const notice of login.notices) onNotice(notice, 0) }
    const engine = new Engine({
      connection,
      dialect,
      unread: channel.release(),
      status: login.status,
      openCancelRequest: login.key === undefined || !dialect.cancel
        ? undefined
        : Effect.provideService(openCancelRequest(established, login.key), Transport, transport),
      // Sessions of a pool share their types.
      isReplaceable,
      role: sharedTypes === undefined ? undefined : roleOf(established.accepted, parameters, dialect),
      cancelTimeout,
      silenceTimeout: toMillis(config.silenceTimeout),
      fork: (effect) => run(Effect.forkIn(effect, scope, { startImmediately: true })),
      detach,
      onAsynchronous: (message, size) => {
        switch (message._tag) {
          case "ParameterStatus":
            // Hyper's sign of life while a statement runs, not a setting (H-20).
            if (message.name === "alive") break
            engine.changes.noteSetting(message.name, parameters.get(message.name), message.value)
            parameters.set(message.name, message.value)
            // Later texts would be decoded, and those already sent have been, in another encoding.
            if (message.name === "client_encoding") checkEncoding(message.value)
            engine.onParameterStatus?.(message.name, message.value)
            parameterChanges.publish(message, size)
            break
          case "NoticeResponse":
            notices.publish(message, size)
            onNotice?.(message, size)
            break
          case "NotificationResponse":
            engine.onNotification?.(message)
            notifications.publish(message, size)
        }
      },
      onClose: () => {
        notices.end()
        notifications.end()
        parameterChanges.end()
      }
    })
    engine.afterReset = established.afterReset
    yield* Effect.forkScoped(engine.readLoop, { startImmediately: true })
    yield* Effect.forkScoped(engine.watchdog, { startImmediately: true })
    yield* Effect.addFinalizer(() => close(engine, connection, isReplaceable))

    /** Simple queries are answered in the session's format, which Hyper reports and only the startup can set. */
    const simpleFormat = () => formats.get(parameters.get("result_format_code")?.toLowerCase()) ?? 0

    const info = {
      server: { kind: dialect.name, version, dialect },
      authentication: login.method,
      protocolVersion: login.protocolVersion,
      parameters: (): ReadonlyMap<string, string> => parameters,
      transactionStatus: () => engine.status,
      processId: login.key?.processId,
      tls: connection.tls(),
      notices: notices.stream,
      notifications: notifications.stream,
      parameterChanges: parameterChanges.stream
    }
    const runner = makeSessionRunner({
      engine,
      types,
      defaultPreset: preset,
      simpleFormat,
      statementCacheSize: config.statementCacheSize ?? 256,
      processId: login.key?.processId,
      hasFloatDatetimes: parameters.get("integer_datetimes") === "off",
      typeCheckInterval: toMillis(config.typeCheckInterval ?? 1000),
      searchPath: login.parameters.get("search_path"),
      queryTimeout: toMillis(config.queryTimeout),
      observer,
      // The commands of replication cannot have comments.
      commenter: config.parameters?.["replication"] === undefined
        ? makeCommenter(telemetry.comments, telemetry.traceComments)
        : undefined
    })
    return { session: { ...info, ...makeQueries(runner) }, runner }
  })

/** A session, and the runner of its queries, which holds its engine. */
export type OpenSession = Effect.Success<ReturnType<typeof openSession>>
