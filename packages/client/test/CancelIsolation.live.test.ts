/** Statements queued behind a statement that is interrupted. */
import { assert, describe, it } from "@effect/vitest"
import type { QueryError, TransactionRolledBack } from "@hyperfect/client/QueryError"
import * as Session from "@hyperfect/client/Session"
import * as Statement from "@hyperfect/client/Statement"
import { Transport } from "@hyperfect/transport/Transport"
import * as TransportError from "@hyperfect/transport/TransportError"
import { Effect, Exit, Fiber, Random, Result, Schedule, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import { forkImmediately } from "./fibers.ts"
import { describeServers, longRunningStatement, makeTable, openSession, TestServer, uniqueName } from "./liveServers.ts"
import { complete, connect, connectWith, error, manualServer, ready, type Server } from "./manualServer.ts"
import { trackConnections } from "./pools.ts"

const { identifier, sql } = Statement

/** All operations that may be queued behind a cancelled statement; each checks that it gets its own response. */
const queuedOperations = (
  session: Session.Session,
  token: string
): Readonly<Record<string, Effect.Effect<void, QueryError | TransactionRolledBack>>> => {
  const statement = sql`select ${token}::text as token`
  const rows = [{ token }]
  return {
    query: Effect.map(session.query(statement), (result) => assert.deepStrictEqual(result.rows, rows)),
    values: Effect.map(session.values(statement), (result) => assert.deepStrictEqual(result.rows, [[token]])),
    columns: Effect.map(session.columns(statement), ({ rowCount }) => assert.strictEqual(rowCount, 1)),
    execute: Effect.map(session.execute(statement), ({ rowCount }) => assert.strictEqual(rowCount, 1)),
    simple: Effect.map(
      session.simple(`select '${token}' as token`),
      (results) => assert.deepStrictEqual(results.map(({ rows }) => rows), [rows])
    ),
    batch: Effect.map(
      session.batch([statement, statement]),
      (results) => assert.deepStrictEqual(results.map(({ rows }) => rows), [rows, rows])
    ),
    pipeline: Effect.map(
      session.pipeline([statement, statement]),
      (results) => assert.deepStrictEqual(results.map((result) => Result.getOrThrow(result).rows), [rows, rows])
    ),
    transaction: Effect.map(
      session.transaction(session.query(statement)),
      (result) => assert.deepStrictEqual(result.rows, rows)
    )
  }
}

describeServers({
  both(it) {
    it.effect("queries behind an interrupted one complete", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const long = yield* longRunningStatement
        const ways = Object.keys(queuedOperations(session, ""))
        for (const way of ways) {
          for (const first of [Effect.asVoid(session.query(long)), Effect.asVoid(session.simple(long))]) {
            const running = yield* forkImmediately(first)
            // Once in the same tick, and once when it is known to run.
            const behind = [yield* forkImmediately(queuedOperations(session, "a")[way]!)]
            yield* Effect.sleep("30 millis")
            behind.push(yield* forkImmediately(queuedOperations(session, "b")[way]!))
            yield* Effect.yieldNow
            yield* Fiber.interrupt(running)
            behind.push(yield* forkImmediately(queuedOperations(session, "c")[way]!))
            for (const fiber of behind) yield* Fiber.join(fiber).pipe(Effect.timeout("20 seconds"))
          }
        }
        assert.strictEqual(session.transactionStatus(), "I")
      }), 60_000)

    it.effect("queries behind an interrupted one run exactly once", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const { insert, rows } = yield* makeTable(session)
        const brief = session.server.kind === "postgres"
          ? sql`select pg_sleep(${0.025})`
          : sql`select count(*) from generate_series(1, ${2_000_000}) as g(n) where n % 7 = 3`
        const count = 60
        for (let i = 0; i < count; i++) {
          const running = yield* forkImmediately(session.query(brief))
          const behind = [
            yield* forkImmediately(insert(i)),
            yield* forkImmediately(queuedOperations(session, `token ${i}`)["query"]!)
          ]
          // At about the time when it completes.
          yield* Effect.sleep(yield* Random.nextIntBetween(0, 12))
          const interrupting = yield* forkImmediately(Fiber.interrupt(running))
          for (const fiber of behind) yield* Fiber.join<unknown, unknown>(fiber).pipe(Effect.timeout("20 seconds"))
          yield* Fiber.join(interrupting)
        }
        assert.deepStrictEqual(yield* rows, Array.from({ length: count }, (_, i) => i))
      }), 60_000)
  },

  postgres(it) {
    it.effect("a statement is not cancelled while statements behind it cannot be run again", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const name = uniqueName("procedure")
        yield* session.simple(`
          create table ${name}_t (a int);
          create procedure ${name}() language plpgsql as $$
            begin
              insert into ${name}_t values (1); commit;
              perform pg_sleep(0.05);
              insert into ${name}_t values (2);
            end $$`)
        const running = yield* forkImmediately(session.query("select pg_sleep(0.2)"))
        const behind = yield* forkImmediately(session.execute(sql`call ${identifier(name)}()`))
        yield* Effect.sleep("50 millis")
        yield* Fiber.interrupt(running)
        yield* Fiber.join(behind)
        assert.deepStrictEqual((yield* session.values(`select a from ${name}_t order by a`)).rows, [[1], [2]])
      }))

    it.effect("a statement that is ended by its own statement_timeout or by an administrator is not run again", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const other = yield* openSession()
        const sequence = uniqueName("runs")
        yield* session.simple(`create sequence ${sequence}`)
        const counted = `select nextval('${sequence}'), pg_sleep(20)`
        const cancelled = (prepare: string, meanwhile: Effect.Effect<unknown, QueryError>) =>
          Effect.gen(function*() {
            yield* session.simple(prepare)
            const running = yield* forkImmediately(session.simple("select pg_sleep(20)"))
            const behind = yield* forkImmediately(Effect.flip(session.simple(counted)))
            yield* Effect.sleep("30 millis")
            yield* Fiber.interrupt(running)
            yield* meanwhile
            const failure = yield* Fiber.join(behind).pipe(Effect.timeout("20 seconds"))
            assert.isTrue(failure._tag === "ServerError" && failure.reason._tag === "QueryCanceled")
          })
        yield* cancelled("set statement_timeout = 1000", Effect.void)
        const runs = other.values(sql`select from pg_stat_activity
          where pid = ${session.processId}::int and query = ${counted} and wait_event = 'PgSleep'`)
        const cancelLater = Effect.gen(function*() {
          yield* Effect.repeat(runs, { until: ({ rowCount }) => rowCount === 1, schedule: Schedule.spaced("5 millis") })
          // Long after the request for the one before it, which could have hit it.
          yield* Effect.sleep("300 millis")
          yield* other.query(sql`select pg_cancel_backend(${session.processId}::int)`)
        })
        yield* cancelled("set statement_timeout = 0", cancelLater)
        assert.deepStrictEqual((yield* other.values(`select nextval('${sequence}')::int`)).rows, [[3]])
      }))

    it.effect("thousands of queries interrupted together need few cancel requests, and the session stays usable", () =>
      Effect.gen(function*() {
        const { config } = yield* TestServer
        const { connections, transport } = trackConnections(yield* Transport)
        const session = yield* Effect.provideService(Session.make(config), Transport, transport)
        const first = yield* forkImmediately(session.simple("select pg_sleep(20)"))
        const all = yield* Effect.forEach(
          Array.from({ length: 4000 }, (_, i) => i),
          (i) => forkImmediately(session.simple(`select ${i}`))
        )
        yield* Effect.sleep("100 millis")
        yield* Effect.forEach([first, ...all], Fiber.interrupt, { concurrency: "unbounded", discard: true })
        const { rows } = yield* session.values("select 1").pipe(Effect.timeout("20 seconds"))
        assert.deepStrictEqual(rows, [[1]])
        assert.isBelow(connections.attempts, 50)
      }))

    it.effect(
      "many slow queries interrupted together are all cancelled, each with its own deadline",
      () =>
        Effect.gen(function*() {
          const session = yield* openSession()
          const all = yield* Effect.forEach(
            Array.from({ length: 300 }, (_, i) => i),
            () => forkImmediately(session.simple("select pg_sleep(20)"))
          )
          yield* Effect.sleep("50 millis")
          yield* Effect.forEach(all, Fiber.interrupt, { concurrency: "unbounded", discard: true })
          const { rows } = yield* session.values("select 1").pipe(Effect.timeout("50 seconds"))
          assert.deepStrictEqual(rows, [[1]])
        }),
      60_000
    )
  }
})

