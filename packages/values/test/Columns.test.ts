import { assert, describe, it } from "@effect/vitest"
import { BuiltIn, Columns, Preset, RowReader, type Type, TypeRegistry } from "@hyperfect/values"
import { Arbitrary, Effect, Schema } from "effect"
import { dataRow, fromHex, reasonOf, utf8, write } from "./fixtures.ts"

const column = (name: string, type: Type.Any, typeModifier = -1): RowReader.Column => ({
  name,
  typeOid: type.oid,
  typeModifier
})

const types = [
  BuiltIn.bool,
  BuiltIn.int2,
  BuiltIn.int4,
  BuiltIn.oid,
  BuiltIn.int8,
  BuiltIn.float4,
  BuiltIn.float8,
  BuiltIn.text,
  BuiltIn.varchar,
  BuiltIn.bytea,
  BuiltIn.date,
  BuiltIn.timestamp,
  BuiltIn.timestamptz,
  BuiltIn.json
] as const

const columns = types.map((type, i) => column(`c${i}`, type))

const tags = [
  "Bool",
  "Int16",
  "Int32",
  "UInt32",
  "Int64",
  "Float32",
  "Float64",
  "Text",
  "Text",
  "Values",
  "Date",
  "Timestamp",
  "TimestampTz",
  "Values"
]

const codegens = ["interpreted", "generated"] as const
const formats = [0, 1, 2] as const

const Row = Schema.Tuple(
  types.map((type) =>
    Schema.NullOr(type === BuiltIn.json ? Schema.Struct({ a: Schema.Int }) : type.schema as Schema.Codec<unknown>)
  )
)

const sampleRows = Effect.runSync(Arbitrary.sampleEffect(Arbitrary.schema(Row), { count: 1100, seed: "columns" }))

/** All combinations of boundary bytes, each with its text, or none if it is not valid UTF-8. */
const makeBoundaryTexts = () => {
  const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
  const edges = fromHex("007f808f909fa0bfc0c1c2dfe0edeff0f4f5ff")
  const triples = [...edges].flatMap((a) => [...edges].flatMap((b) => [...edges].map((c) => Uint8Array.of(a, b, c))))
  return [
    ...triples,
    ...triples.map((bytes) => Uint8Array.of(0xf0, ...bytes)),
    fromHex("f48fbfbf"),
    fromHex("f4908080")
  ].map((bytes) => {
    try {
      return { bytes, expected: strict.decode(bytes) }
    } catch {
      return { bytes, expected: undefined }
    }
  })
}

const boundaryTexts = makeBoundaryTexts()

