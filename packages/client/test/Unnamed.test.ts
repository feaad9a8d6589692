/** Sessions that keep no statements, as poolers want them that lend a server for one transaction or statement. */
import { assert, describe, it } from "@effect/vitest"
import type * as Session from "@hyperfect/client/Session"
import * as Statement from "@hyperfect/client/Statement"
import * as BuiltIn from "@hyperfect/values/BuiltIn"
import * as Parameter from "@hyperfect/values/Parameter"
import * as Timestamp from "@hyperfect/values/Timestamp"
import { BigDecimal, Effect, Fiber, Stream } from "effect"
import { start } from "./fibers.ts"
import { complete, meetWith, puppet, ready } from "./puppet.ts"
import { fresh, open, servers } from "./servers.ts"

const { identifier, sql } = Statement

const unnamed = open({ statementCacheSize: 0 })

const kept = (session: Session.Session) =>
  Effect.map(session.simple("select name from pg_prepared_statements"), ([result]) => result!.rows.length)

servers({
  both(it) {
    it.effect("run every kind of query, and give what other sessions give", () =>
      Effect.gen(function*() {
        const session = yield* unnamed
        const named = yield* open()
        const table = identifier(fresh("unnamed"))
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
    it.effect("leave no statement on the server, whatever they do", () =>
      Effect.gen(function*() {
        const session = yield* unnamed
        for (let i = 0; i < 50; i++) {
          yield* session.query(sql`select ${i}::int`)
          yield* Effect.flip(session.query(sql`select no_such_column, ${i}`))
          yield* Effect.timeoutOption(session.query(`select ${i}, pg_sleep(10)`), i % 5)
        }
        yield* session.batch(["select 1", "select 2"])
        yield* session.pipeline(["select 1", "select +"])
        yield* session.describe("select $1::int")
        yield* Stream.runDrain(session.stream("select 1", { fetchSize: 1 }))
        assert.strictEqual(yield* kept(session), 0)
      }))

    it.effect("leave the types of numbers, strings and JSON to the server, and say those that were given", () =>
      Effect.gen(function*() {
        const session = yield* unnamed
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

describe("a session that keeps no statements", () => {
  it.effect("asks for everything in one group, under no name", () =>
    Effect.gen(function*() {
      const { server, session } = yield* meetWith({ statementCacheSize: 0 })
      const query = yield* start(session.query("select 1"))
      assert.include(yield* server.hear("Parse"), { name: "" })
      assert.include(yield* server.hear("Bind"), { statement: "", portal: "" })
      yield* server.hear("Describe", "Execute", "Sync")
      yield* server.say(
        { _tag: "ParseComplete" },
        { _tag: "BindComplete" },
        { _tag: "NoData" },
        complete("DONE"),
        ready()
      )
      assert.strictEqual((yield* Fiber.join(query)).commandTag, "DONE")
    }).pipe(Effect.scoped, Effect.provide(puppet())))
})