const empty = { _tag: "EmptyQueryResponse" } as const

/** A server that counts cancel requests. */
const countCancelRequests = (options: { readonly dialect?: "hyper" } = {}) => {
  const requests = { count: 0 }
  return {
    requests,
    layer: manualServer({ ...options, onCancel: Effect.sync(() => void requests.count++) })
  }
}

describe("a query behind an interrupted statement", () => {
  const { layer, requests } = countCancelRequests()

  it.effect("completes", () =>
    Effect.gen(function*() {
      const before = requests.count
      const { server, session } = yield* connect
      const running = yield* forkImmediately(session.simple("select 1"))
      const behind = yield* forkImmediately(session.simple("select 2"))
      yield* server.expect("Query", "Query")
      const interrupting = yield* forkImmediately(Fiber.interrupt(running))
      // It may complete within a moment.
      yield* Effect.yieldNow
      assert.strictEqual(requests.count, before)
      yield* TestClock.adjust("50 millis")
      assert.strictEqual(requests.count, before + 1)
      yield* server.send(error("57014"), ready(), complete("SELECT 2"), ready())
      yield* Fiber.join(interrupting)
      assert.strictEqual((yield* Fiber.join(behind))[0]?.commandTag, "SELECT 2")
    }).pipe(Effect.scoped, Effect.provide(layer)))

  it.effect("needs no cancel request if the interrupted statement completes in time", () =>
    Effect.gen(function*() {
      const before = requests.count
      const { server, session } = yield* connect
      const running = yield* forkImmediately(session.simple("select 1"))
      const behind = yield* forkImmediately(session.simple("select 2"))
      yield* server.expect("Query", "Query")
      const interrupting = yield* forkImmediately(Fiber.interrupt(running))
      yield* TestClock.adjust("10 millis")
      yield* server.send(complete("SELECT 1"), ready())
      yield* Fiber.join(interrupting)
      yield* TestClock.adjust("1 second")
      yield* server.send(complete("SELECT 2"), ready())
      assert.strictEqual((yield* Fiber.join(behind))[0]?.commandTag, "SELECT 2")
      assert.strictEqual(requests.count, before)
    }).pipe(Effect.scoped, Effect.provide(layer)))

  it.effect("is run again, once, if the request hit it", () =>
    Effect.gen(function*() {
      const { server, session } = yield* connect
      const running = yield* forkImmediately(session.simple("select 1"))
      const behind = yield* forkImmediately(session.simple("select 2"))
      const last = yield* forkImmediately(session.simple("select 3"))
      yield* server.expect("Query", "Query", "Query")
      const interrupting = yield* forkImmediately(Fiber.interrupt(running))
      yield* TestClock.adjust("50 millis")
      yield* server.send(complete("SELECT 1"), ready(), error("57014"), ready(), complete("SELECT 3"), ready())
      yield* Fiber.join(interrupting)
      assert.include(yield* server.expect("Query"), { query: "select 2" })
      yield* server.send(complete("SELECT 2"), ready())
      assert.strictEqual((yield* Fiber.join(behind))[0]?.commandTag, "SELECT 2")
      assert.strictEqual((yield* Fiber.join(last))[0]?.commandTag, "SELECT 3")
    }).pipe(Effect.scoped, Effect.provide(layer)))

  it.effect("is not run again if the request hit its target, but is retryable by its caller", () =>
    Effect.gen(function*() {
      const { server, session } = yield* connect
      const running = yield* forkImmediately(session.simple("select 1"))
      const behind = yield* forkImmediately(Effect.flip(session.simple("select 2")))
      yield* server.expect("Query", "Query")
      const interrupting = yield* forkImmediately(Fiber.interrupt(running))
      yield* TestClock.adjust("50 millis")
      yield* server.send(error("57014"), ready(), error("57014"), ready())
      yield* Fiber.join(interrupting)
      const failure = yield* Fiber.join(behind)
      assert.isTrue(failure._tag === "ServerError" && failure.reason._tag === "QueryCanceled")
      assert.isTrue(failure.isRetryable)
    }).pipe(Effect.scoped, Effect.provide(layer)))

  it.effect("is not run again if it is cancelled some time after the request, by its own timeout or by another client", () =>
    Effect.gen(function*() {
      const { server, session } = yield* connect
      const running = yield* forkImmediately(session.simple("select 1"))
      const behind = yield* forkImmediately(Effect.flip(session.simple("select 2")))
      yield* server.expect("Query", "Query")
      const interrupting = yield* forkImmediately(Fiber.interrupt(running))
      yield* TestClock.adjust("50 millis")
      yield* server.send(complete("SELECT 1"), ready())
      yield* Fiber.join(interrupting)
      yield* TestClock.adjust("150 millis")
      yield* server.send(error("57014"), ready())
      const failure = yield* Fiber.join(behind)
      assert.isTrue(failure._tag === "ServerError" && failure.reason._tag === "QueryCanceled")
      assert.isTrue(failure.isRetryable)
    }).pipe(Effect.scoped, Effect.provide(layer)))

  it.effect("is prepared again under its name, which the server may already know", () =>
    Effect.gen(function*() {
      const { server, session } = yield* connect
      const running = yield* forkImmediately(session.simple("select 1"))
      const behind = yield* forkImmediately(session.query("select 2"))
      yield* server.expect("Query", "Parse", "Describe", "Sync")
      const interrupting = yield* forkImmediately(Fiber.interrupt(running))
      yield* TestClock.adjust("50 millis")
      yield* server.send(complete("SELECT 1"), ready(), { _tag: "ParseComplete" }, error("57014"), ready())
      yield* Fiber.join(interrupting)
      yield* server.expect("Close", "Parse", "Describe", "Sync")
      yield* server.send({ _tag: "CloseComplete" }, { _tag: "ParseComplete" })
      yield* server.send({ _tag: "ParameterDescription", parameterTypes: [] }, { _tag: "NoData" }, ready())
      yield* server.expect("Bind", "Execute", "Sync")
      yield* server.send({ _tag: "BindComplete" }, complete("SELECT 2"), ready())
      assert.strictEqual((yield* Fiber.join(behind)).commandTag, "SELECT 2")
    }).pipe(Effect.scoped, Effect.provide(layer)))

  it.effect("fails if it is cancelled again, by another client", () =>
    Effect.gen(function*() {
      const { server, session } = yield* connect
      const running = yield* forkImmediately(session.simple("select 1"))
      const behind = yield* forkImmediately(Effect.flip(session.simple("select 2")))
      yield* server.expect("Query", "Query")
      const interrupting = yield* forkImmediately(Fiber.interrupt(running))
      yield* TestClock.adjust("50 millis")
      yield* server.send(complete("SELECT 1"), ready(), error("57014"), ready())
      yield* Fiber.join(interrupting)
      yield* server.expect("Query")
      yield* server.send(error("57014"), ready())
      const failure = yield* Fiber.join(behind)
      assert.isTrue(failure._tag === "ServerError" && failure.reason._tag === "QueryCanceled")
    }).pipe(Effect.scoped, Effect.provide(layer)))

  it.effect.each([
    "call p()",
    "vacuum",
    "select 1; select 2",
    "create index concurrently i on t (a)"
  ])("is never exposed to a request if it cannot be run again: %s", (text) =>
    Effect.gen(function*() {
      const before = requests.count
      const { server, session } = yield* connect
      const running = yield* forkImmediately(session.simple("select 1"))
      const behind = yield* forkImmediately(session.simple(text))
      yield* server.expect("Query", "Query")
      yield* Fiber.interrupt(running)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(requests.count, before)
      yield* server.send(complete("SELECT 1"), ready(), complete("DONE"), ready())
      assert.strictEqual((yield* Fiber.join(behind))[0]?.commandTag, "DONE")
    }).pipe(Effect.scoped, Effect.provide(layer)))

  it.effect("is never exposed to a request if it has to run before others", () =>
    Effect.gen(function*() {
      const before = requests.count
      const { server, session } = yield* connectWith({ statementCacheSize: 0 })
      const running = yield* forkImmediately(session.simple("select 1"))
      const behind = yield* forkImmediately(session.pipeline(["insert into t values (1)", "select count(*) from t"]))
      const group = ["Parse", "Bind", "Describe", "Execute", "Sync"] as const
      yield* server.expect("Query", ...group, ...group)
      yield* Fiber.interrupt(running)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(requests.count, before)
      const begun = [{ _tag: "ParseComplete" }, { _tag: "BindComplete" }, { _tag: "NoData" }] as const
      yield* server.send(complete("SELECT 1"), ready())
      yield* server.send(...begun, complete("INSERT 0 1"), ready(), ...begun, complete("SELECT 1"), ready())
      const tags = (yield* Fiber.join(behind)).map((result) => Result.getOrThrow(result).commandTag)
      assert.deepStrictEqual(tags, ["INSERT 0 1", "SELECT 1"])
    }).pipe(Effect.scoped, Effect.provide(layer)))

  it.effect("is never exposed to a request if the statement before it may have begun a transaction", () =>
    Effect.gen(function*() {
      const before = requests.count
      const { server, session } = yield* connect
      for (const text of ["begin", "select 1; begin", "/* why */ start transaction"]) {
        const running = yield* forkImmediately(session.simple(text))
        const behind = yield* forkImmediately(session.simple("select 2"))
        yield* server.expect("Query", "Query")
        yield* Fiber.interrupt(running)
        yield* TestClock.adjust("10 seconds")
        yield* server.send(complete("BEGIN"), ready("T"), complete("SELECT 2"), ready("T"))
        yield* Fiber.join(behind)
        const end = yield* forkImmediately(session.simple("rollback"))
        yield* server.expect("Query")
        yield* server.send(complete("ROLLBACK"), ready())
        yield* Fiber.join(end)
      }
      assert.strictEqual(requests.count, before)
    }).pipe(Effect.scoped, Effect.provide(layer)))

  it.effect("is run again on Hyper if the server ends it without an error", () => {
    const { layer } = countCancelRequests({ dialect: "hyper" })
    return Effect.gen(function*() {
      const { server, session } = yield* connect
      const running = yield* forkImmediately(session.query("select 1"))
      const behind = yield* forkImmediately(session.query("select 2"))
      const group = ["Parse", "Bind", "Describe", "Execute", "Sync"] as const
      yield* server.expect(...group, ...group)
      const interrupting = yield* forkImmediately(Fiber.interrupt(running))
      yield* TestClock.adjust("50 millis")
      const begun = [{ _tag: "ParseComplete" }, { _tag: "BindComplete" }, { _tag: "NoData" }] as const
      yield* server.send(...begun, complete("SELECT 1"), ready(), ...begun, ready())
      yield* Fiber.join(interrupting)
      yield* server.expect(...group)
      yield* server.send(...begun, complete("SELECT 2"), ready())
      assert.strictEqual((yield* Fiber.join(behind)).commandTag, "SELECT 2")

      const second = yield* forkImmediately(session.simple("select 3"))
      const third = yield* forkImmediately(session.simple("select 4"))
      yield* server.expect("Query", "Query")
      const again = yield* forkImmediately(Fiber.interrupt(second))
      yield* TestClock.adjust("50 millis")
      yield* server.send(complete("SELECT 3"), ready(), ready())
      yield* Fiber.join(again)
      yield* server.expect("Query")
      yield* server.send(complete("SELECT 4"), ready())
      assert.strictEqual((yield* Fiber.join(third))[0]?.commandTag, "SELECT 4")
    }).pipe(Effect.scoped, Effect.provide(layer))
  })

  it.effect("is dropped if it is interrupted too, although it would be run again", () =>
    Effect.gen(function*() {
      const { server, session } = yield* connect
      const running = yield* forkImmediately(session.simple("select 1"))
      const behind = yield* forkImmediately(session.simple("select 2"))
      yield* server.expect("Query", "Query")
      const interrupting = yield* forkImmediately(Fiber.interrupt(running))
      yield* TestClock.adjust("50 millis")
      const both = yield* forkImmediately(Fiber.interrupt(behind))
      yield* server.send(complete("SELECT 1"), ready(), error("57014"), ready())
      yield* Fiber.join(interrupting)
      yield* Fiber.join(both)
      const next = yield* forkImmediately(session.simple(""))
      assert.include(yield* server.expect("Query"), { query: "" })
      yield* server.send(empty, ready())
      yield* Fiber.join(next)
    }).pipe(Effect.scoped, Effect.provide(layer)))
})