describe.each(codegens)("Columns, %s", (codegen) => {
  describe.each(formats)("format %s", (format) => {
    // HyperBinary has no infinite days, and its dates have the range of timestamps.
    const rows = sampleRows.map((row) =>
      row.map((value, i) => {
        if (value === null) return null
        try {
          return write(types[i]!, format, value)
        } catch {
          return null
        }
      })
    )

    it("reads the same values regardless of earlier results", () => {
      const start = Columns.make({ columns, formats: format, codegen: codegen })
      const readRow = RowReader.arraysUnsafe({ columns, formats: format, codegen: codegen })
      for (
        const [first, length] of [[0, 1], [5, 63], [0, 0], [9, 64], [1, 65], [3, 1000], [7, 70], [0, 1097], [2, 64]]
      ) {
        const reader = start()
        const expected = rows.slice(first, first! + length!).map((row) => {
          const bytes = dataRow(row)
          reader.append(bytes, 0, bytes.length)
          return readRow(bytes, 0, bytes.length)
        })
        for (const [i, one] of reader.take().entries()) {
          assert.deepStrictEqual(Columns.toArray(one), expected.map((row) => row[i]))
        }
      }
    })

    it("reads the same values as arrays of rows", () => {
      const reader = Columns.make({ columns, formats: format, codegen: codegen })()
      const readRow = RowReader.arraysUnsafe({ columns, formats: format, codegen: codegen })
      const expected = rows.map((row) => {
        const bytes = dataRow(row)
        reader.append(bytes, 0, bytes.length)
        return readRow(bytes, 0, bytes.length)
      })
      const found = reader.take()
      assert.deepStrictEqual(found.map(({ _tag }) => _tag), tags)
      for (const [i, one] of found.entries()) {
        const values = expected.map((row) => row[i])
        assert.deepStrictEqual(Columns.toArray(one), values)
        assert.strictEqual(one.length, rows.length)
        assert.strictEqual(one.nullCount, values.filter((value) => value === null).length)
        assert.strictEqual(one.name, `c${i}`)
        assert.strictEqual(one.typeOid, types[i]!.oid)
      }
    })

    it("keeps nothing of an invalid row, truncated at any byte", () => {
      const reader = Columns.make({ columns, formats: format, codegen: codegen })()
      // A row without NULL.
      const good = dataRow(columns.map((_, i) => rows.find((row) => row[i] !== null)![i]!))
      const nulls = dataRow(columns.map(() => null))
      for (const bytes of [good, nulls]) {
        for (let end = 0; end < bytes.length; end++) {
          assert.strictEqual(reasonOf(() => reader.append(bytes, 0, end))._tag, "RowTruncated")
        }
        const more = new Uint8Array(bytes.length + 1)
        more.set(bytes)
        assert.strictEqual(reasonOf(() => reader.append(more, 0, more.length))._tag, "Malformed")
      }
      assert.isTrue(reader.take().every(({ length, nullCount }) => length === 0 && nullCount === 0))
      reader.append(good, 0, good.length)
      const readRow = RowReader.arraysUnsafe({ columns, formats: format, codegen: codegen })
      assert.deepStrictEqual(reader.take().map((one) => Columns.get(one, 0)), readRow(good, 0, good.length))
      assert.isTrue(reader.take().every(({ nullCount, validity }) => nullCount === 0 && validity === undefined))
    })
  })

  it("stores instants or local times by the type that reads them", () => {
    const one = { ...column("t", BuiltIn.timestamptz), type: BuiltIn.timestamp }
    const reader = Columns.make({ columns: [one], formats: 1, codegen: codegen })()
    const row = dataRow([fromHex("0000000000000007")])
    reader.append(row, 0, row.length)
    const [found] = reader.take()
    assert.strictEqual(found!._tag, "Timestamp")
    assert.strictEqual(String(Columns.get(found!, 0)), "2000-01-01T00:00:00.000007")
  })

  it("has a validity bitmap, and a zero for each NULL", () => {
    const reader = Columns.make({ columns: columns.slice(2, 3), formats: 1, codegen: codegen })()
    const row = dataRow([fromHex("fffffff9")])
    const nothing = dataRow([null])
    for (let i = 0; i < 10; i++) {
      const bytes = i === 3 || i === 9 ? nothing : row
      reader.append(bytes, 0, bytes.length)
    }
    const [one] = reader.take()
    assert.isTrue(one!._tag === "Int32")
    assert.deepStrictEqual(one!.validity, Uint8Array.of(0b1111_0111, 0b0000_0001))
    assert.deepStrictEqual(
      one!._tag === "Int32" ? one!.values : undefined,
      Int32Array.of(-7, -7, -7, 0, -7, -7, -7, -7, -7, 0)
    )
    assert.deepStrictEqual([Columns.isNull(one!, 3), Columns.isNull(one!, 4)], [true, false])
    assert.deepStrictEqual([Columns.get(one!, -1), Columns.get(one!, 10), Columns.get(one!, NaN)], [
      undefined,
      undefined,
      undefined
    ])
  })

  it("lays out texts as Arrow does", () => {
    const reader = Columns.make({ columns: [column("t", BuiltIn.text)], formats: 1, codegen: codegen })()
    for (const value of ["ab", null, "", "é", "x".repeat(40_000)]) {
      const bytes = dataRow([value === null ? null : utf8(value)])
      reader.append(bytes, 0, bytes.length)
    }
    const [one] = reader.take()
    if (one?._tag !== "Text") return assert.fail("no texts")
    assert.deepStrictEqual(one.offsets, Int32Array.of(0, 2, 2, 2, 4, 40_004))
    assert.strictEqual(one.bytes.length, 40_004)
    assert.strictEqual(one.bytes.buffer.byteLength, 40_004)
    assert.deepStrictEqual(Columns.toArray(one), ["ab", null, "", "é", "x".repeat(40_000)])
  })

  it("detects invalid UTF-8 in its own row, short or long", () => {
    const reader = Columns.make({ columns: [column("t", BuiltIn.text)], formats: 1, codegen: codegen })()
    for (const hex of ["ff", "c3", "61c3", "eda080", "61".repeat(100) + "c0af"]) {
      const bytes = dataRow([fromHex(hex)])
      assert.deepInclude(reasonOf(() => reader.append(bytes, 0, bytes.length)), {
        _tag: "Malformed",
        location: "column",
        name: "t",
        index: 0
      })
    }
    const bytes = dataRow([utf8("ok")])
    reader.append(bytes, 0, bytes.length)
    assert.deepStrictEqual(Columns.toArray(reader.take()[0]!), ["ok"])
  })

  it("accepts exactly the valid UTF-8 among all combinations of boundary bytes", () => {
    const reader = Columns.make({ columns: [column("t", BuiltIn.text)], formats: 1, codegen: codegen })()
    const good: Array<string> = []
    for (const { bytes: text, expected } of boundaryTexts) {
      const bytes = dataRow([text])
      if (expected === undefined) {
        assert.strictEqual(reasonOf(() => reader.append(bytes, 0, bytes.length))._tag, "Malformed")
        continue
      }
      reader.append(bytes, 0, bytes.length)
      good.push(expected)
    }
    assert.isAbove(good.length, 50)
    assert.deepStrictEqual(Columns.toArray(reader.take()[0]!), good)
  })

  it("rejects values of another width, lengths below -1 and another number of columns", () => {
    const reader = Columns.make({ columns: columns.slice(2, 4), formats: 1, codegen: codegen })()
    const refuse = (bytes: Uint8Array, reason: object) =>
      assert.deepInclude(reasonOf(() => reader.append(bytes, 0, bytes.length)), reason)
    refuse(dataRow([fromHex("000001"), fromHex("00000001")]), { _tag: "Malformed", index: 0, found: "3 bytes" })
    refuse(fromHex("0002ffffffffffffffe0"), { _tag: "Malformed", index: 1 })
    refuse(fromHex("0002ffffffff7fffffff00"), { _tag: "RowTruncated", index: 1 })
    refuse(dataRow([null]), { _tag: "ColumnCountMismatch" })
    assert.strictEqual(reader.take()[0]!.length, 0)
  })

  it("accepts duplicate column names, names such as __proto__, and unknown types", () => {
    const strange = [column("__proto__", BuiltIn.int4), column("__proto__", BuiltIn.text), {
      name: "x",
      typeOid: 99_999,
      typeModifier: -1
    }]
    const reader = Columns.make({ columns: strange, formats: [1, 1, 0], codegen: codegen })()
    const bytes = dataRow([fromHex("00000001"), utf8("a"), utf8("?")])
    reader.append(bytes, 0, bytes.length)
    assert.deepStrictEqual(reader.take().map((one) => [one.name, Columns.get(one, 0)]), [
      ["__proto__", 1],
      ["__proto__", "a"],
      ["x", "?"]
    ])
  })

  it("stores the values of a preset's codec", () => {
    const preset = Preset.withTypes(Preset.native, { float8: Preset.text })
    const typed = Preset.typed(preset, [column("n", BuiltIn.int8), column("f", BuiltIn.float8)], TypeRegistry.builtIn)
    const reader = Columns.make({ columns: typed, formats: 0, codegen: codegen })()
    const bytes = dataRow([utf8("1"), utf8("1.50")])
    reader.append(bytes, 0, bytes.length)
    assert.deepStrictEqual(reader.take().map((one) => [one._tag, Columns.get(one, 0)]), [["Values", "1"], [
      "Values",
      "1.50"
    ]])
  })

  it("returns columns while more rows are added", () => {
    const reader = Columns.make({ columns: [column("n", BuiltIn.int8)], formats: 1, codegen: codegen })()
    const bytes = dataRow([fromHex("7fffffffffffffff")])
    for (let i = 0; i < 5; i++) reader.append(bytes, 0, bytes.length)
    const before = reader.take()[0]!
    for (let i = 0; i < 5000; i++) reader.append(bytes, 0, bytes.length)
    assert.strictEqual(before.length, 5)
    assert.deepStrictEqual(Columns.toArray(before), Array.from({ length: 5 }, () => BigInt("9223372036854775807")))
    assert.strictEqual(reader.take()[0]!.length, 5005)
  })
})

