/**
 * Opens pools.
 *
 * @internal
 */
import type * as Authenticate from "@hyperfect/auth/Authenticate"
import * as Endpoint from "@hyperfect/transport/Endpoint"
import type { Transport } from "@hyperfect/transport/Transport"
import * as TypeRegistry from "@hyperfect/values/TypeRegistry"
import { Clock } from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { identity } from "effect/Function"
import type * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import type { ConnectionConfig } from "../../ConnectionConfig.ts"
import { ConnectionConfigError } from "../../ConnectionConfigError.ts"
import type { QueryError } from "../../QueryError.ts"
import type { ConnectError } from "../../Session.ts"
import { connectionCreateTime, connectionWaitTime, Telemetry } from "../../Telemetry.ts"
import { openSession } from "../client/openSession.ts"
import { canReach } from "../connect/establish.ts"
import { defaultRecheck, HostMemory, SharedHosts } from "../connect/hostMemory.ts"
import { makeListening } from "../notify/listening.ts"
import { makeQueries } from "../query/queries.ts"
import { Broadcast } from "../session/broadcast.ts"
import { NoticeSink } from "../session/notices.ts"
import { Observer } from "../session/observer.ts"
import { SharedTypes, TypeCatalogue } from "../statement/typeCatalogue.ts"
import { PoolMetrics } from "./metrics.ts"
import type { Options, Pool, PoolNotice } from "./model.ts"
import { makePoolRunner, type PoolRunner } from "./poolRunner.ts"
import { SessionPool } from "./sessionPool.ts"
import type { Settings } from "./state.ts"

const count = (setting: string, value: number | undefined, absent: number, least: number) =>
  value === undefined
    ? Effect.succeed(absent)
    : value >= least && (Number.isInteger(value) || value === Infinity)
    ? Effect.succeed(value)
    : Effect.fail(
      new ConnectionConfigError({ setting, kind: "invalid", problem: `must be an integer of at least ${least}` })
    )

const resolveSettings = Effect.fnUntraced(
  function*(options: Options): Effect.fn.Return<Settings, ConnectionConfigError> {
    const duration = (
      setting: keyof Options,
      value: Duration.Input | undefined,
      absent: Duration.Input
    ): Effect.Effect<number, ConnectionConfigError> =>
      Option.match(Duration.fromInput(value ?? absent), {
        onNone: () =>
          Effect.fail(new ConnectionConfigError({ setting, kind: "invalid", problem: "must be a duration" })),
        onSome: (duration) => Effect.succeed(Duration.toMillis(duration))
      })
    const max = yield* count("max", options.max, 10, 1)
    const min = yield* count("min", options.min, 0, 0)
    if (min > max) {
      return yield* new ConnectionConfigError({
        setting: "min",
        kind: "invalid",
        problem: "must not be greater than max"
      })
    }
    return {
      min,
      max,
      depth: yield* count("depth", options.depth, 32, 1),
      isPacked: options.sharing === "packed",
      maxWaiting: yield* count("maxWaiting", options.maxWaiting, Infinity, 0),
      failFastAfter: yield* duration("failFastAfter", options.failFastAfter, Duration.infinity),
      reconnect: options.hostRecheck,
      acquireTimeout: yield* duration("acquireTimeout", options.acquireTimeout, "30 seconds"),
      idleTimeout: yield* duration("idleTimeout", options.idleTimeout, "10 minutes"),
      lifetime: yield* duration("lifetime", options.lifetime, "30 minutes"),
      checkAfter: yield* duration("checkAfter", options.checkAfter, "30 seconds"),
      resetAlways: options.reset === "always",
      drainTimeout: yield* duration("drainTimeout", options.drainTimeout, "5 seconds"),
      onConnect: options.onConnect ?? (() => Effect.void),
      onAcquire: options.onAcquire
    }
  }
)

