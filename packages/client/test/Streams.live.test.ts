import { assert } from "@effect/vitest"
import { UnsupportedError } from "@hyperfect/client/QueryError"
import * as Session from "@hyperfect/client/Session"
import * as Transport from "@hyperfect/transport/Transport"
import * as BuiltIn from "@hyperfect/values/BuiltIn"
import type * as Type from "@hyperfect/values/Type"
import * as TypeRegistry from "@hyperfect/values/TypeRegistry"
import * as ValueError from "@hyperfect/values/ValueError"
import { Deferred, Effect, Fiber, Stream } from "effect"
import { describeServers, endlessRows, makeTable, openSession, TestServer } from "./liveServers.ts"

/** Opens a session, and counts the bytes that it reads from its connection. */
const openCounted = Effect.gen(function*() {
  const transport = yield* Transport.Transport
  const { config } = yield* TestServer
  let bytes = 0
  const counting: Transport.Transport["Service"] = {
    connect: (endpoint, options) =>
      Effect.map(transport.connect(endpoint, options), (connection) => ({
        ...connection,
        pull: Effect.tap(connection.pull, (chunks) =>
          Effect.sync(() => {
            for (const chunk of chunks) bytes += chunk.length
          }))
      }))
  }
  const session = yield* Effect.provideService(Session.make(config), Transport.Transport, counting)
  return { session, bytesRead: () => bytes }
})

const numbers = (count: number) =>
  `select n, 'row ' || n::text as s from generate_series(1, ${count}) as g(n) order by n`

/** A type of integers of which one cannot be decoded. */
const failingInt4 = (bad: number): Type.Type<number> => {
  const codec = (original: Type.Codec<number>): Type.Codec<number> => ({
    ...original,
    read: (bytes, start, end, typeModifier) => {
      const value = original.read(bytes, start, end, typeModifier)
      if (value === bad) throw ValueError.reason("Malformed", "int4", 1, "another number", "the bad one")
      return value
    }
  })
  const { binary, hyper, text } = BuiltIn.int4
  return { ...BuiltIn.int4, text: codec(text), binary: codec(binary!), hyper: { ...hyper!, ...codec(hyper!) } }
}

const openWithFailingInt4 = (bad: number) =>
  Effect.provideService(
    openSession(),
    TypeRegistry.TypeRegistry,
    TypeRegistry.extend(TypeRegistry.builtIn, [failingInt4(bad)])
  )

const one = [{ a: 1 }]

