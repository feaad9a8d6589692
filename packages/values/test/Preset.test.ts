import { assert, describe, it } from "@effect/vitest"
import {
  BuiltIn,
  CalendarDate,
  Interval,
  PgArray,
  Preset,
  Range,
  RowReader,
  Timestamp,
  TimestampTz,
  type Type,
  TypeRegistry
} from "@hyperfect/values"
import { BigDecimal, Effect, Schema } from "effect"
import { dataRow, fromHex, read, reasonOf, utf8, write } from "./fixtures.ts"

const formatsOf = (type: Type.Any) =>
  ([0, 1, 2] as const).filter((format) =>
    (format === 0 ? type.text : format === 1 ? type.binary : type.hyper) !== undefined
  )

/** A value as each format of its type would have it, read by a preset. */
const readings = (preset: Preset.Preset, type: Type.Any, value: unknown, column = "c"): ReadonlyArray<unknown> =>
  formatsOf(type).map((format) => read(preset(type, column), format, write(type, format, value)))

const all = (preset: Preset.Preset, type: Type.Any, value: unknown, expected: unknown) => {
  const found = readings(preset, type, value)
  assert.isAbove(found.length, 0)
  for (const one of found) assert.deepStrictEqual(one, expected, type.name)
}

const instant = TimestampTz.fromStringUnsafe("2024-02-29T12:30:00.123456Z")

describe("native", () => {
  it("reads numbers, strings, dates and bytes", () => {
    all(Preset.native, BuiltIn.int4, -7, -7)
    all(Preset.native, BuiltIn.int8, BigInt("9007199254740993"), "9007199254740993")
    all(Preset.native, BuiltIn.int8, BigInt(1), "1")
    all(Preset.native, BuiltIn.float8, NaN, NaN)
    all(Preset.native, BuiltIn.bool, true, true)
    all(Preset.native, BuiltIn.bytea, Uint8Array.of(1), Uint8Array.of(1))
    all(Preset.native, BuiltIn.json, { a: [null] }, { a: [null] })
    all(Preset.native, BuiltIn.uuid, "00112233-4455-6677-8899-aabbccddeeff", "00112233-4455-6677-8899-aabbccddeeff")
    all(Preset.native, BuiltIn.date, CalendarDate.makeUnsafe(2024, 2, 29), "2024-02-29")
    all(Preset.native, BuiltIn.timestamp, Timestamp.fromStringUnsafe("2024-03-10 02:30:00.5"), "2024-03-10 02:30:00.5")
    all(Preset.native, BuiltIn.timestamptz, instant, new Date("2024-02-29T12:30:00.123Z"))
    for (const format of [0, 1, 2] as const) {
      const modifier = (10 << 16 | 2) + 4
      const bytes = write(BuiltIn.numeric, format, BigDecimal.make(BigInt(1230), 2), modifier)
      assert.strictEqual(read(Preset.native(BuiltIn.numeric, "c"), format, bytes, modifier), "12.30")
    }
    all(Preset.native, BuiltIn.interval, Interval.fromStringUnsafe("P1DT2H"), "P1DT2H")
  })

  it("makes no invalid Date: infinities are numbers, and what a Date cannot hold is refused", () => {
    for (const format of [0, 1] as const) {
      const readBack = (value: TimestampTz.TimestampTz) =>
        read(Preset.native(BuiltIn.timestamptz, "c"), format, write(BuiltIn.timestamptz, format, value))
      assert.strictEqual(readBack(TimestampTz.infinity), Infinity)
      assert.strictEqual(readBack(TimestampTz.negativeInfinity), -Infinity)
      assert.deepStrictEqual(readBack(TimestampTz.fromStringUnsafe("275760-09-13T00:00:00Z")), new Date(8.64e15))
      const late = TimestampTz.fromStringUnsafe("275760-09-13T00:00:00.001Z")
      assert.deepInclude(reasonOf(() => readBack(late)), { _tag: "OutOfRange", typeName: "timestamptz" })
      const early = TimestampTz.fromStringUnsafe("4714-11-24T00:00:00Z BC")
      assert.strictEqual((readBack(early) as Date).toISOString(), "-004713-11-24T00:00:00.000Z")
    }
    const beforeEpoch = TimestampTz.fromStringUnsafe("1969-12-31T23:59:59.9995Z")
    all(Preset.native, BuiltIn.timestamptz, beforeEpoch, new Date(-1))
  })

  it("reaches into arrays, ranges and composites", () => {
    const { native } = Preset
    all(native, BuiltIn.array(BuiltIn.int8), [BigInt(1), null], ["1", null])
    all(native, BuiltIn.array(BuiltIn.timestamptz), [instant], [new Date("2024-02-29T12:30:00.123Z")])
    const range = Range.between(BigInt(1), BigInt(5))
    all(native, BuiltIn.int8range, range, Range.between("1", "5"))
    const composite = BuiltIn.composite(
      [{ name: "id", type: BuiltIn.int8 }, { name: "ok", type: BuiltIn.bool }],
      { name: "pair", oid: 90_000, arrayOid: 90_001 }
    )
    all(native, composite, { id: BigInt(7), ok: null }, { id: "7", ok: null })
    all(native, BuiltIn.array(composite), [{ id: BigInt(7), ok: true }], [{ id: "7", ok: true }])
    const bounds = PgArray.makeUnsafe([{ length: 1, lowerBound: 0 }], [BigInt(1)])
    for (const found of [0, 1] as const) {
      const value = read(
        native(BuiltIn.array(BuiltIn.int8), "c"),
        found,
        write(BuiltIn.array(BuiltIn.int8), found, bounds)
      )
      assert.deepStrictEqual(value, PgArray.makeUnsafe([{ length: 1, lowerBound: 0 }], ["1"]))
    }
    // Rows without a type come in binary whatever is asked for.
    const record = fromHex("00000002" + "00000014" + "00000008" + "0000000000000007" + "00000010" + "0000000101")
    assert.deepStrictEqual(read(native(TypeRegistry.builtIn.find(2249)!, "c"), 1, record), ["7", true])
  })

  it("describes what it reads by its Schemas", () => {
    for (
      const [type, value] of [
        [BuiltIn.int8, "1"],
        [BuiltIn.timestamptz, new Date(0)],
        [BuiltIn.timestamptz, Infinity],
        [BuiltIn.array(BuiltIn.int8), ["1"]]
      ] as const
    ) {
      assert.isTrue(Schema.is(Preset.native(type, "c").schema)(value))
    }
    assert.isFalse(Schema.is(Preset.native(BuiltIn.int8, "c").schema)(BigInt(1)))
  })
})