/** The name of the pool in spans and metrics, by OpenTelemetry's conventions. */
const poolName = ({ database, endpoint, targetSessionAttrs, user }: ConnectionConfig) => ({
  "db.client.connection.pool.name": `${Endpoint.format(endpoint)}/${database ?? user}${
    targetSessionAttrs === "standby" ? " (standby)" : ""
  }`
})

/** A pool, and the runner of its queries. */
export interface OpenPool {
  readonly pool: Pool
  readonly runner: PoolRunner
}

/** Opens a pool. Waits until a session is open, unless the pool may be empty. */
export const openPool = Effect.fnUntraced(
  function*(config: ConnectionConfig, options: Options, mayBeEmpty = false): Effect.fn.Return<
    OpenPool,
    ConnectError | QueryError | ConnectionConfigError,
    Scope.Scope | Transport | Authenticate.Services
  > {
    const settings = yield* resolveSettings(options)
    const context = yield* Effect.context<Scope.Scope | Transport | Authenticate.Services>()
    const clock = yield* Clock
    const types = new TypeCatalogue(yield* TypeRegistry.TypeRegistry, clock)
    const scope = yield* Scope.make()
    const run = Effect.runForkWith(context)
    const telemetry = yield* Telemetry
    const name = poolName(config)
    const observer = new Observer(name, telemetry)
    const metrics = telemetry.metrics === true ? new PoolMetrics(name, context) : undefined
    const timed = (metric: Metric.Histogram<number>) =>
      metrics === undefined ? identity : metrics.recordDuration(metric)
    const notices = new Broadcast<PoolNotice>()
    const fork = (effect: Effect.Effect<unknown>): void =>
      void run(Effect.forkIn(effect, scope, { startImmediately: true }))
    const hosts = new HostMemory(
      (endpoint) => Effect.provideContext(canReach(config, endpoint), context),
      options.hostRecheck ?? defaultRecheck,
      fork,
      () => sessions.retryNow()
    )
    const sessions: SessionPool = new SessionPool(
      settings,
      // Each session has its own scope; types learned by one session are shared with all. Once none is left, the
      // database may have been replaced, with other types under the same OIDs.
      Effect.suspend(() => {
        if (sessions.stats().size === 0) types.invalidate()
        return openSession(config)
      }).pipe(
        timed(connectionCreateTime),
        Effect.provideService(SharedTypes, types),
        Effect.provideService(SharedHosts, hosts),
        Effect.provideService(NoticeSink, (notice, processId, size) => notices.publish({ processId, notice }, size)),
        Effect.provide(Context.omit(Scope.Scope)(context))
      ),
      clock,
      fork
    )
    yield* Effect.addFinalizer(() =>
      Effect.ensuring(
        Effect.andThen(sessions.drain, Scope.close(scope, Exit.void)),
        Effect.sync(() => notices.end())
      )
    )
    if (!mayBeEmpty) yield* sessions.openOne
    if (options.warmUp === true) { for (let i = 1; i < settings.min; i++) yield* sessions.openOne }
    yield* Effect.forkIn(sessions.run, scope, { startImmediately: true })
    if (metrics !== undefined) {
      yield* Effect.forkIn(metrics.run(() => sessions.stats(), settings), scope, { startImmediately: true })
    }
    const { listening, refresh: refreshListening } = yield* makeListening(config, options.notifications)
    const timedWait = timed(connectionWaitTime)
    const runner = makePoolRunner(
      sessions,
      settings,
      (wait) => observer.effect({ name: "hyperfect.acquire" }, timedWait(wait))
    )
    const pool: Pool = {
      ...makeQueries(runner),
      session: runner.session,
      soleSession: runner.soleSession,
      ...listening,
      get server() {
        return sessions.lastSession.server
      },
      get authentication() {
        return sessions.lastSession.authentication
      },
      refresh: Effect.sync(() => {
        hosts.forget()
        sessions.refresh()
      }).pipe(Effect.andThen(refreshListening)),
      stats: () => sessions.stats(),
      notices: notices.stream
    }
    return { pool, runner }
  }
)
