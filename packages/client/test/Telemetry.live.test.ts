import { assert } from "@effect/vitest"
import * as Session from "@hyperfect/client/Session"
import { fromTextUnsafe, sql } from "@hyperfect/client/Statement"
import * as Telemetry from "@hyperfect/client/Telemetry"
import * as BuiltIn from "@hyperfect/values/BuiltIn"
import { Cause, Effect, Exit, Fiber, Metric, Redacted, Scope, Stream, type Tracer } from "effect"
import { describeServers, openSession, TestServer, uniqueName } from "./liveServers.ts"
import { openPool, waitUntil } from "./pools.ts"
import { makeRecorder } from "./recorder.ts"

const attributesOf = (span: Tracer.NativeSpan | undefined) => Object.fromEntries(span!.attributes)

/** Everything of the spans that an exporter would receive. */
const exportedText = (spans: ReadonlyArray<Tracer.NativeSpan>): string =>
  spans.map((span) => {
    const { status } = span
    const cause = status._tag === "Ended" && Exit.isFailure(status.exit) ? Cause.pretty(status.exit.cause) : ""
    return JSON.stringify([span.name, [...span.attributes], span.events]) + cause
  }).join("\n")

/** Runs an effect with separate metrics; returns those of a name. */
const withMetrics = <A, E, R>(effect: Effect.Effect<A, E, R>) => {
  const registry = new Map()
  return Effect.provideService(effect, Metric.MetricRegistry, registry).pipe(
    Effect.andThen(Metric.snapshot),
    Effect.provideService(Metric.MetricRegistry, registry)
  )
}

const secret = "hunter2-\"quoted\"-ä"

