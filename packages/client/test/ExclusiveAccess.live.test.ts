import { assert } from "@effect/vitest"
import type { QueryError, TransactionRolledBack } from "@hyperfect/client/QueryError"
import * as Statement from "@hyperfect/client/Statement"
import { Deferred, Effect, Fiber, Stream } from "effect"
import { describeServers, openSession, uniqueName } from "./liveServers.ts"

const { identifier, sql } = Statement

const text = new TextEncoder()

describeServers({
  both(it) {
    it.effect("a query stays out of a transaction that began while the query was being prepared", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const table = identifier(uniqueName("outside"))
        yield* session.query(sql`create table ${table} (a int)`)
        const insert = session.query(sql`insert into ${table} values (1)`)
        const [, failed] = yield* Effect.all([
          insert,
          Effect.exit(session.transaction(Effect.andThen(Effect.sleep("50 millis"), Effect.fail("no"))))
        ], { concurrency: "unbounded" })
        assert.strictEqual(failed._tag, "Failure")
        assert.strictEqual((yield* session.query(sql`select * from ${table}`)).rowCount, 1)
      }))

    it.effect("a query stays out of a COPY that began while the query was being prepared", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const table = uniqueName("copied")
        yield* session.query(`create table ${table} (a int)`)
        const rows = Stream.fromEffect(Effect.as(Effect.sleep("50 millis"), text.encode("1\n2\n")))
        const [answer, copied] = yield* Effect.all([
          session.query(sql`select ${7}::int as n`),
          session.copyIn(`copy ${table} from stdin with (format csv)`, rows)
        ], { concurrency: "unbounded" })
        assert.deepStrictEqual(answer.rows, [{ n: 7 }])
        assert.strictEqual(copied.rowCount, 2)
      }))

    it.effect("other fibers wait until a transaction has ended", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const began = yield* Deferred.make<void>()
        const log: Array<string> = []
        const transaction = yield* Effect.forkChild(session.transaction(Effect.gen(function*() {
          yield* session.query("select 1")
          yield* Deferred.succeed(began, undefined)
          yield* Effect.sleep("50 millis")
          yield* session.query("select 1")
          log.push("transaction")
        })))
        yield* Deferred.await(began)
        const others = ["query", "simple", "stream", "transaction"] as const
        yield* Effect.all([
          Effect.andThen(session.query("select 1"), Effect.sync(() => log.push("query"))),
          Effect.andThen(session.simple("select 1"), Effect.sync(() => log.push("simple"))),
          Effect.andThen(Stream.runDrain(session.stream("select 1")), Effect.sync(() => log.push("stream"))),
          session.transaction(Effect.andThen(session.query("select 1"), Effect.sync(() => log.push("transaction"))))
        ], { concurrency: "unbounded" })
        yield* Fiber.join(transaction)
        assert.strictEqual(log[0], "transaction")
        assert.sameMembers(log.slice(1), others as unknown as Array<string>)
      }))

    it.effect("several streams and queries use the session one after the other", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const count = Stream.runCount(session.stream("select n from generate_series(1, 20000) as g(n)"))
        const answers = yield* Effect.all([
          count,
          Effect.map(session.values("select 1"), ({ rows }) => rows[0]?.[0]),
          count,
          Effect.map(session.values("select 2"), ({ rows }) => rows[0]?.[0]),
          Stream.runCount(session.copyOut("copy (select 3) to stdout with (format csv)"))
        ], { concurrency: "unbounded" })
        assert.deepStrictEqual(answers, [20_000, 1, 20_000, 2, 1])
      }))

    it.effect("an interrupted waiter stops waiting, and the next one proceeds", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const [began, end] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
        const holder = yield* Effect.forkChild(
          session.transaction(Effect.andThen(Deferred.succeed(began, undefined), Deferred.await(end)))
        )
        yield* Deferred.await(began)
        const waiting = yield* Effect.forEach(
          [session.query("select 1"), Stream.runDrain(session.stream("select 1")), session.transaction(Effect.void)],
          (effect) => Effect.forkChild(effect, { startImmediately: true })
        )
        for (const fiber of waiting) yield* Fiber.interrupt(fiber)
        yield* Deferred.succeed(end, undefined)
        yield* Fiber.join(holder)
        assert.deepStrictEqual((yield* session.query("select 1 as a")).rows, [{ a: 1 }])
      }))

    it.effect("a query from a stream's own consumer fails, since it would deadlock", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const refused = (error: { readonly _tag: string }) => assert.strictEqual(error._tag, "UnsupportedError")
        const stream = session.stream("select n from generate_series(1, 3) as g(n)")
        const table = uniqueName("copied")
        yield* session.query(`create table ${table} (n int)`)
        const inside: ReadonlyArray<Effect.Effect<unknown, QueryError | TransactionRolledBack>> = [
          session.query("select 1"),
          session.simple("select 1"),
          Stream.runDrain(session.stream("select 1")),
          session.transaction(Effect.void)
        ]
        for (const effect of inside) {
          refused(yield* Effect.flip(Stream.runForEach(stream, () => effect)))
          refused(yield* Effect.flip(Stream.runDrain(Stream.mapEffect(stream, () => effect))))
          refused(yield* Effect.flip(session.transaction(Stream.runForEach(stream, () => effect))))
        }
        const copy = `copy ${table} from stdin with (format csv)`
        const out = session.copyOut(`copy ${table} to stdout with (format csv)`)
        refused(yield* Effect.flip(session.copyIn(copy, out)))
        assert.deepStrictEqual((yield* session.query("select 1 as a")).rows, [{ a: 1 }])
      }))

    it.effect("the session is not lost if waiters are interrupted at any step", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        for (let steps = 0; steps < 60; steps++) {
          const fiber = yield* Effect.forkChild(
            Effect.scoped(Stream.runDrain(session.stream("select 1"))),
            { startImmediately: true }
          )
          for (let i = 0; i < steps; i++) yield* Effect.yieldNow
          yield* Fiber.interrupt(fiber)
        }
        assert.deepStrictEqual((yield* session.query("select 1 as a")).rows, [{ a: 1 }])
      }))
  }
})
