/** Streams that ask for so many rows at a time. */
import { assert, describe, it } from "@effect/vitest"
import * as Statement from "@hyperfect/client/Statement"
import { Effect, Fiber, Stream } from "effect"
import { start } from "./fibers.ts"
import { meet, puppet, ready } from "./puppet.ts"
import { fresh, open, servers } from "./servers.ts"

const { identifier, sql } = Statement

servers({
  both(it) {
    it.effect("gives all rows in order, whatever the size", () =>
      Effect.gen(function*() {
        const session = yield* open()
        for (const fetchSize of [1, 3, 10, 11, 1000]) {
          const rows = yield* Stream.runCollect(
            session.streamValues("select n::int from generate_series(1, 10) as g(n) order by n", { fetchSize })
          )
          assert.deepStrictEqual(rows.map(([n]) => n), Array.from({ length: 10 }, (_, i) => i + 1), `by ${fetchSize}`)
        }
        const none = session.stream("select 1 as a where false", { fetchSize: 5 })
        assert.deepStrictEqual(yield* Stream.runCollect(none), [])
        assert.deepStrictEqual((yield* session.query("select 1 as a")).rows, [{ a: 1 }])
      }))

    it.effect("is left early without a trace", () =>
      Effect.gen(function*() {
        const session = yield* open()
        const stream = session.stream("select n::int as n from generate_series(1, 100000) as g(n)", { fetchSize: 10 })
        for (const count of [0, 1, 10, 15, 20]) {
          assert.lengthOf(yield* Stream.runCollect(Stream.take(stream, count)), count)
          assert.deepStrictEqual((yield* session.query("select 1 as a")).rows, [{ a: 1 }])
        }
        const failed = yield* Effect.flip(Stream.runForEach(stream, () => Effect.fail("no")))
        assert.strictEqual(failed, "no")
        assert.strictEqual(session.transactionStatus(), "I")
      }))

    it.effect("works in a transaction, which lives on when it is left early", () =>
      Effect.gen(function*() {
        const session = yield* open()
        const table = identifier(fresh("cursor"))
        yield* session.query(sql`create table ${table} (a int)`)
        yield* session.transaction(Effect.gen(function*() {
          yield* session.execute(sql`insert into ${table} values (1), (2), (3)`)
          const stream = session.streamValues(sql`select a from ${table} order by a`, { fetchSize: 1 })
          assert.deepStrictEqual(yield* Stream.runCollect(Stream.take(stream, 1)), [[1]])
          assert.deepStrictEqual(yield* Stream.runCollect(stream), [[1], [2], [3]])
          yield* session.execute(sql`insert into ${table} values (4)`)
        }))
        assert.strictEqual((yield* session.query(sql`select * from ${table}`)).rowCount, 4)
      }))

    it.effect("fails with what the server says in the middle, and lives on", () =>
      Effect.gen(function*() {
        const session = yield* open()
        const statement = "select 100 / (50 - n)::int as q from generate_series(1, 100) as g(n)"
        const error = yield* Effect.flip(Stream.runDrain(session.stream(statement, { fetchSize: 7 })))
        assert.isTrue(error._tag === "ServerError" && error.reason._tag === "DivisionByZero" && error.sent === "all")
        const wrong = yield* Effect.flip(Stream.runDrain(session.stream("select +", { fetchSize: 7 })))
        assert.isTrue(wrong._tag === "ServerError" && wrong.reason._tag === "SyntaxError")
        assert.deepStrictEqual((yield* session.query("select 1 as a")).rows, [{ a: 1 }])
      }))
  },
  hyper(it) {
    it.effect("refuses parameters, and a FETCH that would end the server", () =>
      Effect.gen(function*() {
        const session = yield* open()
        const withParameter = Stream.runDrain(session.stream(sql`select ${1}`, { fetchSize: 1 }))
        const fetches = ["  fetch 10 from c", ";fetch 10 from c", "-- some\n/* of /* it */ */ FETCH 10 from c"]
        for (const refused of [withParameter, ...fetches.map((text) => Effect.asVoid(session.query(text)))]) {
          const error = yield* Effect.flip(refused)
          assert.isTrue(error._tag === "UnsupportedError" && error.sent === "nothing")
        }
        assert.deepStrictEqual((yield* session.query("select 1 as a")).rows, [{ a: 1 }])
      }))
  },
  postgres(it) {
    it.effect("takes parameters", () =>
      Effect.gen(function*() {
        const session = yield* open()
        const stream = session.streamValues(sql`select n::int from generate_series(1, ${5}) as g(n)`, { fetchSize: 2 })
        assert.deepStrictEqual(yield* Stream.runCollect(stream), [[1], [2], [3], [4], [5]])
      }))

    it.effect("is interrupted while the server works on the first rows", () =>
      Effect.gen(function*() {
        const session = yield* open()
        const stream = session.stream("select pg_sleep(60), 1 as a", { fetchSize: 5 })
        assert.strictEqual((yield* Effect.timeoutOption(Stream.runDrain(stream), "100 millis"))._tag, "None")
        assert.deepStrictEqual((yield* session.query("select 1 as a").pipe(Effect.timeout("10 seconds"))).rows, [{
          a: 1
        }])
      }))
  }
})

describe("a portal", () => {
  it.effect("asks for more only when the rows that came were taken, and is not cancelled when it is left", () => {
    let requests = 0
    return Effect.gen(function*() {
      const { server, session } = yield* meet
      const row = { _tag: "DataRow", columns: [new TextEncoder().encode("x")] } as const
      const fields = [
        { name: "a", tableOid: 0, columnNumber: 0, typeOid: 25, typeSize: -1, typeModifier: -1, format: 0 }
      ] as const
      const reading = yield* start(Stream.runCollect(Stream.take(session.streamValues("rows", { fetchSize: 2 }), 3)))
      yield* server.hear("Parse", "Describe", "Sync")
      yield* server.say(
        { _tag: "ParseComplete" },
        { _tag: "ParameterDescription", parameterTypes: [] },
        { _tag: "RowDescription", fields },
        ready()
      )
      yield* server.hear("Bind")
      assert.include(yield* server.hear("Execute"), { maxRows: 2 })
      yield* server.hear("Flush")
      yield* server.say({ _tag: "BindComplete" }, row, row, { _tag: "PortalSuspended" })
      assert.include(yield* server.hear("Execute"), { maxRows: 2 })
      yield* server.hear("Flush")
      yield* server.say(row, row, { _tag: "PortalSuspended" })
      const next = yield* start(session.simple(""))
      yield* server.hear("Sync")
      yield* server.say(ready())
      assert.deepStrictEqual(yield* Fiber.join(reading), [["x"], ["x"], ["x"]])
      yield* server.hear("Query")
      yield* server.say({ _tag: "EmptyQueryResponse" }, ready())
      yield* Fiber.join(next)
      assert.strictEqual(requests, 0)
    }).pipe(Effect.scoped, Effect.provide(puppet({ onCancel: Effect.sync(() => void requests++) })))
  })
})
