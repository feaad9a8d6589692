import { assert } from "@effect/vitest"
import * as Session from "@hyperfect/client/Session"
import * as Transport from "@hyperfect/transport/Transport"
import * as BuiltIn from "@hyperfect/values/BuiltIn"
import type * as Type from "@hyperfect/values/Type"
import * as TypeRegistry from "@hyperfect/values/TypeRegistry"
import * as ValueError from "@hyperfect/values/ValueError"
import { Deferred, Effect, Fiber, Stream } from "effect"
import { endlessRows, open, servers, Target } from "./servers.ts"

/** A session, and how many bytes it has taken off its line. */
const openCounted = Effect.gen(function*() {
  const transport = yield* Transport.Transport
  const { config } = yield* Target
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
  return { session, taken: () => bytes }
})

const numbers = (count: number) =>
  `select n, 'row ' || n::text as s from generate_series(1, ${count}) as g(n) order by n`

/** Integers of which one cannot be read. */
const refusing = (bad: number): Type.Type<number> => {
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

const openRefusing = (bad: number) =>
  Effect.provideService(
    open(),
    TypeRegistry.TypeRegistry,
    TypeRegistry.extend(TypeRegistry.builtIn, [refusing(bad)])
  )

const one = [{ a: 1 }]

servers({
  both(it) {
    it.effect("hands out every row once and in order, as objects and as arrays", () =>
      Effect.gen(function*() {
        const session = yield* open()
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

    it.effect("keeps a million rows out of memory", () =>
      Effect.gen(function*() {
        const session = yield* open()
        const batches: Array<number> = []
        yield* Stream.runForEachArray(
          session.streamValues("select n from generate_series(1, 1000000) as g(n)"),
          (rows) => Effect.sync(() => void batches.push(rows.length))
        )
        assert.strictEqual(batches.reduce((sum, size) => sum + size, 0), 1_000_000)
        // No batch is more than what a few reads of the line give.
        assert.isBelow(Math.max(...batches), 50_000)
      }))

    it.effect("takes nothing more off the line while the consumer waits", () =>
      Effect.gen(function*() {
        const { session, taken } = yield* openCounted
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
        yield* Effect.sleep("200 millis")
        const before = taken()
        assert.isBelow(before, 1024 * 1024)
        yield* Effect.sleep("200 millis")
        assert.strictEqual(taken(), before)
        yield* Deferred.succeed(go, undefined)
        yield* Fiber.join(consumer)
        assert.strictEqual(rows, 1_000_000)
        assert.isAbove(taken(), 10 * 1024 * 1024)
      }))

    it.effect("stops the server when the consumer leaves, and lives on", () =>
      Effect.gen(function*() {
        const session = yield* open()
        const endless = yield* endlessRows
        for (const take of [1, 10, 5000]) {
          assert.lengthOf(yield* Stream.runCollect(Stream.take(session.stream(endless), take)), take)
          assert.deepStrictEqual((yield* session.query("select 1 as a")).rows, one)
        }
        const failed = yield* Effect.flip(Stream.runForEach(session.stream(endless), () => Effect.fail("enough")))
        assert.strictEqual(failed, "enough")
        assert.deepStrictEqual((yield* session.query("select 1 as a")).rows, one)
      }))

    it.effect("stops the server when the consumer is interrupted, and lives on", () =>
      Effect.gen(function*() {
        const session = yield* open()
        const endless = yield* endlessRows
        for (const milliseconds of [0, 1, 5, 20, 50]) {
          const outcome = yield* Effect.timeoutOption(Stream.runDrain(session.stream(endless)), milliseconds)
          assert.strictEqual(outcome._tag, "None")
          assert.deepStrictEqual((yield* session.query("select 1 as a")).rows, one)
        }
      }))

    it.effect("fails with the error that comes behind rows", () =>
      Effect.gen(function*() {
        const session = yield* open()
        let rows = 0
        const stream = session.stream("select 100 / (50000 - n) from generate_series(1, 60000) as g(n)")
        const error = yield* Effect.flip(Stream.runForEach(stream, () => Effect.sync(() => void rows++)))
        assert.isTrue(error._tag === "ServerError" && error.reason._tag === "DivisionByZero")
        assert.isAtMost(rows, 49_999)
        const refused = yield* Effect.flip(Stream.runDrain(session.stream("select * from no_such_table")))
        assert.isTrue(refused._tag === "ServerError" && refused.reason._tag === "UndefinedTable")
        assert.deepStrictEqual((yield* session.query("select 1 as a")).rows, one)
      }))

    it.effect("fails at once when a row cannot be read, and harms nobody else", () =>
      Effect.gen(function*() {
        const session = yield* openRefusing(50_000)
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
        // Those that were read before are not lost. (Hyper sends them in any order.)
        if (session.server.kind === "postgres") assert.strictEqual(rows, 49_999)
        else assert.isAbove(rows, 0)
        assert.deepStrictEqual(other.rows, one)
        const collected = yield* Effect.flip(session.query("select 50000 as a"))
        assert.strictEqual(collected._tag, "ValueError")
        assert.deepStrictEqual((yield* session.query("select 1 as a")).rows, one)
      }))

    it.effect("fails at once when its columns cannot be told apart", () =>
      Effect.gen(function*() {
        const session = yield* open()
        const statement = `select n, n from (${yield* endlessRows}) as endless`
        const error = yield* Effect.flip(Stream.runDrain(session.stream(statement)))
        assert.isTrue(error._tag === "ValueError" && error.reason._tag === "DuplicateColumn")
        assert.lengthOf(yield* Stream.runCollect(Stream.take(session.streamValues(statement), 2)), 2)
        assert.deepStrictEqual((yield* session.query("select 1 as a")).rows, one)
      }))

    it.effect("lets a query wait until it is over", () =>
      Effect.gen(function*() {
        const session = yield* open()
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

    it.effect("can be run again, and each time asks anew", () =>
      Effect.gen(function*() {
        const session = yield* open()
        const stream = session.streamValues("select n from generate_series(1, 10) as g(n)")
        for (const _ of [1, 2]) assert.strictEqual(yield* Stream.runCount(stream), 10)
        const both = yield* Stream.runCollect(Stream.zip(stream, (yield* open()).streamValues("select 1 as a")))
        assert.deepStrictEqual(both, [[[1], [1]]])
      }))
  }
})
