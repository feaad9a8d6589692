import { assert, layer } from "@effect/vitest"
import * as Client from "@hyperfect/client/Client"
import { identifier, sql } from "@hyperfect/client/Statement"
import * as ArrowTable from "@hyperfect/hyper/apache/ArrowTable"
import * as HyperArrow from "@hyperfect/hyper/HyperArrow"
import * as Arrow from "apache-arrow"
import { Data, Effect, Exit, Option, Stream } from "effect"
import { servers } from "./servers.ts"

class SourceFailed extends Data.TaggedError("SourceFailed") {}

let tables = 0

/** A table of one column `c` of a type. */
const tableOf = (type: string) =>
  Effect.gen(function*() {
    const name = `arrow table ${++tables}`
    yield* (yield* Client.Client).simple(`create temp table "${name}" (c ${type})`)
    return name
  })

/** The values of a table as text, in the order in which they were inserted. */
const textsOf = (name: string) =>
  Effect.gen(function*() {
    const { rows } = yield* (yield* Client.Client).values(sql`select cast(c as text) from ${identifier(name)}`)
    return rows.map(([text]) => text)
  })

const vector = (type: Arrow.DataType, values: ReadonlyArray<unknown>): Arrow.Vector =>
  Arrow.vectorFromArray(values as Array<never>, type as never)

/** A vector of the numbers that Arrow itself has, which the builders of times and dates do not take. */
const raw = (
  type: Arrow.DataType,
  data: BigInt64Array | Int32Array | Uint8Array | Uint32Array,
  more: object = {}
): Arrow.Vector => new Arrow.Vector([Arrow.makeData({ type, data, ...more } as never)])

const largeText = (type: Arrow.LargeUtf8 | Arrow.LargeBinary, values: ReadonlyArray<string | null>) => {
  const bytes = values.map((value) => Buffer.from(value ?? ""))
  const valueOffsets = new BigInt64Array(values.length + 1)
  bytes.forEach(({ length }, i) => valueOffsets[i + 1] = valueOffsets[i]! + BigInt(length))
  const nullBitmap = Uint8Array.of(values.reduce((bits, value, i) => bits | (value === null ? 0 : 1) << i, 0))
  const length = values.length
  const nullCount = values.filter((value) => value === null).length
  return raw(type, Buffer.concat(bytes), { valueOffsets, nullBitmap, length, nullCount })
}

const ints = (...values: ReadonlyArray<number>) => BigInt64Array.from(values.map(BigInt))

const insert = (name: string, column: Arrow.Vector) => ArrowTable.insert(name, new Arrow.Table({ c: column } as {}))

const day = 86_400_000

const dictionary = (values: ReadonlyArray<unknown>, type: Arrow.DataType = new Arrow.Utf8()) =>
  vector(new Arrow.Dictionary(type, new Arrow.Int16()), values)

