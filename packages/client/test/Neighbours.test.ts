/** What becomes of those who wait behind a statement that is interrupted. */
import { assert, describe, it } from "@effect/vitest"
import type { QueryError, TransactionRolledBack } from "@hyperfect/client/QueryError"
import type * as Session from "@hyperfect/client/Session"
import * as Statement from "@hyperfect/client/Statement"
import { Transport } from "@hyperfect/transport/Transport"
import { Effect, Exit, Fiber, Random, Result, Scope } from "effect"
import { TestClock } from "effect/testing"
import { start } from "./fibers.ts"
import { watch } from "./pools.ts"
import { complete, error, meet, meetWith, puppet, ready } from "./puppet.ts"
import { fresh, longStatement, makeTable, open, servers } from "./servers.ts"

const { identifier, sql } = Statement

/** All that may wait behind a statement that is cancelled, and that each gets its own answer. */
const neighbours = (
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

servers({
  both(it) {
    it.effect("they do not wait for it", () =>
      Effect.gen(function*() {
        const session = yield* open()
        const long = yield* longStatement
        const ways = Object.keys(neighbours(session, ""))
        for (const way of ways) {
          for (const first of [Effect.asVoid(session.query(long)), Effect.asVoid(session.simple(long))]) {
            const running = yield* start(first)
            // In the same tick, and when it is known to run.
            const behind = [yield* start(neighbours(session, "a")[way]!)]
            yield* Effect.sleep("30 millis")
            behind.push(yield* start(neighbours(session, "b")[way]!))
            yield* Effect.yieldNow
            yield* Fiber.interrupt(running)
            behind.push(yield* start(neighbours(session, "c")[way]!))
            for (const fiber of behind) yield* Fiber.join(fiber).pipe(Effect.timeout("20 seconds"))
          }
        }
        assert.strictEqual(session.transactionStatus(), "I")
      }), 60_000)

    it.effect("they are done once, whenever it is interrupted", () =>
      Effect.gen(function*() {
        const session = yield* open()
        const { insert, rows } = yield* makeTable(session)
        const brief = session.server.kind === "postgres"
          ? sql`select pg_sleep(${0.025})`
          : sql`select count(*) from generate_series(1, ${2_000_000}) as g(n) where n % 7 = 3`
        const count = 60
        for (let i = 0; i < count; i++) {
          const running = yield* start(session.query(brief))
          const behind = [yield* start(insert(i)), yield* start(neighbours(session, `token ${i}`)["query"]!)]
          // About when it ends by itself.
          yield* Effect.sleep(yield* Random.nextIntBetween(0, 12))
          const interrupting = yield* start(Fiber.interrupt(running))
          for (const fiber of behind) yield* Fiber.join<unknown, unknown>(fiber).pipe(Effect.timeout("20 seconds"))
          yield* Fiber.join(interrupting)
        }
        assert.deepStrictEqual(yield* rows, Array.from({ length: count }, (_, i) => i))
      }), 60_000)
  },

  postgres(it) {
    it.effect("what cannot be run again waits, and is not cancelled", () =>
      Effect.gen(function*() {
        const session = yield* open()
        const name = fresh("procedure")
        yield* session.simple(`
          create table ${name}_t (a int);
          create procedure ${name}() language plpgsql as $$
            begin
              insert into ${name}_t values (1); commit;
              perform pg_sleep(0.05);
              insert into ${name}_t values (2);
            end $$`)
        const running = yield* start(session.query("select pg_sleep(0.2)"))
        const behind = yield* start(session.execute(sql`call ${identifier(name)}()`))
        yield* Effect.sleep("50 millis")
        yield* Fiber.interrupt(running)
        yield* Fiber.join(behind)
        assert.deepStrictEqual((yield* session.values(`select a from ${name}_t order by a`)).rows, [[1], [2]])
      }))
  }
})

const empty = { _tag: "EmptyQueryResponse" } as const

/** A server that counts the requests to cancel something. */
const counting = (options: { readonly dialect?: "hyper" } = {}) => {
  const requests = { count: 0 }
  return {
    requests,
    layer: puppet({ ...options, onCancel: Effect.sync(() => void requests.count++) })
  }
}

describe("a neighbour of an interrupted statement", () => {
  const { layer, requests } = counting()

  it.effect("goes on behind it", () =>
    Effect.gen(function*() {
      const before = requests.count
      const { server, session } = yield* meet
      const running = yield* start(session.simple("select 1"))
      const behind = yield* start(session.simple("select 2"))
      yield* server.hear("Query", "Query")
      const interrupting = yield* start(Fiber.interrupt(running))
      // It may end by itself in a moment.
      yield* Effect.yieldNow
      assert.strictEqual(requests.count, before)
      yield* TestClock.adjust("50 millis")
      assert.strictEqual(requests.count, before + 1)
      yield* server.say(error("57014"), ready(), complete("SELECT 2"), ready())
      yield* Fiber.join(interrupting)
      assert.strictEqual((yield* Fiber.join(behind))[0]?.commandTag, "SELECT 2")
    }).pipe(Effect.scoped, Effect.provide(layer)))

  it.effect("is not cancelled for it when it ends by itself in time", () =>
    Effect.gen(function*() {
      const before = requests.count
      const { server, session } = yield* meet
      const running = yield* start(session.simple("select 1"))
      const behind = yield* start(session.simple("select 2"))
      yield* server.hear("Query", "Query")
      const interrupting = yield* start(Fiber.interrupt(running))
      yield* TestClock.adjust("10 millis")
      yield* server.say(complete("SELECT 1"), ready())
      yield* Fiber.join(interrupting)
      yield* TestClock.adjust("1 second")
      yield* server.say(complete("SELECT 2"), ready())
      assert.strictEqual((yield* Fiber.join(behind))[0]?.commandTag, "SELECT 2")
      assert.strictEqual(requests.count, before)
    }).pipe(Effect.scoped, Effect.provide(layer)))

  it.effect("is run again, once, when the request has hit it", () =>
    Effect.gen(function*() {
      const { server, session } = yield* meet
      const running = yield* start(session.simple("select 1"))
      const behind = yield* start(session.simple("select 2"))
      const last = yield* start(session.simple("select 3"))
      yield* server.hear("Query", "Query", "Query")
      const interrupting = yield* start(Fiber.interrupt(running))
      yield* TestClock.adjust("50 millis")
      yield* server.say(complete("SELECT 1"), ready(), error("57014"), ready(), complete("SELECT 3"), ready())
      yield* Fiber.join(interrupting)
      assert.include(yield* server.hear("Query"), { query: "select 2" })
      yield* server.say(complete("SELECT 2"), ready())
      assert.strictEqual((yield* Fiber.join(behind))[0]?.commandTag, "SELECT 2")
      assert.strictEqual((yield* Fiber.join(last))[0]?.commandTag, "SELECT 3")
    }).pipe(Effect.scoped, Effect.provide(layer)))

  it.effect("is prepared again under its name, which the server may know by now", () =>
    Effect.gen(function*() {
      const { server, session } = yield* meet
      const running = yield* start(session.simple("select 1"))
      const behind = yield* start(session.query("select 2"))
      yield* server.hear("Query", "Parse", "Describe", "Sync")
      const interrupting = yield* start(Fiber.interrupt(running))
      yield* TestClock.adjust("50 millis")
      yield* server.say(complete("SELECT 1"), ready(), { _tag: "ParseComplete" }, error("57014"), ready())
      yield* Fiber.join(interrupting)
      yield* server.hear("Close", "Parse", "Describe", "Sync")
      yield* server.say({ _tag: "CloseComplete" }, { _tag: "ParseComplete" })
      yield* server.say({ _tag: "ParameterDescription", parameterTypes: [] }, { _tag: "NoData" }, ready())
      yield* server.hear("Bind", "Execute", "Sync")
      yield* server.say({ _tag: "BindComplete" }, complete("SELECT 2"), ready())
      assert.strictEqual((yield* Fiber.join(behind)).commandTag, "SELECT 2")
    }).pipe(Effect.scoped, Effect.provide(layer)))

  it.effect("is told when it is cancelled again, by somebody else", () =>
    Effect.gen(function*() {
      const { server, session } = yield* meet
      const running = yield* start(session.simple("select 1"))
      const behind = yield* start(Effect.flip(session.simple("select 2")))
      yield* server.hear("Query", "Query")
      const interrupting = yield* start(Fiber.interrupt(running))
      yield* TestClock.adjust("50 millis")
      yield* server.say(complete("SELECT 1"), ready(), error("57014"), ready())
      yield* Fiber.join(interrupting)
      yield* server.hear("Query")
      yield* server.say(error("57014"), ready())
      const failure = yield* Fiber.join(behind)
      assert.isTrue(failure._tag === "ServerError" && failure.reason._tag === "QueryCanceled")
    }).pipe(Effect.scoped, Effect.provide(layer)))

  it.effect.each([
    "call p()",
    "vacuum",
    "select 1; select 2",
    "create index concurrently i on t (a)"
  ])("that cannot be run again is never hit: %s", (text) =>
    Effect.gen(function*() {
      const before = requests.count
      const { server, session } = yield* meet
      const running = yield* start(session.simple("select 1"))
      const behind = yield* start(session.simple(text))
      yield* server.hear("Query", "Query")
      yield* Fiber.interrupt(running)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(requests.count, before)
      yield* server.say(complete("SELECT 1"), ready(), complete("DONE"), ready())
      assert.strictEqual((yield* Fiber.join(behind))[0]?.commandTag, "DONE")
    }).pipe(Effect.scoped, Effect.provide(layer)))

  it.effect("that has to be run before others is never hit", () =>
    Effect.gen(function*() {
      const before = requests.count
      const { server, session } = yield* meetWith({ statementCacheSize: 0 })
      const running = yield* start(session.simple("select 1"))
      const behind = yield* start(session.pipeline(["insert into t values (1)", "select count(*) from t"]))
      const group = ["Parse", "Bind", "Describe", "Execute", "Sync"] as const
      yield* server.hear("Query", ...group, ...group)
      yield* Fiber.interrupt(running)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(requests.count, before)
      const begun = [{ _tag: "ParseComplete" }, { _tag: "BindComplete" }, { _tag: "NoData" }] as const
      yield* server.say(complete("SELECT 1"), ready())
      yield* server.say(...begun, complete("INSERT 0 1"), ready(), ...begun, complete("SELECT 1"), ready())
      const tags = (yield* Fiber.join(behind)).map((result) => Result.getOrThrow(result).commandTag)
      assert.deepStrictEqual(tags, ["INSERT 0 1", "SELECT 1"])
    }).pipe(Effect.scoped, Effect.provide(layer)))

  it.effect("is never hit when the one before it may have begun a transaction", () =>
    Effect.gen(function*() {
      const before = requests.count
      const { server, session } = yield* meet
      for (const text of ["begin", "select 1; begin", "/* why */ start transaction"]) {
        const running = yield* start(session.simple(text))
        const behind = yield* start(session.simple("select 2"))
        yield* server.hear("Query", "Query")
        yield* Fiber.interrupt(running)
        yield* TestClock.adjust("10 seconds")
        yield* server.say(complete("BEGIN"), ready("T"), complete("SELECT 2"), ready("T"))
        yield* Fiber.join(behind)
        const end = yield* start(session.simple("rollback"))
        yield* server.hear("Query")
        yield* server.say(complete("ROLLBACK"), ready())
        yield* Fiber.join(end)
      }
      assert.strictEqual(requests.count, before)
    }).pipe(Effect.scoped, Effect.provide(layer)))

  it.effect("of Hyper is run again when the server breaks it off without a word", () => {
    const { layer } = counting({ dialect: "hyper" })
    return Effect.gen(function*() {
      const { server, session } = yield* meet
      const running = yield* start(session.query("select 1"))
      const behind = yield* start(session.query("select 2"))
      const group = ["Parse", "Bind", "Describe", "Execute", "Sync"] as const
      yield* server.hear(...group, ...group)
      const interrupting = yield* start(Fiber.interrupt(running))
      yield* TestClock.adjust("50 millis")
      const begun = [{ _tag: "ParseComplete" }, { _tag: "BindComplete" }, { _tag: "NoData" }] as const
      yield* server.say(...begun, complete("SELECT 1"), ready(), ...begun, ready())
      yield* Fiber.join(interrupting)
      yield* server.hear(...group)
      yield* server.say(...begun, complete("SELECT 2"), ready())
      assert.strictEqual((yield* Fiber.join(behind)).commandTag, "SELECT 2")

      const second = yield* start(session.simple("select 3"))
      const third = yield* start(session.simple("select 4"))
      yield* server.hear("Query", "Query")
      const again = yield* start(Fiber.interrupt(second))
      yield* TestClock.adjust("50 millis")
      yield* server.say(complete("SELECT 3"), ready(), ready())
      yield* Fiber.join(again)
      yield* server.hear("Query")
      yield* server.say(complete("SELECT 4"), ready())
      assert.strictEqual((yield* Fiber.join(third))[0]?.commandTag, "SELECT 4")
    }).pipe(Effect.scoped, Effect.provide(layer))
  })

  it.effect("that is interrupted too is gone, although it would be run again", () =>
    Effect.gen(function*() {
      const { server, session } = yield* meet
      const running = yield* start(session.simple("select 1"))
      const behind = yield* start(session.simple("select 2"))
      yield* server.hear("Query", "Query")
      const interrupting = yield* start(Fiber.interrupt(running))
      yield* TestClock.adjust("50 millis")
      const both = yield* start(Fiber.interrupt(behind))
      yield* server.say(complete("SELECT 1"), ready(), error("57014"), ready())
      yield* Fiber.join(interrupting)
      yield* Fiber.join(both)
      const next = yield* start(session.simple(""))
      assert.include(yield* server.hear("Query"), { query: "" })
      yield* server.say(empty, ready())
      yield* Fiber.join(next)
    }).pipe(Effect.scoped, Effect.provide(layer)))
})

describe("a neighbour of a prepared statement that is closed", () => {
  it.effect("may take as long as it likes", () =>
    Effect.gen(function*() {
      const { server, session } = yield* meet
      const scope = yield* Scope.make()
      const preparing = yield* start(Scope.provide(session.prepare("select 1"), scope))
      yield* server.hear("Parse", "Describe", "Sync")
      const described = { _tag: "ParameterDescription", parameterTypes: [] } as const
      yield* server.say({ _tag: "ParseComplete" }, described, { _tag: "NoData" }, ready())
      yield* Fiber.join(preparing)
      const running = yield* start(session.simple("select 2"))
      yield* server.hear("Query")
      const closing = yield* start(Scope.close(scope, Exit.void))
      yield* server.hear("Close", "Sync")
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(closing)
      yield* server.say(complete("SELECT 2"), ready(), { _tag: "CloseComplete" }, ready())
      assert.strictEqual((yield* Fiber.join(running))[0]?.commandTag, "SELECT 2")
    }).pipe(Effect.scoped, Effect.provide(puppet())))
})

describe("who interrupts a statement", () => {
  it.effect("does not wait long for a server that does not answer; the session is given up all the same", () =>
    Effect.gen(function*() {
      const { server, session } = yield* meet
      const running = yield* start(Effect.timeoutOption(session.simple("select 1"), "1 second"))
      yield* server.hear("Query")
      yield* TestClock.adjust("1 second")
      yield* TestClock.adjust("1 second")
      assert.isDefined(running.pollUnsafe())
      const later = yield* start(Effect.flip(session.simple("select 2")))
      yield* TestClock.adjust("5 seconds")
      const failure = yield* Fiber.join(later)
      assert.isTrue(failure._tag === "TransportError" && failure.reason._tag === "Unresponsive")
      assert.strictEqual(failure.sent, "nothing")
    }).pipe(Effect.scoped, Effect.provide(puppet())))

  it.effect("does not keep a session for ever whose transport dies of the request", () =>
    Effect.gen(function*() {
      const inner = yield* Transport
      let lines = 0
      const transport: Transport["Service"] = {
        ...inner,
        connect: (...to) => Effect.suspend(() => lines++ === 0 ? inner.connect(...to) : Effect.die("no line"))
      }
      const { server, session } = yield* Effect.provideService(meet, Transport, transport)
      const running = yield* start(session.simple("select 1"))
      yield* server.hear("Query")
      const interrupting = yield* start(Fiber.interrupt(running))
      const later = yield* start(Effect.flip(session.simple("select 2")))
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(interrupting)
      const failure = yield* Fiber.join(later)
      assert.isTrue(failure._tag === "TransportError" && failure.reason._tag === "Unresponsive")
      assert.isAbove(lines, 2)
    }).pipe(Effect.scoped, Effect.provide(puppet())))

  it.effect("leaves nothing behind when the session is closed meanwhile", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const { lines, transport } = watch(yield* Transport)
      const { server, session } = yield* meet.pipe(
        Scope.provide(scope),
        Effect.provideService(Transport, transport)
      )
      const running = yield* start(session.simple("select 1"))
      yield* server.hear("Query")
      const interrupting = yield* start(Fiber.interrupt(running))
      while (lines.open < 2) yield* Effect.yieldNow
      const closing = yield* start(Scope.close(scope, Exit.void))
      yield* server.hear("Terminate")
      yield* server.hangUp
      yield* Fiber.join(closing)
      yield* Fiber.join(interrupting)
      assert.strictEqual(lines.open, 0)
    }).pipe(Effect.provide(puppet({ onCancel: Effect.never }))))
})