describe("closing a prepared statement", () => {
  it.effect("does not time out queries ahead of it", () =>
    Effect.gen(function*() {
      const { server, session } = yield* connect
      const scope = yield* Scope.make()
      const preparing = yield* forkImmediately(Scope.provide(session.prepare("select 1"), scope))
      yield* server.expect("Parse", "Describe", "Sync")
      const described = { _tag: "ParameterDescription", parameterTypes: [] } as const
      yield* server.send({ _tag: "ParseComplete" }, described, { _tag: "NoData" }, ready())
      yield* Fiber.join(preparing)
      const running = yield* forkImmediately(session.simple("select 2"))
      yield* server.expect("Query")
      const closing = yield* forkImmediately(Scope.close(scope, Exit.void))
      yield* server.expect("Close", "Sync")
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(closing)
      yield* server.send(complete("SELECT 2"), ready(), { _tag: "CloseComplete" }, ready())
      assert.strictEqual((yield* Fiber.join(running))[0]?.commandTag, "SELECT 2")
    }).pipe(Effect.scoped, Effect.provide(manualServer())))
})

describe("interrupting a statement", () => {
  it.effect("waits only briefly for a server that does not answer, and the session is closed later", () =>
    Effect.gen(function*() {
      const { server, session } = yield* connect
      const running = yield* forkImmediately(Effect.timeoutOption(session.simple("select 1"), "1 second"))
      yield* server.expect("Query")
      yield* TestClock.adjust("1 second")
      yield* TestClock.adjust("1 second")
      assert.isDefined(running.pollUnsafe())
      const later = yield* forkImmediately(Effect.flip(session.simple("select 2")))
      yield* TestClock.adjust("5 seconds")
      const failure = yield* Fiber.join(later)
      assert.isTrue(failure._tag === "TransportError" && failure.reason._tag === "Unresponsive")
      assert.strictEqual(failure.sent, "nothing")
    }).pipe(Effect.scoped, Effect.provide(manualServer())))

  it.effect.each(["dies", "is refused", "hangs"] as const)(
    "does no harm to a healthy session if the connection for the request %s",
    (fate) =>
      Effect.gen(function*() {
        const inner = yield* Transport
        let lines = 0
        const refused = TransportError.fromReason(
          new TransportError.OpenFailed({ endpoint: "db", code: "ECONNREFUSED" })
        )
        const line = { dies: Effect.die("no line"), "is refused": Effect.fail(refused), hangs: Effect.never }[fate]
        const transport: Transport["Service"] = {
          ...inner,
          connect: (...to) => Effect.suspend(() => lines++ === 0 ? inner.connect(...to) : line)
        }
        const { server, session } = yield* Effect.provideService(connect, Transport, transport)
        const running = yield* forkImmediately(session.simple("select 1"))
        const behind = yield* forkImmediately(session.simple("select 2"))
        yield* server.expect("Query", "Query")
        const interrupting = yield* forkImmediately(Fiber.interrupt(running))
        const later = yield* forkImmediately(session.simple("select 3"))
        yield* TestClock.adjust("1 minute")
        yield* Fiber.join(interrupting)
        assert.isAbove(lines, 2)
        yield* server.send(complete("SELECT 1"), ready(), complete("SELECT 2"), ready())
        assert.strictEqual((yield* Fiber.join(behind))[0]?.commandTag, "SELECT 2")
        yield* server.expect("Query")
        yield* server.send(complete("SELECT 3"), ready())
        assert.strictEqual((yield* Fiber.join(later))[0]?.commandTag, "SELECT 3")
      }).pipe(Effect.scoped, Effect.provide(manualServer()))
  )

  it.effect("does no harm to a healthy session whose server sends no cancel key", () =>
    Effect.gen(function*() {
      const { server, session } = yield* connect
      assert.isUndefined(session.processId)
      const running = yield* forkImmediately(session.simple("select 1"))
      const behind = yield* forkImmediately(session.simple("select 2"))
      yield* server.expect("Query", "Query")
      yield* Fiber.interrupt(running)
      const later = yield* forkImmediately(session.simple("select 3"))
      yield* server.expect("Query")
      yield* TestClock.adjust("1 minute")
      yield* server.send(complete("SELECT 1"), ready(), complete("SELECT 2"), ready(), complete("SELECT 3"), ready())
      assert.strictEqual((yield* Fiber.join(behind))[0]?.commandTag, "SELECT 2")
      assert.strictEqual((yield* Fiber.join(later))[0]?.commandTag, "SELECT 3")
    }).pipe(Effect.scoped, Effect.provide(manualServer({ hasKey: false }))))

  it.effect("returns within a moment on a frozen connection, whatever operation was in flight", () =>
    Effect.gen(function*() {
      const described = { _tag: "ParameterDescription", parameterTypes: [] } as const
      const prepared = [{ _tag: "ParseComplete" }, described, { _tag: "NoData" }, ready()] as const
      type Way = (session: Session.Session, server: Server) => Effect.Effect<void, unknown>
      const ways: Readonly<Record<string, Way>> = {
        "a query": (session) => Effect.asVoid(session.query("select 1")),
        "a prepared statement": (session, server) =>
          Effect.scoped(Effect.gen(function*() {
            const preparing = yield* forkImmediately(Effect.andThen(server.expect("Parse"), server.send(...prepared)))
            const statement = yield* session.prepare("select 1")
            yield* Fiber.join(preparing)
            yield* statement.query()
          })),
        "a transaction": (session, server) =>
          Effect.gen(function*() {
            yield* forkImmediately(Effect.andThen(server.expect("Query"), server.send(complete("BEGIN"), ready("T"))))
            yield* session.transaction(session.simple("select 1"))
          }),
        "a commit": (session, server) =>
          Effect.gen(function*() {
            yield* forkImmediately(Effect.andThen(server.expect("Query"), server.send(complete("BEGIN"), ready("T"))))
            yield* session.transaction(Effect.void)
          }),
        "a stream": (session) => Stream.runDrain(session.stream("select 1")),
        "a portal": (session) => Stream.runDrain(session.stream("select 1", { fetchSize: 1 })),
        "a copy": (session) => Effect.asVoid(session.copyIn("copy t from stdin", Stream.never))
      }
      for (const [name, way] of Object.entries(ways)) {
        const { server, session } = yield* connect
        const running = yield* forkImmediately(Effect.timeoutOption(way(session, server), "500 millis"))
        for (let i = 0; i < 50; i++) yield* Effect.yieldNow
        yield* TestClock.adjust("500 millis")
        yield* TestClock.adjust("100 millis")
        assert.isDefined(running.pollUnsafe(), name)
      }
    }).pipe(Effect.scoped, Effect.provide(manualServer({ onCancel: Effect.never }))))

  it.effect("opens one connection to cancel it, and no other once it has ended", () =>
    Effect.gen(function*() {
      const { connections, transport } = trackConnections(yield* Transport)
      const { server, session } = yield* Effect.provideService(connect, Transport, transport)
      const running = yield* forkImmediately(session.simple("select 1"))
      yield* server.expect("Query")
      const interrupting = yield* forkImmediately(Fiber.interrupt(running))
      while (connections.attempts < 2 || connections.open > 1) yield* Effect.yieldNow
      yield* server.send(error("57014"), ready())
      yield* Fiber.join(interrupting)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(connections.attempts, 2)
    }).pipe(Effect.scoped, Effect.provide(manualServer())))

  it.effect("leaves nothing behind if the session is closed meanwhile", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const { connections, transport } = trackConnections(yield* Transport)
      const { server, session } = yield* connect.pipe(
        Scope.provide(scope),
        Effect.provideService(Transport, transport)
      )
      const running = yield* forkImmediately(session.simple("select 1"))
      yield* server.expect("Query")
      const interrupting = yield* forkImmediately(Fiber.interrupt(running))
      while (connections.open < 2) yield* Effect.yieldNow
      const closing = yield* forkImmediately(Scope.close(scope, Exit.void))
      yield* server.expect("Terminate")
      yield* server.disconnect
      yield* Fiber.join(closing)
      yield* Fiber.join(interrupting)
      assert.strictEqual(connections.open, 0)
    }).pipe(Effect.provide(manualServer({ onCancel: Effect.never }))))
})