/** Columns that are stored without loss: the type, the data, and the stored values as text. */
const stored: ReadonlyArray<readonly [string, string, Arrow.Vector, ReadonlyArray<string | null>]> = [
  ["integer", "Int8", vector(new Arrow.Int8(), [-128, null, 127]), ["-128", null, "127"]],
  ["integer", "Uint8", vector(new Arrow.Uint8(), [255, null]), ["255", null]],
  ["integer", "Int16", vector(new Arrow.Int16(), [-5]), ["-5"]],
  ["integer", "Uint16", vector(new Arrow.Uint16(), [65_535]), ["65535"]],
  ["integer", "Int32", vector(new Arrow.Int32(), [-(2 ** 31), null]), ["-2147483648", null]],
  ["integer", "Uint32", vector(new Arrow.Uint32(), [2 ** 31 - 1]), ["2147483647"]],
  ["integer", "Int64", vector(new Arrow.Int64(), [BigInt(-7), null]), ["-7", null]],
  ["integer", "Uint64", vector(new Arrow.Uint64(), [BigInt(7)]), ["7"]],
  ["integer", "Float64", vector(new Arrow.Float64(), [1, null, -3]), ["1", null, "-3"]],
  ["integer", "Float16", vector(new Arrow.Float16(), [2, null]), ["2", null]],
  ["integer", "Dictionary(Int64)", dictionary([BigInt(9), null, BigInt(9)], new Arrow.Int64()), ["9", null, "9"]],
  ["integer", "Null", vector(new Arrow.Null(), [null, null]), [null, null]],
  ["smallint", "Int64", vector(new Arrow.Int64(), [BigInt(32_767), BigInt(-32_768)]), ["32767", "-32768"]],
  ["bigint", "Uint64", vector(new Arrow.Uint64(), [BigInt("9223372036854775807")]), ["9223372036854775807"]],
  ["bigint", "Int8", vector(new Arrow.Int8(), [-1, null]), ["-1", null]],
  ["bigint", "Float64", vector(new Arrow.Float64(), [2 ** 53, -(2 ** 63)]), [
    "9007199254740992",
    "-9223372036854775808"
  ]],
  ["oid", "Int32", vector(new Arrow.Int32(), [17, null]), ["17", null]],
  ["boolean", "Bool", vector(new Arrow.Bool(), [true, null, false]), ["true", null, "false"]],
  ["boolean", "Dictionary(Bool)", dictionary([true, null, false], new Arrow.Bool()), ["true", null, "false"]],
  ["double precision", "Float32", vector(new Arrow.Float32(), [0.5, null, NaN]), ["0.5", null, "NaN"]],
  ["double precision", "Float16", vector(new Arrow.Float16(), [0.25]), ["0.25"]],
  ["double precision", "Int64", vector(new Arrow.Int64(), [BigInt(2) ** BigInt(40)]), ["1099511627776"]],
  ["real", "Float64", vector(new Arrow.Float64(), [0.5, null, Infinity]), ["0.5", null, "Infinity"]],
  ["real", "Int32", vector(new Arrow.Int32(), [-4096]), ["-4096"]],
  ["numeric(10, 2)", "Int32", vector(new Arrow.Int32(), [-12, null]), ["-12.00", null]],
  ["numeric(10, 2)", "Decimal(2, 10)", raw(new Arrow.Decimal(2, 10), Uint32Array.of(150, 0, 0, 0)), ["1.50"]],
  [
    "numeric(10, 2)",
    "Decimal(4, 12)",
    raw(new Arrow.Decimal(4, 12), Uint32Array.of(2 ** 32 - 12_300, 2 ** 32 - 1, 2 ** 32 - 1, 2 ** 32 - 1)),
    ["-1.23"]
  ],
  [
    "numeric(38, 0)",
    "Decimal(0, 30)",
    raw(new Arrow.Decimal(0, 30), Uint32Array.of(0, 0, 1, 0)),
    [String(BigInt(2) ** BigInt(64))]
  ],
  ["text", "Utf8", vector(new Arrow.Utf8(), ["a", null, "é"]), ["a", null, "é"]],
  ["text", "LargeUtf8", largeText(new Arrow.LargeUtf8(), ["a", null, "", "é"]), ["a", null, "", "é"]],
  ["text", "Dictionary(Utf8)", dictionary(["b", "a", null, "b"]), ["b", "a", null, "b"]],
  ["text", "Utf8View", vector(new Arrow.Utf8View(), ["a", null, "é longer than twelve bytes"]), [
    "a",
    null,
    "é longer than twelve bytes"
  ]],
  ["bytes", "BinaryView", vector(new Arrow.BinaryView(), [Uint8Array.of(1), null]), ["\\x01", null]],
  ["varchar(2)", "Dictionary(Utf8)", dictionary(["é😀", null]), ["é😀", null]],
  ["varchar(2)", "Utf8", vector(new Arrow.Utf8(), ["ab"]), ["ab"]],
  ["char(1)", "Utf8", vector(new Arrow.Utf8(), ["é", null]), ["é", null]],
  ["char(3)", "LargeUtf8", largeText(new Arrow.LargeUtf8(), ["abc"]), ["abc"]],
  ["json", "Utf8", vector(new Arrow.Utf8(), [`{"a":[1]}`, null]), [`{"a":[1]}`, null]],
  ["bytes", "LargeBinary", largeText(new Arrow.LargeBinary(), ["ab", null]), ["\\x6162", null]],
  ["bytes", "FixedSizeBinary", raw(new Arrow.FixedSizeBinary(2), Uint8Array.of(1, 2, 3, 4)), ["\\x0102", "\\x0304"]],
  ["date", "Date32", raw(new Arrow.DateDay(), Int32Array.of(0, -1)), ["1970-01-01", "1969-12-31"]],
  ["date", "Date64", raw(new Arrow.DateMillisecond(), ints(day, -day)), ["1970-01-02", "1969-12-31"]],
  ["time", "Time32(s)", raw(new Arrow.TimeSecond(), Int32Array.of(3661)), ["01:01:01"]],
  ["time", "Time32(ms)", raw(new Arrow.TimeMillisecond(), Int32Array.of(1500)), ["00:00:01.5"]],
  ["time", "Time64(us)", raw(new Arrow.TimeMicrosecond(), ints(day * 1000 - 1)), ["23:59:59.999999"]],
  ["time", "Time64(ns)", raw(new Arrow.TimeNanosecond(), ints(1_000_000)), ["00:00:00.001"]],
  ["timestamp", "Timestamp(s)", raw(new Arrow.TimestampSecond(), ints(60)), ["1970-01-01 00:01:00"]],
  ["timestamp", "Timestamp(ms)", raw(new Arrow.TimestampMillisecond(), ints(-1)), ["1969-12-31 23:59:59.999"]],
  ["timestamp", "Timestamp(us)", raw(new Arrow.TimestampMicrosecond(), ints(1)), ["1970-01-01 00:00:00.000001"]],
  ["timestamp", "Timestamp(ns)", raw(new Arrow.TimestampNanosecond(), ints(-1000)), ["1969-12-31 23:59:59.999999"]],
  [
    "integer[]",
    "List(Int32)",
    vector(new Arrow.List(new Arrow.Field("item", new Arrow.Int32(), true)), [[1, null], null]),
    [
      "[1,NULL]",
      null
    ]
  ]
]