describe("Columns.make", () => {
  it("reads no columns, and more than code is generated for", () => {
    const none = Columns.make({ columns: [], formats: 1, codegen: "generated" })()
    none.append(fromHex("0000"), 0, 2)
    assert.deepStrictEqual(none.take(), [])
    for (const count of [15, 16, 17, 33, 200, 512, 513, 1600]) {
      const many = Array.from({ length: count }, (_, i) => column(`c${i}`, BuiltIn.int4))
      const bytes = dataRow(many.map((_, i) => i % 7 === 3 ? null : write(BuiltIn.int4, 1, i)))
      for (const codegen of codegens) {
        const reader = Columns.make({ columns: many, formats: 1, codegen: codegen })()
        reader.append(bytes, 0, bytes.length)
        assert.strictEqual(reasonOf(() => reader.append(bytes, 0, bytes.length - 1))._tag, "RowTruncated")
        assert.deepStrictEqual(
          reader.take().map((one) => Columns.toArray(one)),
          many.map((_, i) => [i % 7 === 3 ? null : i])
        )
      }
    }
  })

  it("switches from closures to generated code without a difference", () => {
    const reader = Columns.make({ columns: columns.slice(0, 8), formats: 1 })()
    const bytes = dataRow([true, 2, 3, 4, BigInt(5), 6.5, 7.5, "eight"].map((value, i) => write(types[i]!, 1, value)))
    for (let i = 0; i < 2000; i++) {
      reader.append(bytes, 0, bytes.length)
      assert.strictEqual(reasonOf(() => reader.append(bytes, 0, bytes.length - 1))._tag, "RowTruncated")
    }
    for (const one of reader.take()) assert.strictEqual(new Set(Columns.toArray(one)).size, 1)
  })
})
