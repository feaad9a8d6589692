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

/** Writes a value in each format of its type, and reads it with a preset. */
const readInEachFormat = (
  preset: Preset.Preset,
  type: Type.Any,
  value: unknown,
  column = "c"
): ReadonlyArray<unknown> =>
  formatsOf(type).map((format) => read(preset(type, column), format, write(type, format, value)))

const assertInEachFormat = (preset: Preset.Preset, type: Type.Any, value: unknown, expected: unknown) => {
  const found = readInEachFormat(preset, type, value)
  assert.isAbove(found.length, 0)
  for (const one of found) assert.deepStrictEqual(one, expected, type.name)
}

const instant = TimestampTz.fromStringUnsafe("2024-02-29T12:30:00.123456Z")

describe("Preset.native", () => {
  it("reads numbers, strings, dates and bytes", () => {
    assertInEachFormat(Preset.native, BuiltIn.int4, -7, -7)
    assertInEachFormat(Preset.native, BuiltIn.int8, BigInt("9007199254740993"), "9007199254740993")
    assertInEachFormat(Preset.native, BuiltIn.int8, BigInt(1), "1")
    assertInEachFormat(Preset.native, BuiltIn.float8, NaN, NaN)
    assertInEachFormat(Preset.native, BuiltIn.bool, true, true)
    assertInEachFormat(Preset.native, BuiltIn.bytea, Uint8Array.of(1), Uint8Array.of(1))
    assertInEachFormat(Preset.native, BuiltIn.json, { a: [null] }, { a: [null] })
    assertInEachFormat(
      Preset.native,
      BuiltIn.uuid,
      "00112233-4455-6677-8899-aabbccddeeff",
      "00112233-4455-6677-8899-aabbccddeeff"
    )
    assertInEachFormat(Preset.native, BuiltIn.date, CalendarDate.makeUnsafe(2024, 2, 29), "2024-02-29")
    assertInEachFormat(
      Preset.native,
      BuiltIn.timestamp,
      Timestamp.fromStringUnsafe("2024-03-10 02:30:00.5"),
      "2024-03-10 02:30:00.5"
    )
    assertInEachFormat(Preset.native, BuiltIn.timestamptz, instant, new Date("2024-02-29T12:30:00.123Z"))
    for (const format of [0, 1, 2] as const) {
      const modifier = (10 << 16 | 2) + 4
      const bytes = write(BuiltIn.numeric, format, BigDecimal.make(BigInt(1230), 2), modifier)
      assert.strictEqual(read(Preset.native(BuiltIn.numeric, "c"), format, bytes, modifier), "12.30")
    }
    assertInEachFormat(Preset.native, BuiltIn.interval, Interval.fromStringUnsafe("P1DT2H"), "P1DT2H")
  })

  it("returns no invalid Date: infinities are numbers, and instants out of range are rejected", () => {
    for (const format of [0, 1] as const) {
      const readBack = (value: TimestampTz.TimestampTz) =>
        read(Preset.native(BuiltIn.timestamptz, "c"), format, write(BuiltIn.timestamptz, format, value))
      assert.strictEqual(readBack(TimestampTz.infinity), Infinity)
      assert.strictEqual(readBack(TimestampTz.negativeInfinity), -Infinity)
      assert.deepStrictEqual(readBack(TimestampTz.fromStringUnsafe("275760-09-13T00:00:00Z")), new Date(8.64e15))
      const late = TimestampTz.fromStringUnsafe("275760-09-13T00:00:00.001Z")
      assert.deepInclude(reasonOf(() => readBack(late)), { _tag: "OutOfRange", typeName: "timestamptz" })
      // The smallest 64-bit number of microseconds is before the first Date.
      const first = fromHex("8000000000000001")
      if (format === 1) {
        const reason = reasonOf(() => read(Preset.native(BuiltIn.timestamptz, "c"), format, first))
        assert.deepInclude(reason, { _tag: "OutOfRange", typeName: "timestamptz" })
      }
      const early = TimestampTz.fromStringUnsafe("4714-11-24T00:00:00Z BC")
      assert.strictEqual((readBack(early) as Date).toISOString(), "-004713-11-24T00:00:00.000Z")
    }
    const beforeEpoch = TimestampTz.fromStringUnsafe("1969-12-31T23:59:59.9995Z")
    assertInEachFormat(Preset.native, BuiltIn.timestamptz, beforeEpoch, new Date(-1))
  })

  it("applies to arrays, ranges and composites", () => {
    const { native } = Preset
    assertInEachFormat(native, BuiltIn.array(BuiltIn.int8), [BigInt(1), null], ["1", null])
    assertInEachFormat(native, BuiltIn.array(BuiltIn.timestamptz), [instant], [new Date("2024-02-29T12:30:00.123Z")])
    const range = Range.between(BigInt(1), BigInt(5))
    assertInEachFormat(native, BuiltIn.int8range, range, Range.between("1", "5"))
    const composite = BuiltIn.composite(
      [{ name: "id", type: BuiltIn.int8 }, { name: "ok", type: BuiltIn.bool }],
      { name: "pair", oid: 90_000, arrayOid: 90_001 }
    )
    assertInEachFormat(native, composite, { id: BigInt(7), ok: null }, { id: "7", ok: null })
    assertInEachFormat(native, BuiltIn.array(composite), [{ id: BigInt(7), ok: true }], [{ id: "7", ok: true }])
    const bounds = PgArray.makeUnsafe([{ length: 1, lowerBound: 0 }], [BigInt(1)])
    for (const found of [0, 1] as const) {
      const value = read(
        native(BuiltIn.array(BuiltIn.int8), "c"),
        found,
        write(BuiltIn.array(BuiltIn.int8), found, bounds)
      )
      assert.deepStrictEqual(value, PgArray.makeUnsafe([{ length: 1, lowerBound: 0 }], ["1"]))
    }
    // Records are read in binary, where each field carries its type.
    const record = fromHex("00000002" + "00000014" + "00000008" + "0000000000000007" + "00000010" + "0000000101")
    assert.deepStrictEqual(read(native(TypeRegistry.builtIn.find(2249)!, "c"), 1, record), ["7", true])
  })

  it("has Schemas that match the values it reads", () => {
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

describe("Preset.text", () => {
  it("returns text unchanged, whatever it contains", () => {
    for (const type of TypeRegistry.builtIn.types) {
      const preset = Preset.text(type, "c")
      assert.strictEqual(read(preset, 0, utf8("anything é")), "anything é", type.name)
      assert.strictEqual(Schema.is(preset.schema)("anything"), true)
    }
  })

  it("prints values of the binary formats", () => {
    assertInEachFormat(Preset.text, BuiltIn.int8, BigInt(-5), "-5")
    assertInEachFormat(Preset.text, BuiltIn.bool, true, "t")
    assertInEachFormat(Preset.text, BuiltIn.bytea, Uint8Array.of(0, 255), "\\x00ff")
    assertInEachFormat(Preset.text, BuiltIn.timestamptz, instant, "2024-02-29 12:30:00.123456+00")
    assertInEachFormat(Preset.text, BuiltIn.array(BuiltIn.text), ["a b", null, ""], "{\"a b\",NULL,\"\"}")
    const document = utf8("{ \"b\": 1.00, \"a\": 2 }")
    for (const format of [0, 1, 2] as const) {
      assert.strictEqual(read(Preset.text(BuiltIn.json, "c"), format, document), "{ \"b\": 1.00, \"a\": 2 }")
    }
  })

  it("returns the same type for the same type", () => {
    assert.strictEqual(Preset.text(BuiltIn.int4, "a"), Preset.text(BuiltIn.int4, "b"))
  })
})

describe("Preset", () => {
  it("accepts deeply nested composites that share parts", () => {
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

  it("reads replaced types inside arrays and composites by the server's OID", () => {
    const mood = BuiltIn.openEnumeration(["happy"], { name: "mood", oid: 50_000, arrayOid: 50_001 })
    const person = BuiltIn.composite([{ name: "mood", type: mood }], { name: "person", oid: 50_002, arrayOid: 50_003 })
    const mine = Preset.withTypes(Preset.lossless, { mood: BuiltIn.text })
    assertInEachFormat(mine, mood, "happy", "happy")
    assertInEachFormat(mine, person, { mood: "happy" }, { mood: "happy" })
    for (
      const [type, value] of [[BuiltIn.array(mood), ["happy"]], [BuiltIn.array(person), [{ mood: "happy" }]]] as const
    ) {
      assert.strictEqual(mine(type, "c").oid, type.oid)
      assertInEachFormat(mine, type, value, value)
    }
  })

  it("withTypes replaces types by name", () => {
    const mine = Preset.withTypes(Preset.native, { int8: BuiltIn.int8Number, jsonb: Preset.text })
    assertInEachFormat(mine, BuiltIn.int8, BigInt(5), 5)
    assertInEachFormat(mine, BuiltIn.array(BuiltIn.int8), [BigInt(5), null], [5, null])
    assertInEachFormat(mine, BuiltIn.date, CalendarDate.makeUnsafe(2024, 2, 29), "2024-02-29")
    assertInEachFormat(mine, BuiltIn.int4range, Range.between(1, 5), Range.between(1, 5))
    const large = write(BuiltIn.int8, 1, BigInt("9007199254740992"))
    assert.deepInclude(reasonOf(() => read(mine(BuiltIn.int8, "c"), 1, large)), {
      _tag: "OutOfRange",
      typeName: "int8"
    })
    // An inherited property name is not a type.
    const odd = { ...BuiltIn.int4, name: "toString" }
    assert.strictEqual(Preset.withTypes(Preset.lossless, {})(odd, "c"), odd)
  })

  it("can be made from a function, and be piped", () => {
    const json = Preset.make((type, column) => column === "doc" ? BuiltIn.json : type)
    const mine = json.pipe(Preset.withTypes({ int8: BuiltIn.int8Number }), Preset.withColumns({ n: Preset.text }))
    assert.strictEqual(mine(BuiltIn.text, "doc"), BuiltIn.json)
    assert.strictEqual(mine(BuiltIn.int8, "a"), BuiltIn.int8Number)
    assert.strictEqual(mine(BuiltIn.int8, "n"), Preset.text(BuiltIn.int8, "n"))
    assert.strictEqual(Preset.lossless.pipe(Preset.withDuplicates("last"), Preset.duplicates), "last")
    const registry = TypeRegistry.builtIn.pipe(TypeRegistry.extend([{ ...BuiltIn.text, name: "mine", oid: 50_000 }]))
    assert.strictEqual(registry.findByName("mine")?.oid, 50_000)
    assert.strictEqual(CalendarDate.fromStringUnsafe("2026-01-02").pipe(CalendarDate.format), "2026-01-02")
  })

  it("withColumns replaces columns of any name", () => {
    const mine = Preset.withColumns(Preset.lossless, { total: Preset.text, ["__proto__"]: Preset.native })
    assert.deepStrictEqual(readInEachFormat(mine, BuiltIn.int8, BigInt(5), "total"), ["5", "5", "5"])
    assert.deepStrictEqual(readInEachFormat(mine, BuiltIn.int8, BigInt(5), "__proto__"), ["5", "5", "5"])
    assert.deepStrictEqual(readInEachFormat(mine, BuiltIn.int8, BigInt(5), "constructor"), [
      BigInt(5),
      BigInt(5),
      BigInt(5)
    ])
  })

  it("typed adds the types that read the columns", () => {
    const columns = [
      { name: "a", typeOid: 20, typeModifier: -1 },
      { name: "b", typeOid: 20, typeModifier: -1 },
      { name: "c", typeOid: 99_999, typeModifier: -1 }
    ]
    const preset = Preset.withColumns(Preset.lossless, { b: Preset.text })
    const typed = Preset.typed(preset, columns, TypeRegistry.builtIn)
    assert.strictEqual(typed[0]!.type, BuiltIn.int8)
    assert.isUndefined(typed[2]!.type)
    for (const codegen of ["interpreted", "generated"] as const) {
      const reader = RowReader.arraysUnsafe({ columns: typed, formats: [1, 0, 0], codegen: codegen })
      const bytes = dataRow([fromHex("0000000000000001"), utf8("1"), utf8("?")])
      assert.deepStrictEqual(reader(bytes, 0, bytes.length), [BigInt(1), "1", "?"])
    }
  })

  it.effect("is lossless by default, and set by a layer", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* Preset.Preset, Preset.lossless)
      const other = yield* Effect.provide(Effect.service(Preset.Preset), Preset.layer(Preset.text))
      assert.strictEqual(other, Preset.text)
    }))
})