/** Columns of which a value would be lost, and the row of the first one. */
const lost: ReadonlyArray<readonly [string, string, Arrow.Vector, number]> = [
  ["smallint", "Int32", vector(new Arrow.Int32(), [1, 32_768]), 1],
  ["integer", "Uint32", vector(new Arrow.Uint32(), [2 ** 31]), 0],
  ["integer", "Int64", vector(new Arrow.Int64(), [BigInt(0), null, BigInt(2 ** 31)]), 2],
  ["integer", "Float64 with a fraction", vector(new Arrow.Float64(), [1, 1.5]), 1],
  ["integer", "Float64 with NaN", vector(new Arrow.Float64(), [NaN]), 0],
  ["integer", "Dictionary(Float64)", dictionary([1, 0.5, 1], new Arrow.Float64()), 1],
  ["bigint", "Uint64", vector(new Arrow.Uint64(), [BigInt("9223372036854775808")]), 0],
  ["bigint", "Float64", vector(new Arrow.Float64(), [2 ** 63]), 0],
  ["oid", "Int32", vector(new Arrow.Int32(), [-1]), 0],
  ["double precision", "Int64", vector(new Arrow.Int64(), [BigInt(2) ** BigInt(53) + BigInt(1)]), 0],
  ["real", "Float64", vector(new Arrow.Float64(), [0.5, 0.1]), 1],
  ["real", "Int32", vector(new Arrow.Int32(), [2 ** 24 + 1]), 0],
  ["numeric(4, 2)", "Int32", vector(new Arrow.Int32(), [99, 100]), 1],
  ["numeric(4, 2)", "Decimal(3, 10)", raw(new Arrow.Decimal(3, 10), Uint32Array.of(1500, 0, 0, 0, 1, 0, 0, 0)), 1],
  ["varchar(2)", "Dictionary(Utf8)", dictionary(["ab", "abc"]), 1],
  ["char(1)", "Utf8", vector(new Arrow.Utf8(), ["ab"]), 0],
  ["char(3)", "LargeUtf8", largeText(new Arrow.LargeUtf8(), ["abcd"]), 0],
  ["date", "Date64 with a time", raw(new Arrow.DateMillisecond(), ints(day, 1)), 1],
  ["time", "Time64(ns)", raw(new Arrow.TimeNanosecond(), ints(1000, 1001)), 1],
  ["time", "Time32(s) of a day", raw(new Arrow.TimeSecond(), Int32Array.of(86_400)), 0],
  ["time", "Time64(us) below zero", raw(new Arrow.TimeMicrosecond(), ints(-1)), 0],
  ["timestamp", "Timestamp(ns)", raw(new Arrow.TimestampNanosecond(), ints(0, 1)), 1],
  ["timestamp", "Timestamp(s)", raw(new Arrow.TimestampSecond(), ints(2 ** 45)), 0],
  ["integer not null", "NULL", vector(new Arrow.Int32(), [1, null]), 1],
  ["text not null", "NULL in a Dictionary", dictionary(["a", null]), 1],
  ["integer not null", "Null", vector(new Arrow.Null(), [null]), 0]
]

