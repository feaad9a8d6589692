import { assert, describe, it } from "@effect/vitest"
import * as ByteWriter from "@hyperfect/protocol/ByteWriter"
import {
  BuiltIn,
  CalendarDate,
  Interval,
  Parameter,
  TimeOfDay,
  Timestamp,
  TimestampTz,
  type Type,
  UnknownValue,
  ValueError
} from "@hyperfect/values"
import { BigDecimal, DateTime, Option } from "effect"
import { reasonOf, toHex } from "./fixtures.ts"

const dialects = ["postgres", "hyper"] as const

const bytesOf = (value: unknown, dialect: Parameter.Dialect): string => {
  const out = ByteWriter.make()
  Parameter.write(out, Parameter.encoder(value, dialect), value)
  return toHex(out.take())
}

const text = (value: string) => toHex(new TextEncoder().encode(value))
const sized = (hex: string) => (hex.length / 2).toString(16).padStart(8, "0") + hex

describe("Parameter", () => {
  const decimal = BigDecimal.make(BigInt(1250), 2)
  // The value, the OID, and the bytes in PostgreSQL's binary format and in HyperBinary.
  const cases: ReadonlyArray<readonly [string, unknown, number, string, string]> = [
    ["a boolean", true, 16, "01", "01"],
    ["an integer", 258, 23, "00000102", "02010000"],
    ["the smallest int4", -0x80000000, 23, "80000000", "00000080"],
    ["a larger integer", 0x80000000, 20, "0000000080000000", "0000008000000000"],
    ["the largest safe integer", Number.MAX_SAFE_INTEGER, 20, "001fffffffffffff", "ffffffffffff1f00"],
    ["a fraction", 1.5, 701, "3ff8000000000000", "000000000000f83f"],
    ["a number beyond the safe integers", 1e300, 701, "7e37e43c8800759c", "9c7500883ce4377e"],
    ["-0", -0, 701, "8000000000000000", "0000000000000080"],
    ["NaN", NaN, 701, "7ff8000000000000", "000000000000f87f"],
    ["a bigint", BigInt(1), 20, "0000000000000001", "0100000000000000"],
    ["bytes", Uint8Array.of(1, 2), 17, "0102", "0102"],
    ["a Date", new Date("2000-01-01T00:00:01Z"), 1184, "00000000000f4240", "40a2efbe3e83f002"],
    ["a DateTime", DateTime.makeUnsafe("2000-01-01T00:00:01Z"), 1184, "00000000000f4240", "40a2efbe3e83f002"],
    ["a TimestampTz", TimestampTz.fromPartsUnsafe(0, 1), 1184, "0000000000000001", "0160e0be3e83f002"],
    ["a Timestamp", Timestamp.fromPartsUnsafe(0, 1), 1114, "0000000000000001", "0160e0be3e83f002"],
    ["a CalendarDate", CalendarDate.fromDayUnsafe(1), 1082, "00000001", "5a682500"],
    ["a TimeOfDay", TimeOfDay.fromMicrosecondUnsafe(1), 1083, "0000000000000001", "0100000000000000"],
    [
      "an Interval",
      Interval.makeUnsafe({ months: 1, days: 2, microseconds: BigInt(3) }),
      1186,
      "00000000000000030000000200000001",
      "03000000000000000200000001000000"
    ]
  ]

  it.each(cases)("infers the type of %s and writes the server's format", (_, value, oid, postgres, hyper) => {
    assert.deepInclude(Parameter.encoder(value, "postgres"), { typeOid: oid, format: 1 })
    assert.strictEqual(bytesOf(value, "postgres"), sized(postgres))
    assert.deepInclude(Parameter.encoder(value, "hyper"), { typeOid: oid, format: 2 })
    assert.strictEqual(bytesOf(value, "hyper"), sized(hyper))
  })

  it("leaves the type of text, JSON and NULL to the server", () => {
    for (const dialect of dialects) {
      for (
        const [value, expected] of [["it's", text("it's")], ["", ""], [{ a: [1] }, text("{\"a\":[1]}")], [
          [1, 2],
          text("[1,2]")
        ]] as const
      ) {
        assert.deepInclude(Parameter.encoder(value, dialect), { typeOid: 0, format: 0 })
        assert.strictEqual(bytesOf(value, dialect), sized(expected))
      }
      assert.deepInclude(Parameter.encoder(null, dialect), { typeOid: 0, format: 0 })
      assert.strictEqual(bytesOf(null, dialect), "ffffffff")
      assert.strictEqual(bytesOf(Object.assign(Object.create(null), { a: 1 }), dialect), sized(text("{\"a\":1}")))
    }
  })

  it("sends a decimal as numeric to PostgreSQL, and as untyped text to Hyper, whose numeric would round it", () => {
    assert.deepInclude(Parameter.encoder(decimal, "postgres"), { typeOid: 1700, format: 1 })
    assert.strictEqual(bytesOf(decimal, "postgres"), sized("000200000000" + "0002" + "000c" + "1388"))
    assert.deepInclude(Parameter.encoder(decimal, "hyper"), { typeOid: 0, format: 0 })
    assert.strictEqual(bytesOf(decimal, "hyper"), sized(text("12.50")))
    const huge = BigInt("9223372036854775808")
    assert.strictEqual(Parameter.encoder(huge, "postgres").typeOid, 1700)
    assert.strictEqual(bytesOf(huge, "hyper"), sized(text("9223372036854775808")))
    assert.strictEqual(bytesOf(Parameter.make(decimal, BuiltIn.numeric), "hyper"), sized(text("12.50")))
  })

  it("uses an explicit type", () => {
    const small = Parameter.make(1, BuiltIn.int2)
    assert.deepInclude(Parameter.encoder(small, "postgres"), { typeOid: 21, format: 1 })
    assert.strictEqual(bytesOf(small, "postgres"), sized("0001"))
    assert.strictEqual(bytesOf(small, "hyper"), sized("0100"))
    const array = Parameter.make([1, null], BuiltIn.array(BuiltIn.int4))
    assert.strictEqual(Parameter.encoder(array, "postgres").typeOid, 1007)
    assert.strictEqual(bytesOf(array, "hyper"), sized("010000000000000002"))
    const none = Parameter.make(null, BuiltIn.date)
    assert.strictEqual(Parameter.encoder(none, "postgres").typeOid, 1082)
    assert.strictEqual(bytesOf(none, "postgres"), "ffffffff")
    assert.isTrue(Parameter.isParameter(none))
    assert.isFalse(Parameter.isParameter({ type: BuiltIn.date, value: null }))
  })

  it("accepts for a numeric type any number that it represents exactly", () => {
    const numeric = (value: number) => bytesOf(Parameter.make(value as never, BuiltIn.numeric), "postgres")
    assert.strictEqual(numeric(0.1), bytesOf(BigDecimal.make(BigInt(1), 1), "postgres"))
    assert.strictEqual(numeric(1000), sized("0001000000000000" + "03e8"))
    assert.strictEqual(numeric(NaN), sized("00000000c0000000"))
    assert.strictEqual(bytesOf(Parameter.make(0.1 as never, BuiltIn.numeric), "hyper"), sized(text("0.1")))
    for (
      const [value, type, hex] of [
        [BigInt(-2), BuiltIn.int2, "fffe"],
        [BigInt(5), BuiltIn.int4, "00000005"],
        [BigInt(4294967295), BuiltIn.oid, "ffffffff"],
        [BigInt(2), BuiltIn.float8, "4000000000000000"]
      ] as const
    ) assert.strictEqual(bytesOf(Parameter.make(value as never, type), "postgres"), sized(hex))
    for (
      const [value, type] of [
        [BigInt("9007199254740993"), BuiltIn.float8],
        [BigInt(2) ** BigInt(1100), BuiltIn.float8],
        ["1", BuiltIn.int4],
        [BigDecimal.make(BigInt(1), 0), BuiltIn.int4]
      ] as ReadonlyArray<readonly [unknown, Type.Any]>
    ) {
      assert.strictEqual(reasonOf(() => bytesOf(Parameter.make(value as never, type), "postgres"))._tag, "TypeMismatch")
    }
    assert.strictEqual(
      reasonOf(() => bytesOf(Parameter.make(BigInt(70_000) as never, BuiltIn.int2), "postgres"))._tag,
      "OutOfRange"
    )
  })

  it("sends an UnknownValue back unchanged", () => {
    const value = UnknownValue.make(99_999, 1, Uint8Array.of(1, 2, 3))
    assert.deepInclude(Parameter.encoder(value, "postgres"), { typeOid: 99_999, format: 1 })
    assert.strictEqual(bytesOf(value, "postgres"), sized("010203"))
  })

  it("rejects values whose type cannot be inferred", () => {
    for (
      const value of [
        undefined,
        Symbol("s"),
        () => 1,
        new Map(),
        new Set([1]),
        /x/,
        Option.some(1),
        Promise.resolve(1),
        new Int8Array(1)
      ]
    ) {
      for (const dialect of dialects) {
        assert.deepInclude(reasonOf(() => Parameter.encoder(value, dialect)), {
          _tag: "TypeMismatch",
          typeName: "parameter"
        })
      }
    }
  })

  it("rejects a type that Hyper does not have", () => {
    for (const type of [BuiltIn.jsonb, BuiltIn.array(BuiltIn.numeric)]) {
      const parameter = Parameter.make<unknown, never>([] as never, type)
      assert.strictEqual(reasonOf(() => Parameter.encoder(parameter, "hyper"))._tag, "FormatUnsupported")
      assert.strictEqual(Parameter.encoder(parameter, "postgres").format, 1)
    }
  })

  it("rejects values that the server would change", () => {
    const infinite = [CalendarDate.infinity, Timestamp.infinity, TimestampTz.negativeInfinity, Interval.infinity]
    for (const value of infinite) {
      assert.strictEqual(reasonOf(() => bytesOf(value, "hyper"))._tag, "NotRepresentable")
      assert.notStrictEqual(bytesOf(value, "postgres"), "")
    }
    assert.strictEqual(reasonOf(() => bytesOf("a\0", "postgres"))._tag, "NotRepresentable")
    assert.strictEqual(bytesOf("a\0", "hyper"), sized("6100"))
    for (const dialect of dialects) {
      assert.strictEqual(reasonOf(() => bytesOf("\ud800", dialect))._tag, "NotRepresentable")
      assert.strictEqual(reasonOf(() => bytesOf({ a: "\ud800" }, dialect))._tag, "NotRepresentable")
      assert.strictEqual(reasonOf(() => bytesOf(new Date(NaN), dialect))._tag, "OutOfRange")
    }
  })

  it("writes values longer than the writer's buffer, after others", () => {
    const out = ByteWriter.make(16)
    const long = "é".repeat(50_000)
    const values = [1, long, null, Uint8Array.of(9)]
    for (const value of values) Parameter.write(out, Parameter.encoder(value, "postgres"), value)
    assert.strictEqual(toHex(out.take()), sized("00000001") + sized(text(long)) + "ffffffff" + sized("09"))
  })

  it("a ValueError names the parameter", () => {
    const thrown = ValueError.atParameter(reasonOf(() => Parameter.encoder(undefined, "postgres")), 3)
    const error = ValueError.fromThrown(thrown)
    assert.instanceOf(error, ValueError.ValueError)
    assert.deepInclude(error.reason, { location: "parameter", index: 3 })
    assert.include(error.message, "parameter $3")
    assert.include(error.message, "undefined")
    assert.isFalse(error.isRetryable)
  })
})

describe("ValueError", () => {
  it("does not wrap other exceptions", () => {
    const bug = new TypeError("bug")
    assert.throws(() => ValueError.fromThrown(bug), bug)
    assert.strictEqual(ValueError.atParameter(bug, 1), bug)
  })

  it("wraps the error for a value that does not fit into a message", () => {
    const out = ByteWriter.make(8)
    let thrown: unknown
    try {
      out.ensure(2 ** 31)
    } catch (error) {
      thrown = error
    }
    assert.strictEqual(ValueError.fromThrown(thrown).reason._tag, "OutOfRange")
    assert.deepInclude(ValueError.atColumn(thrown, "c", 2, 5), { _tag: "OutOfRange", name: "c", index: 2, row: 5 })
  })
})
