import { assert, layer } from "@effect/vitest"
import * as Client from "@hyperfect/client/Client"
import type { ServerError } from "@hyperfect/client/ServerError"
import { type Fragment, fromTextUnsafe, identifier, sql } from "@hyperfect/client/Statement"
import type { ArrowError } from "@hyperfect/hyper/ArrowError"
import * as HyperArrow from "@hyperfect/hyper/HyperArrow"
import * as HyperTable from "@hyperfect/hyper/HyperTable"
import * as Arrow from "apache-arrow"
import { Data, Deferred, Effect, Fiber, Schema, Stream } from "effect"
import { servers } from "./servers.ts"

class SourceFailed extends Data.TaggedError("SourceFailed") {}

let tables = 0

/** A table of two columns that take NULL. */
const table = Effect.gen(function*() {
  const made = HyperTable.make(`arrow ${++tables}`, {
    id: Schema.NullOr(Schema.Int),
    name: Schema.NullOr(Schema.String)
  })
  yield* made.create
  return made
})

/** A stream of Arrow IPC with rows from `start` on, every third name NULL. */
const ipc = (start: number, count: number, batches = 1): Uint8Array => {
  const ids = Array.from({ length: count }, (_, i) => start + i)
  const made = new Arrow.Table({
    id: Arrow.vectorFromArray(ids, new Arrow.Int32()),
    name: Arrow.vectorFromArray(ids.map((id) => id % 3 === 0 ? null : `name ${id}`), new Arrow.Utf8())
  })
  const size = Math.ceil(count / batches)
  const parts = Array.from({ length: batches }, (_, i) => made.slice(i * size, (i + 1) * size))
  return Arrow.RecordBatchStreamWriter.writeAll(parts.flatMap((part) => part.batches)).toUint8Array(true)
}

const end = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0)

const contents = (of: Fragment) =>
  Effect.gen(function*() {
    const { rows } = yield* (yield* Client.Client).values(sql`select id, name from ${of} order by id`)
    return rows
  })

const expected = (start: number, count: number) =>
  Array.from({ length: count }, (_, i) => [start + i, (start + i) % 3 === 0 ? null : `name ${start + i}`])

const sqlStateOf = (error: { readonly _tag: string }): string =>
  error._tag === "ServerError" ? (error as ServerError).reason.sqlState : error._tag

/** The bytes in parts of up to so many. */
const cut = function*(bytes: Uint8Array, size: number) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