/** Columns of types that are not converted, with the wanted and the found type of the error. */
const refused: ReadonlyArray<readonly [string, Arrow.Vector, string, string]> = [
  ["integer", vector(new Arrow.Utf8(), ["1"]), "Int32", "Utf8"],
  ["integer", vector(new Arrow.Bool(), [true]), "Int32", "Bool"],
  ["integer", dictionary(["1"]), "Int32", "Dictionary(Utf8)"],
  ["text", vector(new Arrow.Int32(), [1]), "Utf8", "Int32"],
  ["text", vector(new Arrow.Binary(), [Uint8Array.of(1)]), "Utf8", "Binary"],
  ["bytes", vector(new Arrow.Utf8(), ["a"]), "Binary", "Utf8"],
  ["geography", vector(new Arrow.Binary(), [Uint8Array.of(1)]), "Binary hyper:type=Geography", "Binary"],
  ["boolean", vector(new Arrow.Int8(), [1]), "Bool", "Int8"],
  ["numeric(10, 2)", vector(new Arrow.Float64(), [1]), "Decimal128(10, 2)", "Float64"],
  ["date", raw(new Arrow.TimestampMillisecond(), ints(0)), "Date64", "Timestamp(ms)"],
  ["timestamp", raw(new Arrow.TimestampMillisecond("UTC"), ints(0)), "Timestamp(us)", "Timestamp(ms, UTC)"],
  ["timestamptz", raw(new Arrow.TimestampMillisecond(), ints(0)), "Timestamp(us, Utc)", "Timestamp(ms)"],
  [
    "integer[]",
    vector(new Arrow.List(new Arrow.Field("item", new Arrow.Int64(), true)), [[BigInt(1)]]),
    "List(Int32)",
    "List(Int64)"
  ]
]

