import { assert } from "@effect/vitest"
import type { QueryError, TransactionRolledBack } from "@hyperfect/client/QueryError"
import type * as Session from "@hyperfect/client/Session"
import * as Statement from "@hyperfect/client/Statement"
import { Effect, Fiber, Random, Schedule, Stream } from "effect"
import { forkImmediately } from "./fibers.ts"
import {
  describeServers,
  endlessRows,
  longRunningStatement,
  makeTable,
  openSession,
  openSocketCount,
  openSocketsAtMost,
  uniqueName
} from "./liveServers.ts"

const { sql } = Statement

const one = [{ a: 1 }]

/** Checks that the session answers a query with its own result. */
const assertResponsive = Effect.fnUntraced(function*(session: Session.Session, token: string) {
  const { rows } = yield* session.values(sql`select ${token}::text`)
  assert.deepStrictEqual(rows, [[token]])
})

describeServers({
  both(it) {
    it.effect("an interrupted query is cancelled on the server, and the session stays usable", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const long = yield* longRunningStatement
        const ways: ReadonlyArray<Effect.Effect<unknown, QueryError>> = [
          session.query(long),
          session.values(long),
          session.simple(long)
        ]
        for (const way of ways) {
          for (const milliseconds of [0, 1, 20]) {
            const outcome = yield* Effect.timeoutOption(way, milliseconds)
            assert.strictEqual(outcome._tag, "None")
            yield* assertResponsive(session, `after ${milliseconds}`)
          }
        }
      }))

    it.effect("a query is cancelled while its parameters are still being sent", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const large = "x".repeat(30_000_000)
        const long = sql`select length(${large}::text), (${Statement.fromTextUnsafe(yield* longRunningStatement)})`
        for (const milliseconds of [5, 30]) {
          assert.strictEqual((yield* Effect.timeoutOption(session.query(long), milliseconds))._tag, "None")
          yield* assertResponsive(session, "alive")
        }
      }))

    it.effect("a query that is interrupted before it was sent is never sent", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const { insert, rows } = yield* makeTable(session)
        yield* insert(1)
        // In the tick in which it was submitted.
        yield* Fiber.interrupt(yield* forkImmediately(insert(2)))
        // While a cancel request blocks all writes.
        const long = yield* forkImmediately(session.query(yield* longRunningStatement))
        yield* Effect.sleep("20 millis")
        const cancelling = yield* forkImmediately(Fiber.interrupt(long))
        const held = yield* forkImmediately(insert(3))
        yield* Fiber.interrupt(held)
        yield* Fiber.join(cancelling)
        assert.deepStrictEqual(yield* rows, [1])
      }))

    it.effect("other queries wait while a cancel request is in flight, and then proceed", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const long = yield* forkImmediately(session.query(yield* longRunningStatement))
        yield* Effect.sleep("20 millis")
        const cancelling = yield* forkImmediately(Fiber.interrupt(long))
        yield* Effect.forEach(["a", "b", "c"], (token) => assertResponsive(session, token), {
          concurrency: "unbounded"
        })
        yield* Fiber.join(cancelling)
      }))

    it.effect("an interrupted query does not disturb those before or behind it", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const tokens = Array.from({ length: 30 }, (_, i) => `token ${i}`)
        yield* assertResponsive(session, "prepared")
        const fibers = yield* Effect.forEach(tokens, (token) => forkImmediately(assertResponsive(session, token)))
        for (const [i, fiber] of fibers.entries()) if (i % 3 === 1) yield* Fiber.interrupt(fiber)
        for (const [i, fiber] of fibers.entries()) if (i % 3 !== 1) yield* Fiber.join(fiber)
        yield* assertResponsive(session, "after")
      }))

    it.effect("several queries are all cancelled if all their callers are interrupted", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const long = yield* longRunningStatement
        yield* session.query("select 1 as a")
        const all = Effect.all(Array.from({ length: 5 }, () => session.simple(long)), { concurrency: "unbounded" })
        assert.strictEqual((yield* Effect.timeoutOption(all, "50 millis"))._tag, "None")
        yield* assertResponsive(session, "after").pipe(Effect.timeout("20 seconds"))
      }))

    it.effect("a query is cancelled although others, which are interrupted too, are queued behind it", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const long = yield* longRunningStatement
        const ways: ReadonlyArray<(i: number) => Effect.Effect<unknown, QueryError | TransactionRolledBack>> = [
          // The statement of the second has to be prepared first.
          (i) => session.query(`select ${i}`),
          () => session.transaction(session.query("select 1")),
          () => session.simple("select 1"),
          () => Stream.runDrain(session.stream("select 1"))
        ]
        for (const [i, way] of ways.entries()) {
          const first = yield* forkImmediately(session.simple(long))
          yield* Effect.sleep("10 millis")
          const second = yield* forkImmediately(way(i))
          yield* Effect.sleep("10 millis")
          yield* Effect.all([Fiber.interrupt(first), Fiber.interrupt(second)]).pipe(Effect.timeout("20 seconds"))
          yield* assertResponsive(session, "after").pipe(Effect.timeout("20 seconds"))
          assert.strictEqual(session.transactionStatus(), "I")
        }
      }))

    it.effect("a stream left in a finalizer of the session's scope is cancelled, and other finalizers can query", () =>
      Effect.gen(function*() {
        const answered = yield* Effect.scoped(Effect.gen(function*() {
          const session = yield* openSession()
          let answer: unknown
          yield* Effect.addFinalizer(() =>
            Effect.orDie(Effect.map(session.query("select 1 as a"), ({ rows }) => answer = rows))
          )
          const pull = yield* Stream.toPull(session.streamValues(yield* endlessRows))
          yield* pull
          return () => answer
        })).pipe(Effect.timeout("20 seconds"))
        assert.deepStrictEqual(answered(), one)
      }))

    it.effect("a query is cancelled if its turn comes after it was interrupted", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const short = session.server.kind === "postgres"
          ? "select 1 as a from (select pg_sleep(0.2)) as s"
          : "select case when count(*) > 0 then 1 else 0 end as a from generate_series(1, 100000000) as g(n) where n % 7 = 3"
        const first = yield* forkImmediately(session.simple(short))
        const second = yield* forkImmediately(session.simple(yield* longRunningStatement))
        yield* Effect.sleep("10 millis")
        yield* Fiber.interrupt(second)
        assert.deepStrictEqual((yield* Fiber.join(first))[0]?.rows, one)
        yield* assertResponsive(session, "after").pipe(Effect.timeout("20 seconds"))
      }))

    it.effect("a cancel request never hits the next query", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const brief = session.server.kind === "postgres"
          ? sql`select pg_sleep(${0.001})`
          : sql`select count(*) from generate_series(1, ${100_000}) as g(n) where n % 7 = 3`
        const before = yield* openSocketCount
        for (let i = 0; i < 200; i++) {
          const query = yield* forkImmediately(session.query(brief))
          yield* Effect.sleep(yield* Random.nextIntBetween(0, 4))
          const interrupting = yield* forkImmediately(Fiber.interrupt(query))
          yield* assertResponsive(session, `beside ${i}`)
          yield* Fiber.join(interrupting)
          yield* assertResponsive(session, `behind ${i}`)
        }
        yield* openSocketsAtMost(before)
      }))
  },

  postgres(it) {
    it.effect("an interrupted query leaves nothing running on the server", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const other = yield* openSession()
        const name = uniqueName("interrupted")
        yield* Effect.timeoutOption(session.query(`select pg_sleep(60) as ${name}`), "50 millis")
        const running = other.values(
          sql`select pid from pg_stat_activity where state = 'active' and query like ${"%" + name + "%"}
            and pid <> pg_backend_pid()`
        )
        // Who interrupts it goes after a moment, ended or not.
        yield* Effect.repeat(running, {
          until: ({ rowCount }) => rowCount === 0,
          schedule: Schedule.spaced("5 millis")
        })
          .pipe(Effect.timeout("20 seconds"))
      }))
  }
})
