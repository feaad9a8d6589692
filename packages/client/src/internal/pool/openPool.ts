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
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { identity } from "effect/Function"
import type * as Metric from "effect/Metric"
import * as Scope from "effect/Scope"
import type { ConnectionConfig } from "../../ConnectionConfig.ts"
import { connectionCreateTime, connectionWaitTime, Telemetry } from "../../Telemetry.ts"
import { openSession } from "../client/openSession.ts"
import { canReach } from "../connect/establish.ts"
import { defaultRecheck, makeHostMemory, SharedHosts } from "../connect/hostMemory.ts"
import { makeListening } from "../notify/listening.ts"
import { makeQueries } from "../query/queries.ts"
import { Broadcast } from "../session/broadcast.ts"
import { NoticeSink } from "../session/notices.ts"
import { Observer } from "../session/observer.ts"
import { SharedTypes, TypeCatalogue } from "../statement/typeCatalogue.ts"
import { makePoolMetrics } from "./metrics.ts"
import type { Options, Pool, PoolNotice } from "./model.ts"
import { makePoolRunner } from "./poolRunner.ts"
import { SessionPool } from "./sessionPool.ts"
import { resolveSettings } from "./settings.ts"

/** The name of the pool in spans and metrics, by OpenTelemetry's conventions. */
const poolName = ({ database, endpoint, targetSessionAttrs, user }: ConnectionConfig) => ({
  "db.client.connection.pool.name": `${Endpoint.format(endpoint)}/${database ?? user}${
    targetSessionAttrs === "standby" ? " (standby)" : ""
  }`
})

/** Opens a pool. Waits until a session is open, unless the pool may be empty. Returns it with the runner of its queries. */
export const openPool = Effect.fnUntraced(
  function*(config: ConnectionConfig, options: Options, mayBeEmpty = false) {
    const settings = yield* resolveSettings(options)
    const context = yield* Effect.context<Scope.Scope | Transport | Authenticate.Services>()
    const clock = yield* Clock
    const types = new TypeCatalogue(yield* TypeRegistry.TypeRegistry, clock)
    const scope = yield* Scope.make()
    const run = Effect.runForkWith(context)
    const telemetry = yield* Telemetry
    const name = poolName(config)
    const observer = new Observer(name, telemetry)
    const metrics = telemetry.metrics === true ? makePoolMetrics(name, context) : undefined
    const timed = (metric: Metric.Histogram<number>) =>
      metrics === undefined ? identity : metrics.recordDuration(metric)
    const notices = new Broadcast<PoolNotice>()
    const fork = (effect: Effect.Effect<unknown>): void =>
      void run(Effect.forkIn(effect, scope, { startImmediately: true }))
    const hosts = makeHostMemory(
      (endpoint) => Effect.provideContext(canReach(config, endpoint), context),
      options.hostRecheck ?? defaultRecheck(),
      fork,
      () => sessions.opener.retryNow()
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
      Effect.ensuring(Effect.andThen(sessions.drain, Scope.close(scope, Exit.void)), Effect.sync(() => notices.end()))
    )
    if (!mayBeEmpty) yield* sessions.opener.open
    if (options.warmUp === true) { for (let i = 1; i < settings.min; i++) yield* sessions.opener.open }
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
        return sessions.opener.lastSession!.server
      },
      get authentication() {
        return sessions.opener.lastSession!.authentication
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