describeServers({
  both(it) {
    it.effect("ends with its transaction if its scope does not, and both fail", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const { insert, rows } = yield* makeTable(session)
        yield* insert(1)
        const endless = yield* endlessRows
        const streams = [
          session.streamValues(endless),
          ...session.server.kind === "postgres" ? [session.streamValues(endless, { fetchSize: 10 })] : []
        ]
        for (const [i, stream] of streams.entries()) {
          for (const end of [Effect.void, Effect.fail("no")]) {
            yield* Effect.scoped(Effect.gen(function*() {
              let pull: Effect.Effect<unknown, unknown> = Effect.void
              const error = yield* Effect.flip(session.transaction(Effect.gen(function*() {
                yield* insert(2)
                pull = yield* Stream.toPull(stream)
                yield* pull
                yield* end
              })))
              const isRefused = (error: unknown) => error instanceof UnsupportedError
              assert.isTrue(end === Effect.void ? isRefused(error) : error === "no", String(error))
              assert.strictEqual((yield* session.query("select 1 as a")).rowCount, 1)
              assert.isTrue(isRefused(yield* Effect.flip(Effect.repeat(pull, { times: 1 }))), `stream ${i}`)
            })).pipe(Effect.timeout("20 seconds"))
          }
        }
        assert.deepStrictEqual(yield* rows, [1])
        // A stream that was read to its end does not fail the transaction.
        yield* Effect.scoped(session.transaction(Effect.gen(function*() {
          yield* insert(3)
          const pull = yield* Stream.toPull(session.streamValues("select 1 as a"))
          yield* Effect.ignore(Effect.forever(pull))
        })))
        assert.deepStrictEqual(yield* rows, [1, 3])
      }))

    it.effect("delivers every row once and in order, as objects and as arrays", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const rows = yield* Stream.runCollect(session.stream(numbers(3)))
        assert.deepStrictEqual(rows, [1, 2, 3].map((n) => ({ n, s: `row ${n}` })))
        let last = 0
        yield* Stream.runForEachArray(session.streamValues(numbers(300_000)), (rows) =>
          Effect.sync(() => {
            for (const [n, s] of rows) {
              if (n !== last + 1 || s !== `row ${n}`) assert.fail(`row ${last + 1} is ${String(n)} ${String(s)}`)
              last = n
            }
          }))
        assert.strictEqual(last, 300_000)
        assert.deepStrictEqual(yield* Stream.runCollect(session.stream("select 1 as a where 1 = 2")), [])
        assert.deepStrictEqual(yield* Stream.runCollect(session.stream("")), [])
      }))

    it.effect("streams a million rows in little memory", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const batches: Array<number> = []
        yield* Stream.runForEachArray(
          session.streamValues("select n from generate_series(1, 1000000) as g(n)"),
          (rows) => Effect.sync(() => void batches.push(rows.length))
        )
        assert.strictEqual(batches.reduce((sum, size) => sum + size, 0), 1_000_000)
        // No batch is larger than a few reads of the connection.
        assert.isBelow(Math.max(...batches), 50_000)
      }))

    it.effect("stops reading the connection while the consumer waits", () =>
      Effect.gen(function*() {
        const { session, bytesRead } = yield* openCounted
        const [first, go] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
        let rows = 0
        const consumer = yield* Effect.forkChild(
          Stream.runForEachArray(session.streamValues(numbers(1_000_000)), (batch) =>
            Effect.suspend(() => {
              rows += batch.length
              return Effect.andThen(Deferred.succeed(first, undefined), Deferred.await(go))
            }))
        )
        yield* Deferred.await(first)
        // What is on its way arrives, and then nothing for as long as another megabyte would take many times over.
        for (let before = -1; before !== bytesRead();) {
          before = bytesRead()
          yield* Effect.sleep("200 millis")
        }
        assert.isBelow(bytesRead(), 1024 * 1024)
        yield* Deferred.succeed(go, undefined)
        yield* Fiber.join(consumer)
        assert.strictEqual(rows, 1_000_000)
        assert.isAbove(bytesRead(), 10 * 1024 * 1024)
      }))

    it.effect("cancels the statement when the consumer leaves, and the session survives", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const endless = yield* endlessRows
        for (const take of [1, 10, 5000]) {
          assert.lengthOf(yield* Stream.runCollect(Stream.take(session.stream(endless), take)), take)
          assert.deepStrictEqual((yield* session.query("select 1 as a")).rows, one)
        }
        const failed = yield* Effect.flip(Stream.runForEach(session.stream(endless), () => Effect.fail("enough")))
        assert.strictEqual(failed, "enough")
        assert.deepStrictEqual((yield* session.query("select 1 as a")).rows, one)
      }))

    it.effect("cancels the statement when the consumer is interrupted, and the session survives", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const endless = yield* endlessRows
        for (const milliseconds of [0, 1, 5, 20, 50]) {
          const outcome = yield* Effect.timeoutOption(Stream.runDrain(session.stream(endless)), milliseconds)
          assert.strictEqual(outcome._tag, "None")
          assert.deepStrictEqual((yield* session.query("select 1 as a")).rows, one)
        }
      }))

    it.effect("fails with an error that follows rows", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        let rows = 0
        const stream = session.stream("select 100 / (50000 - n) from generate_series(1, 60000) as g(n)")
        const error = yield* Effect.flip(Stream.runForEach(stream, () => Effect.sync(() => void rows++)))
        assert.isTrue(error._tag === "ServerError" && error.reason._tag === "DivisionByZero")
        assert.isAtMost(rows, 49_999)
        const refused = yield* Effect.flip(Stream.runDrain(session.stream("select * from no_such_table")))
        assert.isTrue(refused._tag === "ServerError" && refused.reason._tag === "UndefinedTable")
        assert.deepStrictEqual((yield* session.query("select 1 as a")).rows, one)
      }))

    it.effect("fails at once when a row cannot be decoded, without affecting other queries", () =>
      Effect.gen(function*() {
        const session = yield* openWithFailingInt4(50_000)
        let rows = 0
        const stream = session.stream(yield* endlessRows)
        const [error, other] = yield* Effect.all([
          Effect.flip(Stream.runForEach(stream, () => Effect.sync(() => void rows++))),
          session.query("select 1 as a")
        ], { concurrency: "unbounded" })
        assert.isTrue(
          error._tag === "ValueError" && error.reason._tag === "Malformed" && error.reason.name === "n" &&
            error.reason.index === 0
        )
        // The rows before it are not lost. (Hyper sends them in any order.)
        if (session.server.kind === "postgres") assert.strictEqual(rows, 49_999)
        else assert.isAbove(rows, 0)
        assert.deepStrictEqual(other.rows, one)
        const collected = yield* Effect.flip(session.query("select 50000 as a"))
        assert.strictEqual(collected._tag, "ValueError")
        assert.deepStrictEqual((yield* session.query("select 1 as a")).rows, one)
      }))

    it.effect("fails at once on duplicate column names", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const statement = `select n, n from (${yield* endlessRows}) as endless`
        const error = yield* Effect.flip(Stream.runDrain(session.stream(statement)))
        assert.isTrue(error._tag === "ValueError" && error.reason._tag === "DuplicateColumn")
        assert.lengthOf(yield* Stream.runCollect(Stream.take(session.streamValues(statement), 2)), 2)
        assert.deepStrictEqual((yield* session.query("select 1 as a")).rows, one)
      }))

    it.effect("makes queries wait until it has ended", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const began = yield* Deferred.make<void>()
        let seen = 0
        const stream = yield* Effect.forkChild(
          Stream.runForEachArray(session.streamValues(numbers(100_000)), (rows) =>
            Effect.suspend(() => {
              seen += rows.length
              return Effect.andThen(Deferred.succeed(began, undefined), Effect.yieldNow)
            }))
        )
        yield* Deferred.await(began)
        const { rows } = yield* session.query("select 1 as a")
        assert.deepStrictEqual(rows, one)
        assert.strictEqual(seen, 100_000)
        yield* Fiber.join(stream)
      }))

    it.effect("re-executes the statement each time it is run", () =>
      Effect.gen(function*() {
        const session = yield* openSession()
        const stream = session.streamValues("select n from generate_series(1, 10) as g(n)")
        for (const _ of [1, 2]) assert.strictEqual(yield* Stream.runCount(stream), 10)
        const both = yield* Stream.runCollect(Stream.zip(stream, (yield* openSession()).streamValues("select 1 as a")))
        assert.deepStrictEqual(both, [[[1], [1]]])
      }))
  }
})
