/** Sessions that cache no statements, for poolers in transaction or statement mode. */
import { assert, describe, it } from "@effect/vitest"
import type * as Session from "@hyperfect/client/Session"
import * as Statement from "@hyperfect/client/Statement"
import * as BuiltIn from "@hyperfect/values/BuiltIn"
import * as Parameter from "@hyperfect/values/Parameter"
import * as Timestamp from "@hyperfect/values/Timestamp"
import { BigDecimal, Effect, Fiber, Stream } from "effect"
import { forkImmediately } from "./fibers.ts"
import { describeServers, openSession, uniqueName } from "./liveServers.ts"
import { complete, connectWith, error, manualServer, ready } from "./manualServer.ts"

const { identifier, sql } = Statement

const openUnnamed = openSession({ statementCacheSize: 0 })

const preparedCount = (session: Session.Session) =>
  Effect.map(session.simple("select name from pg_prepared_statements"), ([result]) => result!.rows.length)

describeServers({
  both(it) {
    it.effect("run every kind of query, with the same results as other sessions", () =>
      Effect.gen(function*() {
        const session = yield* openUnnamed
        const named = yield* openSession()
        const table = identifier(uniqueName("unnamed"))
        yield* session.execute(sql`create table ${table} (a int, b numeric(10, 2), c text, d timestamp, e boolean)`)
        const d = Timestamp.fromStringUnsafe("2024-02-29 12:34:56.789012")
        const rows = [[1, BigDecimal.fromStringUnsafe("1.50"), "x", d, true], [2, null, null, null, null]]
        for (const [a, b, c, d, e] of rows) {
          yield* session.execute(sql`insert into ${table} values (${a}, ${b}, ${c}, ${d}, ${e})`)
        }
        const select = sql`select * from ${table} where a > ${0} order by a`
        assert.deepStrictEqual((yield* session.values(select)).rows, (yield* named.values(select)).rows)
        assert.strictEqual((yield* session.query(select)).rows.length, 2)
        assert.strictEqual((yield* Stream.runCollect(session.stream(select))).length, 2)
        yield* session.transaction(session.execute(sql`delete from ${table} where a = ${1}`))
        assert.strictEqual((yield* session.query(select)).rowCount, 1)
      }))
  },

  postgres(it) {
    it.effect("leave no statement on the server", () =>
      Effect.gen(function*() {
        const session = yield* openUnnamed
        for (let i = 0; i < 50; i++) {
          yield* session.query(sql`select ${i}::int`)
          yield* Effect.flip(session.query(sql`select no_such_column, ${i}`))
          yield* Effect.timeoutOption(session.query(`select ${i}, pg_sleep(10)`), i % 5)
        }
        yield* session.batch(["select 1", "select 2"])
        yield* session.pipeline(["select 1", "select +"])
        yield* session.describe("select $1::int")
        yield* Stream.runDrain(session.stream("select 1", { fetchSize: 1 }))
        assert.strictEqual(yield* preparedCount(session), 0)
      }))

    it.effect("leave the types of numbers, strings and JSON to the server, and declare those that were given", () =>
      Effect.gen(function*() {
        const session = yield* openUnnamed
        const { rows } = yield* session.values(
          sql`select ${1} + 1.5::numeric, ${2}::bigint, ${"3"}::int, ${{ a: 1 }}::jsonb, ${
            Parameter.make([1, 2], BuiltIn.array(BuiltIn.int4))
          }`
        )
        assert.deepStrictEqual(rows[0]!.slice(1), [BigInt(2), 3, { a: 1 }, [1, 2]])
        assert.isTrue(BigDecimal.equals(rows[0]![0] as BigDecimal.BigDecimal, BigDecimal.fromStringUnsafe("2.5")))
      }))
  }
})

describe("Unnamed statements", () => {
  it.effect("repeats a statement lost between Parse and Bind, but in a transaction fails as retryable", () =>
    Effect.gen(function*() {
      const { server, session } = yield* connectWith({ statementCacheSize: 0 })
      const group = ["Parse", "Bind", "Describe", "Execute", "Sync"] as const
      const query = yield* forkImmediately(session.query("select 1"))
      yield* server.expect(...group)
      yield* server.send({ _tag: "ParseComplete" }, error("26000"), ready())
      yield* server.expect(...group)
      yield* server.send(
        { _tag: "ParseComplete" },
        { _tag: "BindComplete" },
        { _tag: "NoData" },
        complete("DONE"),
        ready()
      )
      assert.strictEqual((yield* Fiber.join(query)).commandTag, "DONE")
      const inside = yield* forkImmediately(Effect.flip(session.query("select 1")))
      yield* server.expect(...group)
      yield* server.send({ _tag: "ParseComplete" }, error("26000"), ready("E"))
      assert.deepInclude(yield* Fiber.join(inside), { _tag: "ServerError", isRetryable: true, sent: "nothing" })
    }).pipe(Effect.scoped, Effect.provide(manualServer())))

  it.effect("sends everything in one group, without a name", () =>
    Effect.gen(function*() {
      const { server, session } = yield* connectWith({ statementCacheSize: 0 })
      const query = yield* forkImmediately(session.query("select 1"))
      assert.include(yield* server.expect("Parse"), { name: "" })
      assert.include(yield* server.expect("Bind"), { statement: "", portal: "" })
      yield* server.expect("Describe", "Execute", "Sync")
      yield* server.send(
        { _tag: "ParseComplete" },
        { _tag: "BindComplete" },
        { _tag: "NoData" },
        complete("DONE"),
        ready()
      )
      assert.strictEqual((yield* Fiber.join(query)).commandTag, "DONE")
    }).pipe(Effect.scoped, Effect.provide(manualServer())))
})