describe("text", () => {
  it("gives the bytes of text as they are, whatever they say", () => {
    for (const type of TypeRegistry.builtIn.types) {
      const preset = Preset.text(type, "c")
      assert.strictEqual(read(preset, 0, utf8("anything é")), "anything é", type.name)
      assert.strictEqual(Schema.is(preset.schema)("anything"), true)
    }
  })

  it("prints what comes in a binary format", () => {
    all(Preset.text, BuiltIn.int8, BigInt(-5), "-5")
    all(Preset.text, BuiltIn.bool, true, "t")
    all(Preset.text, BuiltIn.bytea, Uint8Array.of(0, 255), "\\x00ff")
    all(Preset.text, BuiltIn.timestamptz, instant, "2024-02-29 12:30:00.123456+00")
    all(Preset.text, BuiltIn.array(BuiltIn.text), ["a b", null, ""], "{\"a b\",NULL,\"\"}")
    const document = utf8("{ \"b\": 1.00, \"a\": 2 }")
    for (const format of [0, 1, 2] as const) {
      assert.strictEqual(read(Preset.text(BuiltIn.json, "c"), format, document), "{ \"b\": 1.00, \"a\": 2 }")
    }
  })

  it("is the same type for the same type", () => {
    assert.strictEqual(Preset.text(BuiltIn.int4, "a"), Preset.text(BuiltIn.int4, "b"))
  })
})