layer(servers.hyper)("Arrow on Hyper", (it) => {
  it.effect("gives the result of a query as a stream that apache-arrow reads", () =>
    Effect.gen(function*() {
      const found = Arrow.tableFromIPC(
        yield* HyperArrow.collect(sql`select cast(i as integer) as id, cast(i as bigint) * 1000000000000 as big,
          i * 0.5e0 as half, case when i = 2 then null else 'name ' || i end as name, i = 1 as one,
          cast(i as numeric(10, 2)) as price, timestamp '2026-03-01 12:00:00' as at
          from generate_series(1, 3) as g(i)`)
      )
      assert.strictEqual(found.numRows, 3)
      assert.deepStrictEqual(found.schema.fields.map(({ name, type }) => `${name} ${type}`), [
        "id Int32",
        "big Int64",
        "half Float64",
        "name Utf8",
        "one Bool",
        "price Decimal[10e+2]",
        "at Timestamp<MICROSECOND>"
      ])
      assert.deepStrictEqual([...found.getChild("id")!], [1, 2, 3])
      assert.deepStrictEqual([...found.getChild("big")!], [1, 2, 3].map((i) => BigInt(i) * BigInt(1e12)))
      assert.deepStrictEqual([...found.getChild("half")!], [0.5, 1, 1.5])
      assert.deepStrictEqual([...found.getChild("name")!], ["name 1", null, "name 3"])
      assert.deepStrictEqual([...found.getChild("one")!], [true, false, false])
    }))

  it.effect("sends a large result in parts, and an empty one as a schema", () =>
    Effect.gen(function*() {
      const parts = yield* Stream.runCollect(HyperArrow.stream(sql`select i from generate_series(1, 100000) as g(i)`))
      assert.isAbove(parts.length, 5)
      const whole = Arrow.tableFromIPC(Buffer.concat(parts))
      assert.strictEqual(whole.numRows, 100_000)
      assert.strictEqual(whole.getChild("i")!.get(99_999), 100_000)
      const none = Arrow.tableFromIPC(yield* HyperArrow.collect(sql`select 1 as n where false`))
      assert.deepStrictEqual([none.numRows, none.schema.fields.length], [0, 1])
    }))

  it.effect("fails as other queries do, and the session goes on", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(HyperArrow.collect(sql`select * from nowhere`))
      assert.strictEqual(sqlStateOf(error), "42P01")
      const late = yield* Effect.flip(
        HyperArrow.collect(sql`select 1 / (90000 - i) from generate_series(1, 100000) as g(i)`)
      )
      assert.strictEqual(sqlStateOf(late), "22012")
      const uuid = yield* Effect.flip(HyperArrow.collect(sql`select cast(null as uuid) as u`))
      assert.strictEqual(sqlStateOf(uuid), "0A000")
      assert.strictEqual(Arrow.tableFromIPC(yield* HyperArrow.collect(sql`select 7 as n`)).getChild("n")!.get(0), 7)
    }))

  it.effect("inserts a stream, however it is cut", () =>
    Effect.gen(function*() {
      for (const size of [1, 3, 7, 8, 9, 64, 1000, 1e9]) {
        const made = yield* table
        const { commandTag, rowCount } = yield* HyperArrow.insert(made, cut(ipc(1, 100, 3), size))
        assert.deepStrictEqual([commandTag, rowCount], ["COPY 100", 100])
        assert.deepStrictEqual(yield* contents(made), expected(1, 100))
      }
    }))

  it.effect("inserts all of several streams that follow each other, with their ends or without", () =>
    Effect.gen(function*() {
      for (const size of [5, 4096, 1e9]) {
        for (const withEnd of [true, false]) {
          const made = yield* table
          const streams = [ipc(1, 10), ipc(11, 20, 2), ipc(31, 1)].map((bytes) => {
            assert.deepStrictEqual(bytes.slice(-8), end)
            return withEnd ? bytes : bytes.slice(0, -8)
          })
          const { rowCount } = yield* HyperArrow.insert(made, Stream.fromIterable(cut(Buffer.concat(streams), size)))
          assert.strictEqual(rowCount, 31)
          assert.deepStrictEqual(yield* contents(made), expected(1, 31))
        }
      }
    }))

  it.effect("takes what the server gave, and many rows", () =>
    Effect.gen(function*() {
      const made = yield* table
      const query = sql`select cast(i as integer) as id, 'name ' || i as name from generate_series(1, 200000) as g(i)`
      const { rowCount } = yield* HyperArrow.insert(made, [yield* HyperArrow.collect(query)])
      assert.strictEqual(rowCount, 200_000)
    }))

  it.effect("takes the table by its name, or by what stands for it", () =>
    Effect.gen(function*() {
      const made = yield* table
      yield* HyperArrow.insert(made.name, [ipc(1, 1)])
      yield* HyperArrow.insert(identifier("public", made.name), [ipc(2, 1)])
      assert.deepStrictEqual(yield* contents(made), expected(1, 2))
    }))

  const stream = ipc(1, 10)
  const another = Arrow.tableToIPC(new Arrow.Table({ id: Arrow.vectorFromArray([1], new Arrow.Int32()) }), "stream")
  const wrong: ReadonlyArray<readonly [string, ArrowError["problem"], number, ReadonlyArray<Uint8Array>]> = [
    ["nothing", "not-a-stream", 0, []],
    ["an end alone", "not-a-stream", 0, [end]],
    ["text", "not-a-stream", 0, [Buffer.from("id,name\n1,a\n")]],
    ["an Arrow file", "not-a-stream", 0, [Arrow.tableToIPC(Arrow.tableFromIPC(stream), "file")]],
    ["a record batch without a schema", "not-a-stream", 0, [stream.slice(stream.indexOf(0xff, 8))]],
    ["something behind the end", "not-a-stream", stream.length, [stream, Buffer.from("more than eight")]],
    ["two ends", "not-a-stream", stream.length, [stream, end]],
    ["less than a prefix", "truncated", stream.length, [stream, end.slice(0, 5)]],
    ["a stream of another schema behind it", "schema-differs", stream.length, [stream, another]],
    ["a size that cannot be", "malformed", 0, [Uint8Array.of(255, 255, 255, 255, 0, 0, 0, 0x80)]],
    ["metadata that are none", "malformed", 0, [
      Uint8Array.of(255, 255, 255, 255, 8, 0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 0)
    ]],
    ["metadata of zeros", "malformed", 0, [Uint8Array.of(255, 255, 255, 255, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)]]
  ]
  for (const [what, problem, offset, data] of wrong) {
    it.effect(`refuses ${what}, and keeps nothing`, () =>
      Effect.gen(function*() {
        const made = yield* table
        const error = yield* Effect.flip(HyperArrow.insert(made, data))
        assert(error._tag === "ArrowError", String(error))
        assert.deepStrictEqual([error.problem, error.offset], [problem, offset])
        assert.isFalse(error.isRetryable)
        assert.include(error.message, `at byte ${offset}`)
        assert.deepStrictEqual(yield* contents(made), [])
      }))
  }

  it.effect("refuses a stream that is cut off anywhere but between two messages", () =>
    Effect.gen(function*() {
      const made = yield* table
      let [kept, refused] = [0, 0]
      for (let length = 1; length < stream.length; length += 13) {
        const outcome = yield* Effect.result(HyperArrow.insert(made, [stream.slice(0, length)]))
        if (outcome._tag === "Success") kept += outcome.success.rowCount
        else {
          assert.strictEqual(outcome.failure._tag, "ArrowError")
          refused++
        }
      }
      assert.isAbove(refused, 10)
      assert.strictEqual((yield* contents(made)).length, kept)
    }))

  it.effect("leaves to the server what it can tell: types, NULL, missing columns", () =>
    Effect.gen(function*() {
      const client = yield* Client.Client
      const made = yield* table
      const sqlStates: Array<unknown> = []
      const strings = Arrow.vectorFromArray(["1"], new Arrow.Utf8())
      for (const columns of [{ id: strings, name: strings }, { id: Arrow.vectorFromArray([1], new Arrow.Int32()) }]) {
        const bytes = Arrow.tableToIPC(new Arrow.Table(columns as {}), "stream")
        const error = yield* Effect.flip(HyperArrow.insert(made, [bytes]))
        sqlStates.push(sqlStateOf(error))
      }
      yield* client.simple("create table strict (id integer not null, name text)")
      const error = yield* Effect.flip(HyperArrow.insert("strict", [ipc(1, 1)]))
      sqlStates.push(sqlStateOf(error))
      assert.deepStrictEqual(sqlStates, ["42804", "42P10", "42804"])
      assert.deepStrictEqual(yield* contents(made), [])
    }))

  it.effect("keeps nothing when the source fails or is interrupted", () =>
    Effect.gen(function*() {
      const made = yield* table
      const failing = Stream.concat(Stream.make(ipc(1, 1000)), Stream.fail(new SourceFailed()))
      assert.strictEqual((yield* Effect.flip(HyperArrow.insert(made, failing)))._tag, "SourceFailed")
      const began = yield* Deferred.make<void>()
      const stuck = Stream.concat(
        Stream.make(ipc(1, 1000)),
        Stream.fromEffect(Effect.andThen(Deferred.succeed(began, undefined), Effect.never))
      )
      const inserting = yield* Effect.forkChild(HyperArrow.insert(made, stuck))
      yield* Deferred.await(began)
      yield* Fiber.interrupt(inserting)
      assert.deepStrictEqual(yield* contents(made), [])
      assert.strictEqual((yield* HyperArrow.insert(made, [ipc(1, 5)])).rowCount, 5)
    }))
})

layer(servers.postgres)("Arrow on PostgreSQL", (it) => {
  it.effect("is refused by the server", () =>
    Effect.gen(function*() {
      const client = yield* Client.Client
      yield* client.simple("create table arrow_refused (id int)")
      for (
        const effect of [
          HyperArrow.collect(fromTextUnsafe("select 1")),
          HyperArrow.insert("arrow_refused", [ipc(1, 1)])
        ]
      ) {
        const error = yield* Effect.flip(
          effect as Effect.Effect<unknown, Client.ClientError | ArrowError, Client.Client>
        )
        assert.strictEqual(sqlStateOf(error), "22023")
      }
      assert.deepStrictEqual((yield* client.values("select 1")).rows, [[1]])
    }))
})
