import { assert, layer } from "@effect/vitest"
import * as Client from "@hyperfect/client/Client"
import type { ServerError } from "@hyperfect/client/ServerError"
import { type Fragment, fromTextUnsafe, identifier, sql } from "@hyperfect/client/Statement"
import type { ArrowError } from "@hyperfect/hyper/ArrowError"
import * as ArrowSchema from "@hyperfect/hyper/ArrowSchema"
import * as HyperArrow from "@hyperfect/hyper/HyperArrow"
import * as HyperTable from "@hyperfect/hyper/HyperTable"
import * as Arrow from "apache-arrow"
import { Data, Deferred, Effect, Fiber, Schema, Stream } from "effect"
import { servers } from "./servers.ts"

class SourceFailed extends Data.TaggedError("SourceFailed") {}

let tables = 0

/** A table of two nullable columns. */
const table = Effect.gen(function*() {
  const made = HyperTable.make(`arrow ${++tables}`, {
    id: Schema.NullOr(Schema.Int),
    name: Schema.NullOr(Schema.String)
  })
  yield* made.create
  return made
})

/** An Arrow IPC stream with rows from `start` on, every third name NULL. */
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

const columnTypes = [
  "boolean",
  "smallint",
  "integer",
  "bigint",
  "real",
  "double precision",
  "numeric(10, 2)",
  "text",
  "varchar(5)",
  "char(1)",
  "char(3)",
  "json",
  "bytes",
  "geography",
  "date",
  "time",
  "timestamp",
  "timestamptz",
  "interval",
  "oid",
  "integer[]",
  "text[]"
]

const arrowTypes: ReadonlyArray<Arrow.DataType> = [
  new Arrow.Int8(),
  new Arrow.Int16(),
  new Arrow.Int32(),
  new Arrow.Int64(),
  new Arrow.Uint8(),
  new Arrow.Uint16(),
  new Arrow.Uint32(),
  new Arrow.Uint64(),
  new Arrow.Float16(),
  new Arrow.Float32(),
  new Arrow.Float64(),
  new Arrow.Bool(),
  new Arrow.Null(),
  new Arrow.Utf8(),
  new Arrow.LargeUtf8(),
  new Arrow.Binary(),
  new Arrow.LargeBinary(),
  new Arrow.FixedSizeBinary(4),
  new Arrow.Dictionary(new Arrow.Utf8(), new Arrow.Int32()),
  new Arrow.Decimal(2, 10, 128),
  new Arrow.Decimal(2, 12, 128),
  new Arrow.Decimal(3, 10, 128),
  new Arrow.DateDay(),
  new Arrow.DateMillisecond(),
  new Arrow.TimeSecond(),
  new Arrow.TimeMillisecond(),
  new Arrow.TimeMicrosecond(),
  new Arrow.TimeNanosecond(),
  ...[null, "UTC", "Europe/Zurich"].flatMap((zone) => [
    new Arrow.TimestampSecond(zone),
    new Arrow.TimestampMillisecond(zone),
    new Arrow.TimestampMicrosecond(zone),
    new Arrow.TimestampNanosecond(zone)
  ]),
  new Arrow.IntervalYearMonth(),
  new Arrow.IntervalDayTime(),
  new Arrow.DurationMicrosecond(),
  ...[new Arrow.Int32(), new Arrow.Int64(), new Arrow.Utf8()].map((type) =>
    new Arrow.List(new Arrow.Field("item", type as Arrow.DataType, true))
  )
]

/** Splits bytes into parts of at most `size` bytes. */
const splitBytes = function*(bytes: Uint8Array, size: number) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

