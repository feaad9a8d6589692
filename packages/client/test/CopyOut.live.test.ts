import { assert } from "@effect/vitest"
import { sql } from "@hyperfect/client/Statement"
import { Deferred, Effect, Fiber, Stream } from "effect"
import { describeServers, endlessRows, openSession, uniqueName } from "./liveServers.ts"

const csv = (query: string) => `copy (${query}) to stdout with (format csv)`

const text = <E>(stream: Stream.Stream<Uint8Array, E>) => Stream.mkString(Stream.decodeText(stream))

const one = [{ a: 1 }]

describeServers({
  both(it) {
    it.effect("copyOut returns the bytes of a query and of a table", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const out = yield* text(session.copyOut(csv("select n, 'x,\"y' from generate_series(1, 3) as g(n) order by n")))
        assert.strictEqual(out, "1,\"x,\"\"y\"\n2,\"x,\"\"y\"\n3,\"x,\"\"y\"\n")
        assert.strictEqual(yield* text(session.copyOut(csv("select 1 where 1 = 2"))), "")
        assert.deepStrictEqual((yield* session.query("select 1 as a")).rows, one)
      }))

    it.effect("copyOut returns the data that was copied in, byte by byte", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const other = yield* openSession()
        const [from, to] = [uniqueName("source"), uniqueName("copy")]
        for (const name of [from, to]) yield* session.query(`create table ${name} (a int, b text)`)
        yield* session.query(
          `insert into ${from} select n, 'text ä ' || n::text from generate_series(1, 100000) as g(n)`
        )
        const data = session.copyOut(csv(`select * from ${from} order by a`))
        const copied = yield* other.copyIn(`copy ${to} from stdin with (format csv)`, data)
        assert.strictEqual(copied.rowCount, 100_000)
        const there = other.copyOut(csv(`select * from ${to} order by a`))
        assert.strictEqual(yield* text(data), yield* text(there))
      }))

    it.effect("copyOut applies backpressure to the server while the consumer waits", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const [first, go] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
        let bytes = 0
        const consumer = yield* Effect.forkChild(
          Stream.runForEachArray(
            session.copyOut(csv("select n, 'a text that fills the line' from generate_series(1, 500000) as g(n)")),
            (chunks) =>
              Effect.suspend(() => {
                for (const chunk of chunks) bytes += chunk.length
                return Effect.andThen(Deferred.succeed(first, undefined), Deferred.await(go))
              })
          )
        )
        yield* Deferred.await(first)
        const before = bytes
        yield* Effect.sleep("100 millis")
        assert.strictEqual(bytes, before)
        assert.isBelow(before, 1024 * 1024)
        yield* Deferred.succeed(go, undefined)
        yield* Fiber.join(consumer)
        assert.isAbove(bytes, 15_000_000)
      }))

    it.effect("copyOut stops the server when the consumer leaves or is interrupted, and the session stays usable", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const endless = session.copyOut(csv(yield* endlessRows))
        assert.lengthOf(yield* Stream.runCollect(Stream.take(endless, 2)), 2)
        assert.deepStrictEqual((yield* session.query("select 1 as a")).rows, one)
        for (const milliseconds of [0, 5, 50]) {
          assert.strictEqual((yield* Effect.timeoutOption(Stream.runDrain(endless), milliseconds))._tag, "None")
          assert.deepStrictEqual((yield* session.query("select 1 as a")).rows, one)
        }
      }))

    it.effect("copyOut fails with an error that comes before or after the data", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const missing = yield* Effect.flip(Stream.runDrain(session.copyOut(csv("select * from no_such_table"))))
        assert.isTrue(missing._tag === "ServerError" && missing.reason._tag === "UndefinedTable")
        let bytes = 0
        const broken = session.copyOut(csv("select 100 / (50000 - n) from generate_series(1, 60000) as g(n)"))
        const error = yield* Effect.flip(
          Stream.runForEach(broken, (chunk) => Effect.sync(() => void (bytes += chunk.length)))
        )
        assert.isTrue(error._tag === "ServerError" && error.reason._tag === "DivisionByZero")
        assert.deepStrictEqual((yield* session.query("select 1 as a")).rows, one)
      }))

    it.effect("copyOut fails for a statement that is not a COPY TO STDOUT, or has parameters", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        for (const statement of ["select 1", "", "insert into pg_temp_nothing values (1)"]) {
          const error = yield* Effect.flip(Stream.runDrain(session.copyOut(statement)))
          assert.oneOf(error._tag, ["UnsupportedError", "ServerError"])
          assert.deepStrictEqual((yield* session.query("select 1 as a")).rows, one)
        }
        const error = yield* Effect.flip(Stream.runDrain(session.copyOut(sql`copy (select ${1}) to stdout`)))
        assert.isTrue(error._tag === "UnsupportedError" && error.feature === "parameters in COPY")
      }))

    it.effect("no other method can copy from a table", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const copy = csv("select n from generate_series(1, 100000) as g(n)")
        const ways: ReadonlyArray<Effect.Effect<unknown, { readonly _tag: string }>> = [
          session.query(copy),
          session.values(copy),
          session.simple(copy),
          Stream.runDrain(session.stream(copy))
        ]
        for (const way of ways) {
          assert.strictEqual((yield* Effect.flip(way))._tag, "UnsupportedError")
          assert.deepStrictEqual((yield* session.query("select 1 as a")).rows, one)
        }
      }))
  },

  postgres(it) {
    it.effect("data round-trips in PostgreSQL's binary format", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const table = uniqueName("binary")
        yield* session.query(
          `create table ${table} as select n, 'text ' || n as s, n * 1.5 as d from generate_series(1, 1000) as g(n)`
        )
        const data = session.copyOut(`copy ${table} to stdout with (format binary)`)
        const copied = yield* session.transaction(Effect.gen(function*() {
          const chunks = yield* Stream.runCollect(data)
          return yield* session.copyIn(`copy ${table} from stdin with (format binary)`, Stream.fromIterable(chunks))
        }))
        assert.strictEqual(copied.rowCount, 1000)
        const { rows } = yield* session.values(`select count(*)::int, count(distinct n)::int from ${table}`)
        assert.deepStrictEqual(rows, [[2000, 1000]])
      }))

    it.effect("copyIn sends its data to only one COPY, even among several statements", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const table = uniqueName("twice")
        yield* session.query(`create table ${table} (a int)`)
        const copy = `copy ${table} from stdin`
        const data = Stream.make(new TextEncoder().encode("1\n2\n"))
        const error = yield* Effect.flip(session.copyIn(`${copy}; ${copy}`, data))
        assert.strictEqual(error._tag, "UnsupportedError")
        assert.deepStrictEqual((yield* session.query(`select * from ${table}`)).rows, [])
      }))
  },

  hyper(it) {
    it.effect("data round-trips in HyperBinary", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const [from, to] = [uniqueName("binary"), uniqueName("binary")]
        yield* session.query(`create table ${from} (n int, s text)`)
        yield* session.query(`create table ${to} (n int, s text)`)
        yield* session.query(`insert into ${from} select n, 'text ' || n::text from generate_series(1, 1000) as g(n)`)
        const data = (yield* openSession()).copyOut(`copy (select * from ${from}) to stdout with (format hyperbinary)`)
        const copied = yield* session.copyIn(`copy ${to} from stdin with (format hyperbinary)`, data)
        assert.strictEqual(copied.rowCount, 1000)
        const both = `select count(*)::int from (select * from ${from} union select * from ${to}) as t`
        assert.deepStrictEqual((yield* session.values(both)).rows, [[1000]])
      }))
  }
})
