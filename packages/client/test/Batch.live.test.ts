/** Batches and pipelines. */
import { assert, describe, it } from "@effect/vitest"
import * as Statement from "@hyperfect/client/Statement"
import { Effect, Fiber, Redacted, Result, Stream } from "effect"
import { forkImmediately } from "./fibers.ts"
import { describeServers, longRunningStatement, makeTable, openSession, uniqueName } from "./liveServers.ts"
import { complete, connect, error, manualServer, ready } from "./manualServer.ts"

const { identifier, sql } = Statement

describeServers({
  both(it) {
    it.effect("a batch runs as a whole and returns the result of each statement", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const table = identifier(uniqueName("batch"))
        const results = yield* session.batch([
          sql`create table ${table} (a int, b text)`,
          sql`insert into ${table} values (${1}, ${"one"}), (${2}, ${"two"})`,
          sql`insert into ${table} values (${3}, ${null})`,
          sql`select a, b from ${table} order by a`
        ])
        assert.deepStrictEqual(results.map(({ commandTag }) => commandTag), [
          "CREATE TABLE",
          "INSERT 0 2",
          "INSERT 0 1",
          "SELECT 3"
        ])
        assert.deepStrictEqual(results[3]!.rows, [{ a: 1, b: "one" }, { a: 2, b: "two" }, { a: 3, b: null }])
        assert.deepStrictEqual(yield* session.batch([]), [])
        assert.strictEqual(session.transactionStatus(), "I")
      }))

    it.effect("a batch with a failing statement has no effect, and fails with the error of that statement", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const { insert, rows } = yield* makeTable(session)
        yield* insert(1)
        const table = Statement.fromTextUnsafe("no_such_table")
        for (
          const failing of [
            sql`select 1 / ${0}::int`,
            sql`select * from ${table}`,
            sql`select +`,
            "select 1 as a, 2 as a"
          ]
        ) {
          yield* Effect.flip(session.batch([sql`delete from ${identifier("numbers")}`, failing]).pipe(Effect.asVoid))
        }
        const failure = yield* Effect.flip(session.batch([sql`select 1`, sql`select 1 / ${0}::int`, sql`select 2`]))
        assert(failure._tag === "ServerError")
        assert.strictEqual(failure.reason._tag, "DivisionByZero")
        assert.strictEqual(Redacted.value(failure.statement), "select 1 / $1::int")
        assert.deepStrictEqual(yield* rows, [1])
        assert.strictEqual(session.transactionStatus(), "I")
        assert.deepStrictEqual((yield* session.query("select 1 as a")).rows, [{ a: 1 }])
      }))

    it.effect("a batch with a COPY anywhere in it is refused, and the session stays usable", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const table = uniqueName("batch")
        yield* session.execute(`create table ${table} (a int)`)
        const copies = [
          `copy ${table} from stdin`,
          `copy ${table} to stdout`,
          `-- all\n/* of it */ copy ${table} to stdout`
        ]
        for (const copy of copies) {
          for (const statements of [[copy], ["select 1", copy], [copy, "select 1"], ["select 1", copy, "select 2"]]) {
            const error = yield* Effect.flip(session.batch(statements))
            assert.isTrue(error._tag === "UnsupportedError" && error.sent === "nothing")
            assert.deepStrictEqual((yield* session.query("select 1 as a")).rows, [{ a: 1 }])
          }
        }
      }))

    it.effect("a batch may have more statements than the statement cache holds, some of them cached", () =>
      Effect.gen(function*() {
        const session = yield* openSession({ statementCacheSize: 2 })
        const numbers = [1, 3, 4, 5, 6]
        const texts = numbers.map((n) => `select ${n} as a`)
        const rows = numbers.map((a) => [{ a }])
        yield* session.query(texts[0]!)
        yield* session.query("select 2 as a")
        assert.deepStrictEqual((yield* session.batch(texts)).map(({ rows }) => rows), rows)
        yield* session.query(texts[0]!)
        const results = (yield* session.pipeline(texts)).map(Result.getOrThrow)
        assert.deepStrictEqual(results.map(({ rows }) => rows), rows)
      }))

    it.effect("a batch in a transaction is part of it", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const table = identifier(uniqueName("batch"))
        yield* session.query(sql`create table ${table} (a int)`)
        const count = Effect.map(session.one(sql`select count(*)::int as n from ${table}`), ({ n }) => n)
        const outcome = yield* Effect.exit(session.transaction(Effect.gen(function*() {
          yield* session.batch([sql`insert into ${table} values (1)`, sql`insert into ${table} values (2)`])
          assert.strictEqual(yield* count, 2)
          return yield* Effect.fail("no")
        })))
        assert.strictEqual(outcome._tag, "Failure")
        assert.strictEqual(yield* count, 0)
      }))

    it.effect("an interrupted batch has no effect", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const table = identifier(uniqueName("batch"))
        yield* session.query(sql`create table ${table} (a int)`)
        const batch = session.batch([sql`insert into ${table} values (1)`, yield* longRunningStatement])
        assert.strictEqual((yield* Effect.timeoutOption(batch, "100 millis"))._tag, "None")
        assert.deepStrictEqual((yield* session.query(sql`select * from ${table}`)).rows, [])
        assert.strictEqual(session.transactionStatus(), "I")
      }))

    it.effect("a pipeline runs in order, and its statements succeed or fail independently", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const table = identifier(uniqueName("pipeline"))
        yield* session.query(sql`create table ${table} (a int)`)
        const insert = (a: number) => sql`insert into ${table} values (${a})`
        const count = sql`select count(*)::int as n from ${table}`
        const outcomes = yield* session.pipeline([
          count,
          insert(1),
          "select no_such_column",
          count,
          sql`select 1 / ${0}::int`,
          insert(2),
          count,
          sql`select ${() => 1}`
        ])
        assert.deepStrictEqual(
          outcomes.map(Result.match({
            onSuccess: ({ commandTag, rows }) => rows[0]?.["n"] ?? commandTag,
            onFailure: (failure) => failure._tag === "ServerError" ? failure.reason._tag : failure._tag
          })),
          [0, "INSERT 0 1", "UndefinedColumn", 1, "DivisionByZero", "INSERT 0 1", 2, "ValueError"]
        )
        assert.deepStrictEqual(yield* session.pipeline([]), [])
      }))

    it.effect("an interrupted pipeline is cancelled as a whole", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const long = yield* longRunningStatement
        const outcome = yield* Effect.timeoutOption(session.pipeline([long, "select 1", long]), "100 millis")
        assert.strictEqual(outcome._tag, "None")
        assert.deepStrictEqual((yield* session.query("select 1 as a").pipe(Effect.timeout("10 seconds"))).rows, [{
          a: 1
        }])
      }))

    it.effect("an empty pipeline returns no results, even while another fiber has exclusive use of the session", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const [, found] = yield* Effect.all([
          session.transaction(Effect.sleep("30 millis")),
          Effect.andThen(Effect.yieldNow, session.pipeline([]))
        ], { concurrency: "unbounded" })
        assert.deepStrictEqual(found, [])
        const inStream = Stream.mapEffect(session.stream("select 1 as a"), () => session.pipeline([]))
        assert.deepStrictEqual(yield* Stream.runCollect(inStream), [[]])
      }))

    it.effect("a pipeline stays out of a transaction that began while it was being planned", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const table = identifier(uniqueName("pipeline"))
        yield* session.query(sql`create table ${table} (a int)`)
        const [outcomes] = yield* Effect.all([
          session.pipeline([sql`insert into ${table} values (${1})`, sql`insert into ${table} values (${2})`]),
          Effect.exit(session.transaction(Effect.andThen(Effect.sleep("30 millis"), Effect.fail("no"))))
        ], { concurrency: "unbounded" })
        assert.isTrue(outcomes.every(Result.isSuccess))
        assert.strictEqual((yield* session.query(sql`select * from ${table}`)).rowCount, 2)
      }))
  }
})

describe("batch", () => {
  it.effect("sends one group with one Sync, and ends where the server stops", () =>
    Effect.gen(function*() {
      const { server, session } = yield* connect
      const batch = yield* forkImmediately(Effect.flip(session.batch(["select 1", "select 2", "select 1"])))
      yield* server.expect("Parse", "Describe", "Sync", "Parse", "Describe", "Sync")
      for (let i = 0; i < 2; i++) {
        yield* server.send(
          { _tag: "ParseComplete" },
          { _tag: "ParameterDescription", parameterTypes: [] },
          { _tag: "NoData" },
          ready()
        )
      }
      yield* server.expect("Bind", "Execute", "Bind", "Execute", "Bind", "Execute", "Sync")
      yield* server.send({ _tag: "BindComplete" }, complete("A"), { _tag: "BindComplete" }, error("40001"), ready())
      const failure = yield* Fiber.join(batch)
      assert.isTrue(failure._tag === "ServerError" && failure.isRetryable && failure.sent === "all")
    }).pipe(Effect.scoped, Effect.provide(manualServer())))
})
