import { assert } from "@effect/vitest"
import type { QueryError, TransactionRolledBack } from "@hyperfect/client/QueryError"
import type * as Session from "@hyperfect/client/Session"
import * as Statement from "@hyperfect/client/Statement"
import { Effect, Fiber, Random, Stream } from "effect"
import { start } from "./fibers.ts"
import { fresh, longStatement, makeTable, open, servers, sockets } from "./servers.ts"

const { sql } = Statement

const one = [{ a: 1 }]

/** That the session answers, and that what it answers belongs to what it was asked. */
const check = Effect.fnUntraced(function*(session: Session.Session, token: string) {
  const { rows } = yield* session.values(sql`select ${token}::text`)
  assert.deepStrictEqual(rows, [[token]])
})

servers({
  both(it) {
    it.effect("cancels a query on the server, and the session lives on", () =>
      Effect.gen(function*() {
        const session = yield* open()
        const long = yield* longStatement
        const ways: ReadonlyArray<Effect.Effect<unknown, QueryError>> = [
          session.query(long),
          session.values(long),
          session.simple(long)
        ]
        for (const way of ways) {
          for (const milliseconds of [0, 1, 20]) {
            const outcome = yield* Effect.timeoutOption(way, milliseconds)
            assert.strictEqual(outcome._tag, "None")
            yield* check(session, `after ${milliseconds}`)
          }
        }
      }))

    it.effect("cancels a query of which the parameters are still on their way", () =>
      Effect.gen(function*() {
        const session = yield* open()
        const large = "x".repeat(30_000_000)
        const long = sql`select length(${large}::text), (${Statement.fromTextUnsafe(yield* longStatement)})`
        for (const milliseconds of [5, 30]) {
          assert.strictEqual((yield* Effect.timeoutOption(session.query(long), milliseconds))._tag, "None")
          yield* check(session, "alive")
        }
      }))

    it.effect("never sends what is interrupted before it was sent", () =>
      Effect.gen(function*() {
        const session = yield* open()
        const { insert, rows } = yield* makeTable(session)
        yield* insert(1)
        // In the tick in which it was asked for.
        yield* Fiber.interrupt(yield* start(insert(2)))
        // While a cancel request holds everything back.
        const long = yield* start(session.query(yield* longStatement))
        yield* Effect.sleep("20 millis")
        const cancelling = yield* start(Fiber.interrupt(long))
        const held = yield* start(insert(3))
        yield* Fiber.interrupt(held)
        yield* Fiber.join(cancelling)
        assert.deepStrictEqual(yield* rows, [1])
      }))

    it.effect("holds back others while a cancel request is under way, and then lets them go", () =>
      Effect.gen(function*() {
        const session = yield* open()
        const long = yield* start(session.query(yield* longStatement))
        yield* Effect.sleep("20 millis")
        const cancelling = yield* start(Fiber.interrupt(long))
        yield* Effect.forEach(["a", "b", "c"], (token) => check(session, token), { concurrency: "unbounded" })
        yield* Fiber.join(cancelling)
      }))

    it.effect("disturbs neither those before nor those behind it", () =>
      Effect.gen(function*() {
        const session = yield* open()
        const tokens = Array.from({ length: 30 }, (_, i) => `token ${i}`)
        yield* check(session, "prepared")
        const fibers = yield* Effect.forEach(tokens, (token) => start(check(session, token)))
        for (const [i, fiber] of fibers.entries()) if (i % 3 === 1) yield* Fiber.interrupt(fiber)
        for (const [i, fiber] of fibers.entries()) if (i % 3 !== 1) yield* Fiber.join(fiber)
        yield* check(session, "after")
      }))

    it.effect("cancels all of several queries when nobody waits for any of them", () =>
      Effect.gen(function*() {
        const session = yield* open()
        const long = yield* longStatement
        yield* session.query("select 1 as a")
        const all = Effect.all(Array.from({ length: 5 }, () => session.simple(long)), { concurrency: "unbounded" })
        assert.strictEqual((yield* Effect.timeoutOption(all, "50 millis"))._tag, "None")
        yield* check(session, "after").pipe(Effect.timeout("5 seconds"))
      }))

    it.effect("cancels a query although others, for whom nobody waits either, wait behind it", () =>
      Effect.gen(function*() {
        const session = yield* open()
        const long = yield* longStatement
        const ways: ReadonlyArray<(i: number) => Effect.Effect<unknown, QueryError | TransactionRolledBack>> = [
          // The statement of the second has to be prepared first.
          (i) => session.query(`select ${i}`),
          () => session.transaction(session.query("select 1")),
          () => session.simple("select 1"),
          () => Stream.runDrain(session.stream("select 1"))
        ]
        for (const [i, way] of ways.entries()) {
          const first = yield* start(session.simple(long))
          yield* Effect.sleep("10 millis")
          const second = yield* start(way(i))
          yield* Effect.sleep("10 millis")
          yield* Effect.all([Fiber.interrupt(first), Fiber.interrupt(second)]).pipe(Effect.timeout("4 seconds"))
          yield* check(session, "after").pipe(Effect.timeout("4 seconds"))
          assert.strictEqual(session.transactionStatus(), "I")
        }
      }))

    it.effect("cancels a query whose turn comes after it was interrupted", () =>
      Effect.gen(function*() {
        const session = yield* open()
        const short = session.server.kind === "postgres"
          ? "select 1 as a from (select pg_sleep(0.2)) as s"
          : "select case when count(*) > 0 then 1 else 0 end as a from generate_series(1, 100000000) as g(n) where n % 7 = 3"
        const first = yield* start(session.simple(short))
        const second = yield* start(session.simple(yield* longStatement))
        yield* Effect.sleep("10 millis")
        yield* Fiber.interrupt(second)
        assert.deepStrictEqual((yield* Fiber.join(first))[0]?.rows, one)
        yield* check(session, "after").pipe(Effect.timeout("5 seconds"))
      }))

    it.effect("never hits the query that comes next", () =>
      Effect.gen(function*() {
        const session = yield* open()
        const brief = session.server.kind === "postgres"
          ? sql`select pg_sleep(${0.001})`
          : sql`select count(*) from generate_series(1, ${100_000}) as g(n) where n % 7 = 3`
        const before = yield* sockets
        for (let i = 0; i < 200; i++) {
          const query = yield* start(session.query(brief))
          yield* Effect.sleep(yield* Random.nextIntBetween(0, 4))
          const interrupting = yield* start(Fiber.interrupt(query))
          yield* check(session, `beside ${i}`)
          yield* Fiber.join(interrupting)
          yield* check(session, `behind ${i}`)
        }
        yield* Effect.sleep("50 millis")
        assert.isAtMost(yield* sockets, before)
      }))
  },

  postgres(it) {
    it.effect("leaves nothing running on the server", () =>
      Effect.gen(function*() {
        const session = yield* open()
        const other = yield* open()
        const name = fresh("interrupted")
        yield* Effect.timeoutOption(session.query(`select pg_sleep(60) as ${name}`), "50 millis")
        const { rows } = yield* other.values(
          sql`select count(*)::int from pg_stat_activity where state = 'active' and query like ${"%" + name + "%"}
            and pid <> pg_backend_pid()`
        )
        assert.deepStrictEqual(rows, [[0]])
      }))
  }
})
