/** Streams that fetch a limited number of rows at a time. */
import { assert, describe, it } from "@effect/vitest"
import * as Statement from "@hyperfect/client/Statement"
import { Preset } from "@hyperfect/values"
import { Effect, Fiber, Stream } from "effect"
import { forkImmediately } from "./fibers.ts"
import { describeServers, openSession, uniqueName } from "./liveServers.ts"
import { connect, manualServer, ready } from "./manualServer.ts"

const { identifier, sql } = Statement

describeServers({
  both(it) {
    it.effect("a stream with fetchSize emits all rows in order, for any size", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
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

    it.effect("a stream with fetchSize can be left early, and the session stays usable", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const stream = session.stream("select n::int as n from generate_series(1, 100000) as g(n)", { fetchSize: 10 })
        for (const count of [0, 1, 10, 15, 20]) {
          assert.lengthOf(yield* Stream.runCollect(Stream.take(stream, count)), count)
          assert.deepStrictEqual((yield* session.query("select 1 as a")).rows, [{ a: 1 }])
        }
        const failed = yield* Effect.flip(Stream.runForEach(stream, () => Effect.fail("no")))
        assert.strictEqual(failed, "no")
        assert.strictEqual(session.transactionStatus(), "I")
      }))

    it.effect("a stream with fetchSize can be left early in a transaction, which stays open", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const table = identifier(uniqueName("cursor"))
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

    it.effect("a stream with fetchSize fails with a server error in the middle, and the session stays usable", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const statement = "select 100 / (50 - n)::int as q from generate_series(1, 100) as g(n)"
        const error = yield* Effect.flip(Stream.runDrain(session.stream(statement, { fetchSize: 7 })))
        assert.isTrue(error._tag === "ServerError" && error.reason._tag === "DivisionByZero" && error.sent === "all")
        const wrong = yield* Effect.flip(Stream.runDrain(session.stream("select +", { fetchSize: 7 })))
        assert.isTrue(wrong._tag === "ServerError" && wrong.reason._tag === "SyntaxError")
        assert.deepStrictEqual((yield* session.query("select 1 as a")).rows, [{ a: 1 }])
      }))
  },
  hyper(it) {
    it.effect("a stream with fetchSize accepts parameters, and reads every digit of floating-point numbers", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const stream = session.streamValues(
          sql`select n::int, cast('0.30000000000000004' as double precision), cast('1.7976931348623157e308' as double precision)
            from generate_series(1, ${5}) as g(n)`,
          { fetchSize: 2 }
        )
        const rows = [1, 2, 3, 4, 5].map((n) => [n, 0.30000000000000004, Number.MAX_VALUE])
        assert.deepStrictEqual(yield* Stream.runCollect(stream), rows)
      }))

    it.effect("floating-point numbers in text with missing digits are refused, with an error that tells how to read them", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const one = "cast('0.30000000000000004' as double precision)"
        for (const expression of [one, "cast('0.1' as real)", `array[${one}]`]) {
          const text = `select 1 as n, ${expression} as ratio`
          for (const preset of [Preset.lossless, Preset.text]) {
            const reading = yield* Effect.provideService(openSession(), Preset.Preset, preset)
            const error = yield* Effect.flip(reading.simple(text))
            assert.isTrue(error._tag === "ValueError" && error.reason._tag === "FormatUnsupported")
            assert.include(error.message, "ratio")
            assert.include(error.message, "query")
          }
        }
        assert.deepStrictEqual((yield* session.simple("select 1 as n, cast('x' as text) as t"))[0]?.rows, [{
          n: 1,
          t: "x"
        }])
      }))

    it.effect("a FETCH that would end the server is refused", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const fetches = ["  fetch 10 from c", ";fetch 10 from c", "-- some\n/* of /* it */ */ FETCH 10 from c"]
        for (const refused of fetches.map((text) => session.query(text))) {
          const error = yield* Effect.flip(refused)
          assert.isTrue(error._tag === "UnsupportedError" && error.sent === "nothing")
        }
        assert.deepStrictEqual((yield* session.query("select 1 as a")).rows, [{ a: 1 }])
      }))
  },
  postgres(it) {
    it.effect("a stream with fetchSize accepts parameters", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const stream = session.streamValues(sql`select n::int from generate_series(1, ${5}) as g(n)`, { fetchSize: 2 })
        assert.deepStrictEqual(yield* Stream.runCollect(stream), [[1], [2], [3], [4], [5]])
      }))

    it.effect("a stream with fetchSize can be interrupted while the server works on the first rows", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const stream = session.stream("select pg_sleep(60), 1 as a", { fetchSize: 5 })
        assert.strictEqual((yield* Effect.timeoutOption(Stream.runDrain(stream), "100 millis"))._tag, "None")
        assert.deepStrictEqual((yield* session.query("select 1 as a").pipe(Effect.timeout("10 seconds"))).rows, [{
          a: 1
        }])
      }))
  }
})

describe("portal", () => {
  it.effect("fetches more only when the rows received were consumed, and is not cancelled when it is left", () => {
    let requests = 0
    return Effect.gen(function*() {
      const { server, session } = yield* connect
      const row = { _tag: "DataRow", columns: [new TextEncoder().encode("x")] } as const
      const fields = [
        { name: "a", tableOid: 0, columnNumber: 0, typeOid: 25, typeSize: -1, typeModifier: -1, format: 0 }
      ] as const
      const reading = yield* forkImmediately(
        Stream.runCollect(Stream.take(session.streamValues("rows", { fetchSize: 2 }), 3))
      )
      yield* server.expect("Parse", "Describe", "Sync")
      yield* server.send(
        { _tag: "ParseComplete" },
        { _tag: "ParameterDescription", parameterTypes: [] },
        { _tag: "RowDescription", fields },
        ready()
      )
      yield* server.expect("Bind")
      assert.include(yield* server.expect("Execute"), { maxRows: 2 })
      yield* server.expect("Flush")
      yield* server.send({ _tag: "BindComplete" }, row, row, { _tag: "PortalSuspended" })
      assert.include(yield* server.expect("Execute"), { maxRows: 2 })
      yield* server.expect("Flush")
      yield* server.send(row, row, { _tag: "PortalSuspended" })
      const next = yield* forkImmediately(session.simple(""))
      yield* server.expect("Sync")
      yield* server.send(ready())
      assert.deepStrictEqual(yield* Fiber.join(reading), [["x"], ["x"], ["x"]])
      yield* server.expect("Query")
      yield* server.send({ _tag: "EmptyQueryResponse" }, ready())
      yield* Fiber.join(next)
      assert.strictEqual(requests, 0)
    }).pipe(Effect.scoped, Effect.provide(manualServer({ onCancel: Effect.sync(() => void requests++) })))
  })
})