layer(servers.hyper)("Arrow on Hyper", (it) => {
  it.effect("returns the result of a query as a stream that apache-arrow reads", () =>
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

  it.effect("fails as other queries do, and the session remains usable", () =>
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

  it.effect("inserts a stream regardless of how it is split", () =>
    Effect.gen(function*() {
      for (const size of [1, 3, 7, 8, 9, 64, 1000, 1e9]) {
        const made = yield* table
        const { commandTag, rowCount } = yield* HyperArrow.insert(made, splitBytes(ipc(1, 100, 3), size))
        assert.deepStrictEqual([commandTag, rowCount], ["COPY 100", 100])
        assert.deepStrictEqual(yield* contents(made), expected(1, 100))
      }
    }))

  it.effect("inserts all of several consecutive streams, with or without end markers", () =>
    Effect.gen(function*() {
      for (const size of [5, 4096, 1e9]) {
        for (const withEnd of [true, false]) {
          const made = yield* table
          const streams = [ipc(1, 10), ipc(11, 20, 2), ipc(31, 1)].map((bytes) => {
            assert.deepStrictEqual(bytes.slice(-8), end)
            return withEnd ? bytes : bytes.slice(0, -8)
          })
          const { rowCount } = yield* HyperArrow.insert(
            made,
            Stream.fromIterable(splitBytes(Buffer.concat(streams), size))
          )
          assert.strictEqual(rowCount, 31)
          assert.deepStrictEqual(yield* contents(made), expected(1, 31))
        }
      }
    }))

  it.effect("inserts streams that the server has returned, and many rows", () =>
    Effect.gen(function*() {
      const made = yield* table
      const query = sql`select cast(i as integer) as id, 'name ' || i as name from generate_series(1, 200000) as g(i)`
      const { rowCount } = yield* HyperArrow.insert(made, [yield* HyperArrow.collect(query)])
      assert.strictEqual(rowCount, 200_000)
    }))

  it.effect("accepts a table name, or a fragment that stands for a table", () =>
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
    it.effect(`rejects ${what}, and inserts nothing`, () =>
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

  it.effect("rejects a stream that is truncated anywhere but between two messages", () =>
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

  it.effect("names the fields that do not fit, before a row is sent", () =>
    Effect.gen(function*() {
      const client = yield* Client.Client
      const made = yield* table
      const strings = Arrow.vectorFromArray(["1"], new Arrow.Utf8())
      const failure = (into: HyperArrow.Table, columns: object) =>
        Effect.gen(function*() {
          let pulled = 0
          const parts = Stream.tap(
            Stream.fromIterable(splitBytes(Arrow.tableToIPC(new Arrow.Table(columns as {}), "stream"), 8)),
            () => Effect.sync(() => pulled++)
          )
          const error = yield* Effect.flip(HyperArrow.insert(into, parts))
          assert(error._tag === "ArrowMismatch", String(error))
          assert.isFalse(error.isRetryable)
          assert.isAbove(pulled, 0)
          return error
        })
      const wrong = yield* failure(made, { id: strings, name: strings })
      assert.deepStrictEqual(wrong.columns, [{ name: "id", wanted: "Int32", found: "Utf8" }])
      const missing = yield* failure(made, { id: Arrow.vectorFromArray([1], new Arrow.Int32()) })
      assert.deepStrictEqual(missing.columns, [{ name: "name", wanted: "Utf8", found: undefined }])
      assert.match(missing.message, /does not fit the table "arrow \d+": "name" wants Utf8 but is missing/)
      yield* client.simple("create table strict (id integer not null, name varchar(5))")
      const strict = yield* failure("strict", { id: Arrow.vectorFromArray([1], new Arrow.Int32()), name: strings })
      assert.deepStrictEqual(strict.columns, [
        { name: "id", wanted: "Int32 NOT NULL", found: "Int32" },
        { name: "name", wanted: "Utf8 hyper:max_string_length=5", found: "Utf8" }
      ])
      assert.deepStrictEqual(yield* contents(made), [])
      assert.strictEqual(sqlStateOf(yield* Effect.flip(HyperArrow.insert("nowhere", [ipc(1, 1)]))), "42P01")
    }))

  it.effect("returns the fields of a table, which its own rows have", () =>
    Effect.gen(function*() {
      const client = yield* Client.Client
      const columns = columnTypes.map((type, i) => `c${i} ${type}${i % 2 === 0 ? "" : " not null"}`)
      yield* client.simple(`create temp table "all types" (${columns.join(", ")})`)
      const fields = yield* HyperArrow.schemaOf("all types")
      assert.deepStrictEqual(fields.map(({ name }) => name), columnTypes.map((_, i) => `c${i}`))
      assert.deepStrictEqual(fields.map(({ nullable }) => nullable), columnTypes.map((_, i) => i % 2 === 0))
      assert.deepStrictEqual(
        fields.map(ArrowSchema.describe).join(),
        [
          "Bool,Int16 NOT NULL,Int32,Int64 NOT NULL,Float32,Float64 NOT NULL,Decimal128(10, 2),Utf8 NOT NULL",
          "Utf8 hyper:max_string_length=5,Utf8 NOT NULL hyper:type=Char1,Utf8 hyper:max_string_length=3 hyper:type=Char",
          "Utf8 NOT NULL hyper:type=JSON,Binary,Binary NOT NULL hyper:type=Geography,Date64,Time64(us) NOT NULL",
          "Timestamp(us),Timestamp(us, Utc) NOT NULL,Interval(month-day-nano),Uint32 NOT NULL hyper:type=Oid,List(Int32)",
          "List(Utf8) NOT NULL"
        ].join()
      )
      const error = yield* Effect.flip(HyperArrow.schemaOf("nowhere"))
      assert.strictEqual(sqlStateOf(error), "42P01")
      // The server accepts what it has returned.
      const own = yield* HyperArrow.collect(sql`select * from "all types"`)
      assert.strictEqual((yield* HyperArrow.insert("all types", [own])).rowCount, 0)
    }))

  it.effect("H-61: agrees with the server about every pair of types", () =>
    Effect.gen(function*() {
      const client = yield* Client.Client
      const disagreed: Array<string> = []
      let accepted = 0
      for (const [i, type] of columnTypes.entries()) {
        yield* client.simple(`create temp table "pair ${i}" (c ${type})`)
        const name = identifier(`pair ${i}`)
        for (const [j, found] of arrowTypes.entries()) {
          const schema = new Arrow.Schema([new Arrow.Field("c", found, true)])
          const bytes = Arrow.RecordBatchStreamWriter.writeAll(new Arrow.Table(schema)).toUint8Array(true)
          const direct = yield* Effect.result(
            client.copyIn(sql`COPY ${name} FROM STDIN WITH (FORMAT arrowstream)`, Stream.make(bytes))
          )
          const checked = yield* Effect.result(HyperArrow.insert(name, [bytes]))
          if (direct._tag === "Success") accepted++
          if (direct._tag !== checked._tag) disagreed.push(`${type} of the Arrow type ${j}: server ${direct._tag}`)
        }
      }
      assert.deepStrictEqual(disagreed, [])
      assert.isAbove(accepted, 20)
    }), 60_000)

  it.effect("inserts nothing if the source fails or is interrupted", () =>
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
  it.effect("is rejected by the server", () =>
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