describe("a preset", () => {
  it("takes composites of composites, however often each has the same part", () => {
    let type: Type.Any = BuiltIn.int8
    for (let level = 0; level < 60; level++) {
      const fields = ["a", "b"].map((name) => ({ name, type }))
      type = BuiltIn.composite(fields, { name: `level${level}`, oid: 50_000 + level, arrayOid: 0 })
    }
    const presets = [
      Preset.native,
      Preset.withTypes(Preset.native, { int8: BuiltIn.int8Number }),
      Preset.withTypes(Preset.native, { int4: BuiltIn.text })
    ]
    for (const preset of presets) assert.strictEqual(preset(type, "c").name, "level59")
  })

  it("reads another type in arrays and composites by the OID that the server says", () => {
    const mood = BuiltIn.openEnumeration(["happy"], { name: "mood", oid: 50_000, arrayOid: 50_001 })
    const person = BuiltIn.composite([{ name: "mood", type: mood }], { name: "person", oid: 50_002, arrayOid: 50_003 })
    const mine = Preset.withTypes(Preset.lossless, { mood: BuiltIn.text })
    all(mine, mood, "happy", "happy")
    all(mine, person, { mood: "happy" }, { mood: "happy" })
    for (
      const [type, value] of [[BuiltIn.array(mood), ["happy"]], [BuiltIn.array(person), [{ mood: "happy" }]]] as const
    ) {
      assert.strictEqual(mine(type, "c").oid, type.oid)
      all(mine, type, value, value)
    }
  })

  it("is made of others by types", () => {
    const mine = Preset.withTypes(Preset.native, { int8: BuiltIn.int8Number, jsonb: Preset.text })
    all(mine, BuiltIn.int8, BigInt(5), 5)
    all(mine, BuiltIn.array(BuiltIn.int8), [BigInt(5), null], [5, null])
    all(mine, BuiltIn.date, CalendarDate.makeUnsafe(2024, 2, 29), "2024-02-29")
    all(mine, BuiltIn.int4range, Range.between(1, 5), Range.between(1, 5))
    const large = write(BuiltIn.int8, 1, BigInt("9007199254740992"))
    assert.deepInclude(reasonOf(() => read(mine(BuiltIn.int8, "c"), 1, large)), {
      _tag: "OutOfRange",
      typeName: "int8"
    })
    // A name that every object inherits is none of a type.
    const odd = { ...BuiltIn.int4, name: "toString" }
    assert.strictEqual(Preset.withTypes(Preset.lossless, {})(odd, "c"), odd)
  })

  it("is made of others by columns, by any name", () => {
    const mine = Preset.withColumns(Preset.lossless, { total: Preset.text, ["__proto__"]: Preset.native })
    assert.deepStrictEqual(readings(mine, BuiltIn.int8, BigInt(5), "total"), ["5", "5", "5"])
    assert.deepStrictEqual(readings(mine, BuiltIn.int8, BigInt(5), "__proto__"), ["5", "5", "5"])
    assert.deepStrictEqual(readings(mine, BuiltIn.int8, BigInt(5), "constructor"), [BigInt(5), BigInt(5), BigInt(5)])
  })

  it("tells columns the types that they are read by", () => {
    const columns = [
      { name: "a", typeOid: 20, typeModifier: -1 },
      { name: "b", typeOid: 20, typeModifier: -1 },
      { name: "c", typeOid: 99_999, typeModifier: -1 }
    ]
    const preset = Preset.withColumns(Preset.lossless, { b: Preset.text })
    const typed = Preset.typed(preset, columns, TypeRegistry.builtIn)
    assert.strictEqual(typed[0]!.type, BuiltIn.int8)
    assert.isUndefined(typed[2]!.type)
    for (const backEnd of ["closures", "generated"] as const) {
      const reader = RowReader.arraysUnsafe({ columns: typed, formats: [1, 0, 0], backEnd })
      const bytes = dataRow([fromHex("0000000000000001"), utf8("1"), utf8("?")])
      assert.deepStrictEqual(reader(bytes, 0, bytes.length), [BigInt(1), "1", "?"])
    }
  })

  it.effect("is lossless unless a layer says otherwise", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* Preset.Preset, Preset.lossless)
      const other = yield* Effect.provide(Effect.service(Preset.Preset), Preset.layer(Preset.text))
      assert.strictEqual(other, Preset.text)
    }))
})