layer(servers.hyper)("ArrowTable", (it) => {
  it.effect("stores values of other types as they are, with NULLs", () =>
    Effect.gen(function*() {
      for (const [type, found, column, texts] of stored) {
        const name = yield* tableOf(type)
        const result = yield* Effect.result(insert(name, column))
        assert(
          result._tag === "Success",
          `${found} for ${type}: ${String(result._tag === "Failure" && result.failure)}`
        )
        assert.strictEqual(result.success.rowCount, texts.length)
        assert.deepStrictEqual(yield* textsOf(name), [...texts], `${found} for ${type}`)
      }
    }), 60_000)

  it.effect("keeps the instants of times with a zone", () =>
    Effect.gen(function*() {
      for (
        const [type, value] of [
          [new Arrow.TimestampSecond("UTC"), 1],
          [new Arrow.TimestampMillisecond("Europe/Zurich"), 1000],
          [new Arrow.TimestampMicrosecond("UTC"), 1_000_000],
          [new Arrow.TimestampNanosecond("UTC"), 1_000_000_000]
        ] as const
      ) {
        const name = yield* tableOf("timestamptz")
        yield* insert(name, raw(type, ints(value)))
        const { rows } = yield* (yield* Client.Client).values(
          sql`select c = timestamptz '1970-01-01 00:00:01+00' from ${identifier(name)}`
        )
        assert.deepStrictEqual(rows, [[true]])
      }
    }))

  it.effect(
    "refuses a value that would be lost, with the column and the row, and inserts nothing",
    () =>
      Effect.gen(function*() {
        for (const [type, found, column, row] of lost) {
          const name = yield* tableOf(type)
          const exit = yield* Effect.exit(insert(name, column))
          const error = Option.getOrUndefined(Exit.findErrorOption(exit))
          assert(error?._tag === "ValueError", `${found} for ${type}: ${String(exit)}`)
          assert.deepStrictEqual([error.reason.name, error.reason.row], ["c", row], `${found} for ${type}`)
          assert.deepStrictEqual(yield* textsOf(name), [])
        }
      }),
    60_000
  )

  it.effect("H-64: the server itself stores text that is too long, and drops nanoseconds", () =>
    Effect.gen(function*() {
      const send = (type: string, column: Arrow.Vector, metadata: ReadonlyArray<readonly [string, string]>) =>
        Effect.gen(function*() {
          const name = yield* tableOf(type)
          const schema = new Arrow.Schema([new Arrow.Field("c", column.type, true, new Map(metadata))])
          const bytes = Arrow.tableToIPC(new Arrow.Table(schema, { c: column } as {}), "stream")
          yield* HyperArrow.insert(name, [bytes])
          return yield* textsOf(name)
        })
      const text = vector(new Arrow.Utf8(), ["abc"])
      assert.deepStrictEqual(yield* send("varchar(2)", text, [["hyper:max_string_length", "2"]]), ["abc"])
      assert.deepStrictEqual(yield* send("char(1)", text, [["hyper:type", "Char1"]]), ["a"])
      assert.deepStrictEqual(yield* send("time", raw(new Arrow.TimeNanosecond(), ints(1001)), []), ["00:00:00.000001"])
      const json = yield* Effect.flip(send("json", text, [["hyper:type", "JSON"]]))
      assert.strictEqual(json._tag === "ServerError" && json.reason.sqlState, "22P02")
    }))

  it.effect("names fields of types that are not converted, and fields that are missing", () =>
    Effect.gen(function*() {
      for (const [type, column, wanted, found] of refused) {
        const name = yield* tableOf(type)
        const error = yield* Effect.flip(insert(name, column))
        assert(error._tag === "ArrowMismatch", String(error))
        assert.deepStrictEqual(error.columns, [{ name: "c", wanted, found }])
      }
      const name = yield* tableOf("integer")
      const missing = yield* Effect.flip(ArrowTable.insert(name, Arrow.tableFromArrays({ C: [1] })))
      assert(missing._tag === "ArrowMismatch", String(missing))
      assert.deepStrictEqual(missing.columns, [{ name: "c", wanted: "Int32", found: undefined }])
      const nowhere = yield* Effect.flip(ArrowTable.insert("nowhere", Arrow.tableFromArrays({ c: [1] })))
      assert.strictEqual(nowhere._tag, "ServerError")
    }))

  it.effect("inserts what tableFromArrays makes, and returns it", () =>
    Effect.gen(function*() {
      const client = yield* Client.Client
      yield* client.simple("create table flights (origin varchar(3), delay integer not null, share real, late boolean)")
      const table = Arrow.tableFromArrays({
        ignored: [1, 2, 3],
        late: [true, false, null],
        share: Float32Array.of(0.5, 1, 0),
        delay: [7, -2, 0],
        origin: ["SFO", null, "SFO"]
      })
      assert.strictEqual((yield* ArrowTable.insert("flights", table)).rowCount, 3)
      const found = yield* ArrowTable.fromQuery(sql`select * from flights`)
      assert.deepStrictEqual(found.toArray().map((row) => row.toJSON()), [
        { origin: "SFO", delay: 7, share: 0.5, late: true },
        { origin: null, delay: -2, share: 1, late: false },
        { origin: "SFO", delay: 0, share: 0, late: null }
      ])
    }))

  it.effect("inserts many batches, slices of them, and none", () =>
    Effect.gen(function*() {
      const client = yield* Client.Client
      yield* client.simple("create table batches (i bigint, s text, b boolean, d date)")
      const length = 200_001
      const count = Array.from({ length }, (_, i) => i)
      const whole = new Arrow.Table({
        i: Arrow.makeVector(Int32Array.from(count)),
        s: vector(new Arrow.Utf8(), count.map((i) => i % 3 === 0 ? null : String(i))),
        b: vector(new Arrow.Bool(), count.map((i) => i % 5 === 0 ? null : i % 2 === 0)),
        d: raw(new Arrow.DateDay(), Int32Array.from(count))
      } as {})
      assert.strictEqual(whole.batches.length, 1)
      const check =
        sql`select count(*), count(s), count(b) from batches where (i % 3 = 0 and s is null or s = cast(i as text))
        and (i % 5 = 0 and b is null or b = (i % 2 = 0)) and d = date '1970-01-01' + cast(i as integer)`
      const expected = [
        BigInt(length),
        BigInt(length - Math.ceil(length / 3)),
        BigInt(length - Math.ceil(length / 5))
      ]
      assert.strictEqual((yield* ArrowTable.insert("batches", whole)).rowCount, length)
      assert.deepStrictEqual((yield* client.values(check)).rows, [expected])
      yield* client.simple("truncate table batches")
      const parts = [whole.slice(0, 3), whole.slice(3, 70_001), whole.slice(70_001, length)]
      yield* ArrowTable.insert("batches", Stream.fromIterable(parts.flatMap(({ batches }) => batches)))
      assert.deepStrictEqual((yield* client.values(check)).rows, [expected])
      for (const none of [[], whole.slice(0, 0), new Arrow.Table(whole.schema), Stream.empty]) {
        assert.strictEqual((yield* ArrowTable.insert("batches", none)).rowCount, 0)
      }
    }))

  it.effect("inserts columns that share their memory", () =>
    Effect.gen(function*() {
      const client = yield* Client.Client
      yield* client.simple("create table shared (a integer, b integer, c integer, s text, t text, e text, f text)")
      const length = 70_000
      const numbers = Int32Array.from({ length: length + 1 }, (_, i) => i)
      const text = vector(new Arrow.Utf8(), Array.from({ length }, (_, i) => i % 3 === 0 ? null : String(i)))
      const empty = vector(new Arrow.Utf8(), Array.from({ length }, () => ""))
      const table = new Arrow.Table({
        a: Arrow.makeVector(numbers.subarray(0, length)),
        b: Arrow.makeVector(numbers.subarray(0, length)),
        c: Arrow.makeVector(numbers.subarray(1)),
        s: text,
        t: text,
        e: empty,
        f: empty
      } as {})
      assert.strictEqual((yield* ArrowTable.insert("shared", table)).rowCount, length)
      const { rows } = yield* client.values(
        sql`select count(*), count(s), cast(sum(a) as bigint) from shared where a = b and c = a + 1 and e = '' and f = ''
          and (s = t and s = cast(a as text) or s is null and t is null and a % 3 = 0)`
      )
      assert.deepStrictEqual(rows, [[BigInt(length), BigInt(46_666), BigInt((length * (length - 1)) / 2)]])
    }))

  it.effect("follows the deltas and replacements of dictionaries", () =>
    Effect.gen(function*() {
      const type = new Arrow.Dictionary(new Arrow.Utf8(), new Arrow.Int32(), 1)
      const batch = (entries: ReadonlyArray<string | null>, indices: ReadonlyArray<number>) =>
        new Arrow.Table({
          c: new Arrow.Vector([Arrow.makeData({
            type,
            data: Int32Array.from(indices),
            dictionary: vector(new Arrow.Utf8(), entries)
          } as never)])
        } as {}).batches[0]!
      const bytes = Arrow.RecordBatchStreamWriter.writeAll([
        batch(["a", "b"], [0, 1]),
        batch(["a", "b", "c"], [2, 0]),
        batch(["x", null], [0, 1])
      ]).toUint8Array(true)
      for (const batches of [Arrow.tableFromIPC(bytes).batches, [...Arrow.RecordBatchReader.from(bytes)]]) {
        const name = yield* tableOf("text")
        const expected = batches.flatMap((read) => [...read.getChild("c")!])
        yield* ArrowTable.insert(name, batches)
        assert.deepStrictEqual(yield* textsOf(name), expected)
      }
      const name = yield* tableOf("text")
      yield* ArrowTable.insert(name, [
        batch(["a", "b"], [0, 1]),
        batch(["b", "a", "c"], [0, 1, 2]),
        batch(["x", null], [0, 1])
      ])
      assert.deepStrictEqual(yield* textsOf(name), ["a", "b", "b", "a", "c", "x", null])
    }))

  it.effect("inserts nothing if the source fails", () =>
    Effect.gen(function*() {
      const name = yield* tableOf("integer")
      const batches = Arrow.tableFromArrays({ c: [1, 2] }).batches
      const failing = Stream.concat(Stream.fromIterable(batches), Stream.fail(new SourceFailed()))
      assert.strictEqual((yield* Effect.flip(ArrowTable.insert(name, failing)))._tag, "SourceFailed")
      const other = Arrow.tableFromArrays({ c: ["text"] }).batches
      const changing = yield* Effect.flip(ArrowTable.insert(name, [...batches, ...other]))
      assert.strictEqual(changing._tag, "ArrowMismatch")
      assert.deepStrictEqual(yield* textsOf(name), [])
    }))

  it.effect("streams a result in batches, and fails as the query does", () =>
    Effect.gen(function*() {
      const batches = yield* Stream.runCollect(
        ArrowTable.streamQuery(sql`select i, 'n' || i as s from generate_series(1, 50000) as g(i)`)
      )
      assert.isAbove(batches.length, 3)
      assert.strictEqual(batches.reduce((sum, { numRows }) => sum + numRows, 0), 50_000)
      const table = new Arrow.Table(batches)
      assert.deepStrictEqual(table.get(49_999)!.toJSON(), { i: 50_000, s: "n50000" })
      assert.deepStrictEqual(yield* Stream.runCollect(ArrowTable.streamQuery(sql`select 1 as n where false`)), [])
      const error = yield* Effect.flip(
        Stream.runDrain(ArrowTable.streamQuery(sql`select 1 / (90000 - i) from generate_series(1, 100000) as g(i)`))
      )
      assert.strictEqual(error._tag, "ServerError")
    }))
})