describeServers({
  both(it) {
    it.effect("traces a query as a span by the conventions, and the opening of its session", () =>
      Effect.gen(function*() {
        const { config, kind } = yield* TestServer
        assert(config.endpoint._tag === "Tcp")
        const { spans, traced } = makeRecorder()
        yield* traced(Effect.gen(function*() {
          const session = yield* openSession()
          yield* session.query(sql`select ${1}::int as a, ${2}::int as b`)
        }))
        assert.deepStrictEqual(spans.map(({ kind, name }) => [name, kind]), [
          ["hyperfect.connect", "client"],
          ["SELECT app", "client"]
        ])
        assert.deepStrictEqual(attributesOf(spans[1]), {
          "db.system.name": kind === "hyper" ? "hyper" : "postgresql",
          "db.namespace": "app",
          "server.address": config.endpoint.host,
          "server.port": config.endpoint.port,
          "db.operation.name": "SELECT",
          "db.query.text": "select $1::int as a, $2::int as b",
          "db.response.returned_rows": 1
        })
        assert.deepStrictEqual(spans.map(({ status }) => status._tag), ["Ended", "Ended"])
      }))

    it.effect("records the SQLSTATE of an error, and interruption", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const { spans, traced } = makeRecorder()
        yield* traced(Effect.ignore(session.query("select 1 / 0")))
        const running = yield* Effect.forkChild(
          traced(session.query("select count(*) from generate_series(1, 1000000000) g(n)"))
        )
        yield* Effect.sleep("20 millis")
        yield* Fiber.interrupt(running)
        assert.deepInclude(attributesOf(spans[0]), { "db.response.status_code": "22012", "error.type": "22012" })
        assert.deepInclude(attributesOf(spans[1]), { "error.type": "interrupted" })
      }))

    it.effect("traces the statements of a transaction as its children", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const { spans, traced } = makeRecorder()
        yield* traced(session.transaction(Effect.andThen(
          session.query("select 1"),
          Stream.runDrain(session.streamValues("select n from generate_series(1, 5000) g(n)"))
        )))
        const [transaction, query, stream] = spans
        assert.deepStrictEqual(spans.map(({ name }) => name), ["TRANSACTION app", "SELECT app", "SELECT app"])
        for (const child of [query, stream]) {
          assert.strictEqual(child!.parent._tag === "Some" && child!.parent.value, transaction)
        }
        assert.strictEqual(attributesOf(stream)["db.response.returned_rows"], 5000)
      }))

    it.effect("traces batches, pipelines, prepared statements and COPY as one span each", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const table = uniqueName("shown")
        yield* session.query(`create table ${table} (a int)`)
        const { spans, traced } = makeRecorder()
        yield* traced(Effect.gen(function*() {
          yield* session.batch([`insert into ${table} values (1)`, `insert into ${table} values (2)`])
          yield* session.pipeline(["select 1", "select 2", "select 3"])
          const statement = yield* session.prepare("select cast($1 as int) as n", [BuiltIn.int4])
          yield* statement.values(42)
          yield* statement.columns(42)
          yield* Stream.runDrain(statement.stream(42))
          yield* Stream.runDrain(session.copyOut(`copy (select 1) to stdout with (format csv)`))
        })).pipe(Effect.scoped)
        assert.deepStrictEqual(
          spans.map((
            span
          ) => [span.name, attributesOf(span)["db.operation.batch.size"] ?? attributesOf(span)["db.query.text"]]),
          [
            ["BATCH app", 2],
            ["PIPELINE app", 3],
            ["SELECT app", "select cast($1 as int) as n"],
            ["SELECT app", "select cast($1 as int) as n"],
            ["SELECT app", "select cast($1 as int) as n"],
            ["SELECT app", "select cast($1 as int) as n"],
            ["COPY app", "copy (select ?) to stdout with (format csv)"]
          ]
        )
      }))

    it.effect("makes no span without a tracer, where it is disabled, and if spans are off", () =>
      Effect.gen(function*() {
        const { config } = yield* TestServer
        const { spans, traced } = makeRecorder()
        const session = yield* openSession()
        yield* session.query("select 1")
        yield* traced(Effect.withTracerEnabled(session.query("select 1"), false))
        const silent = yield* Effect.provideService(Session.make(config), Telemetry.Telemetry, { spans: false })
        yield* traced(silent.query("select 1"))
        assert.deepStrictEqual(spans, [])
        const quiet = yield* Effect.provideService(Session.make(config), Telemetry.Telemetry, { queryText: false })
        yield* traced(quiet.query("select 1"))
        assert.notProperty(attributesOf(spans[0]), "db.query.text")
      }))

    it.effect("records the duration of operations, their rows, errors and bytes", () =>
      Effect.gen(function*() {
        const { config } = yield* TestServer
        const snapshot = yield* withMetrics(Effect.gen(function*() {
          const session = yield* Effect.provide(Session.make(config), Telemetry.layer())
          yield* session.query("select n from generate_series(1, 7) g(n)")
          yield* session.query("select n from generate_series(1, 8) g(n)")
          yield* Effect.ignore(session.query("select 1 / 0"))
        }))
        const of = (id: string, attributes: Record<string, string> = {}) =>
          snapshot.filter((metric) =>
            metric.id === id &&
            Object.entries(attributes).every(([key, value]) => metric.attributes?.[key] === value)
          ).map(({ state }) => state as never as { readonly count: number; readonly sum: number })
        assert.deepInclude(of("db.client.response.returned_rows")[0], { count: 2, sum: 15 })
        const durations = of("db.client.operation.duration", { "db.operation.name": "SELECT", "db.namespace": "app" })
        assert.sameMembers(durations.map(({ count }) => count), [2, 1])
        assert.strictEqual(of("db.client.operation.duration", { "error.type": "22012" })[0]!.count, 1)
        for (const direction of ["receive", "transmit"]) {
          assert.isAbove(of("hyperfect.client.io", { "network.io.direction": direction })[0]!.count, 50)
        }
      }))

    it.effect("contains no parameter, row, literal or password, whatever fails", () =>
      Effect.gen(function*() {
        const { config, kind } = yield* TestServer
        const table = uniqueName("secrets")
        const { spans, traced } = makeRecorder()
        const snapshot = yield* withMetrics(traced(
          Effect.gen(function*() {
            const session = yield* Session.make(config)
            yield* session.query(`create table ${table} (a text not null)`)
            yield* session.query(sql`insert into ${fromTextUnsafe(table)} values (${secret})`)
            yield* session.query(`select '${secret}' as a from ${table}`)
            yield* Stream.runDrain(session.stream(sql`select a from ${fromTextUnsafe(table)} where a = ${secret}`))
            yield* session.copyIn(
              `copy ${table} from stdin with (format csv)`,
              Stream.make(new TextEncoder().encode("hunter2\n"))
            )
            yield* Effect.ignore(session.query(sql`select cast(${secret} as text)::int`))
            yield* Effect.ignore(session.query(`select '${secret}'::int`))
            yield* Effect.ignore(session.simple(`select '${secret}'::int`))
            yield* Effect.ignore(session.query(sql`select ${{ hunter2: Symbol("hunter2") }}::int`))
            if (kind === "postgres") yield* session.simple(`set local search_path = '${secret}'`)
            yield* Effect.ignore(Effect.scoped(Session.make({ ...config, password: Redacted.make("hunter2") })))
          }).pipe(Effect.provide(Telemetry.layer()))
        ))
        const all = exportedText(spans) + JSON.stringify(snapshot.map(({ attributes, id }) => [id, attributes]))
        assert.isAbove(spans.length, 8)
        assert.include(all, "insert into")
        assert.notInclude(all, "hunter2")
      }))

    it.effect("records the sessions of a pool, and the time of waiting for them", () =>
      Effect.gen(function*() {
        const registry = new Map()
        const value = (id: string, state?: string) =>
          Effect.map(Metric.snapshot, (metrics) =>
            metrics.filter((metric) =>
              metric.id === id && (state === undefined || metric.attributes?.["db.client.connection.state"] === state)
            ).map(({ state }) =>
              state as never as { readonly count: number; readonly value: number }
            )[0])
        yield* Effect.scoped(Effect.gen(function*() {
          const { pool } = yield* openPool({ min: 2, max: 2, warmUp: true, acquireTimeout: "1 second" })
          yield* Effect.scoped(Effect.gen(function*() {
            const borrowed = yield* Scope.make()
            yield* Effect.all([pool.session, pool.session]).pipe(Scope.provide(borrowed))
            yield* Effect.ignore(pool.query("select 1"))
            const waiting = yield* Effect.forkChild(Effect.exit(pool.query("select 1")), { startImmediately: true })
            // The metrics of a pool are updated every second.
            const isUpToDate = Effect.zipWith(
              value("db.client.connection.count", "used"),
              value("db.client.connection.timeouts"),
              (used, timeouts) => used?.value === 2 && timeouts?.count !== undefined && timeouts.count > 0
            )
            yield* Effect.repeat(Effect.delay(isUpToDate, "10 millis"), { until: (isUpToDate) => isUpToDate })
            yield* Scope.close(borrowed, Exit.void)
            yield* Fiber.join(waiting)
          }))
          assert.strictEqual((yield* value("db.client.connection.max"))!.value, 2)
          assert.strictEqual((yield* value("db.client.connection.idle.min"))!.value, 2)
          assert.isDefined(yield* value("db.client.connection.pending_requests"))
          assert.strictEqual((yield* value("db.client.connection.create_time"))!.count, 2)
        })).pipe(
          Effect.andThen(value("db.client.connection.count", "idle")),
          Effect.map((idle) => assert.strictEqual(idle!.value, 0)),
          Effect.provide(Telemetry.layer()),
          Effect.provideService(Metric.MetricRegistry, registry)
        )
      }))

    it.effect("records the time of waiting for a session of a pool", () =>
      Effect.gen(function*() {
        const snapshot = yield* withMetrics(
          Effect.scoped(Effect.gen(function*() {
            const { pool } = yield* openPool({ max: 1 })
            const waiting = yield* Effect.scoped(Effect.gen(function*() {
              yield* pool.session
              const waiting = yield* Effect.forkChild(pool.query("select 1"), { startImmediately: true })
              yield* waitUntil(() => pool.stats().waiting === 1)
              return waiting
            }))
            yield* Fiber.join(waiting)
          })).pipe(Effect.provide(Telemetry.layer()))
        )
        const waits = snapshot.find(({ id }) => id === "db.client.connection.wait_time")
        assert.strictEqual((waits!.state as never as { readonly count: number }).count, 1)
      }))

    it.effect("traces the wait for a session of a pool as a span", () =>
      Effect.gen(function*() {
        const { spans, traced } = makeRecorder()
        const { pool } = yield* openPool({ max: 1 })
        const [began] = yield* Effect.scoped(Effect.gen(function*() {
          yield* pool.session
          const waiting = yield* Effect.forkChild(traced(pool.query("select 1")), { startImmediately: true })
          yield* waitUntil(() => pool.stats().waiting === 1)
          return [waiting]
        }))
        yield* Fiber.join(began!)
        assert.deepStrictEqual(spans.map(({ name }) => name), ["hyperfect.acquire", "SELECT app"])
        assert.property(attributesOf(spans[0]), "db.client.connection.pool.name")
      }))
  }
})
