import { assert, describe, it } from "@effect/vitest"
import { BuiltIn, RowReader, type Type, TypeRegistry, UnknownValue, ValueError } from "@hyperfect/values"
import { Result } from "effect"
import { dataRow, fromHex, reasonOf, utf8, write } from "./fixtures.ts"

const column = (name: string, type: Type.Any, typeModifier = -1): RowReader.Column => ({
  name,
  typeOid: type.oid,
  typeModifier
})

const columns = [
  column("id", BuiltIn.int4),
  column("small", BuiltIn.int2),
  column("ok", BuiltIn.bool),
  column("score", BuiltIn.float8),
  column("real", BuiltIn.float4),
  column("name", BuiltIn.text),
  column("doc", BuiltIn.json),
  column("data", BuiltIn.bytea),
  column("big", BuiltIn.int8)
]

const types = [
  BuiltIn.int4,
  BuiltIn.int2,
  BuiltIn.bool,
  BuiltIn.float8,
  BuiltIn.float4,
  BuiltIn.text,
  BuiltIn.json,
  BuiltIn.bytea,
  BuiltIn.int8
]

const values = [
  -7,
  300,
  true,
  0.1,
  1.5,
  "häß \u{1f600} and more than twenty-four units",
  { a: [1, null] },
  Uint8Array.of(1, 2, 3),
  BigInt("9007199254740993")
]

const bytesOf = (format: Type.Format, row: ReadonlyArray<unknown> = values): Uint8Array =>
  dataRow(row.map((value, i) => (value === null ? null : write(types[i]!, format, value))))

const expected = Object.fromEntries(columns.map(({ name }, i) => [name, values[i]]))

const codegens = ["interpreted", "generated"] as const
const formats = [0, 1, 2] as const

describe.each(codegens)("RowReader, %s", (codegen) => {
  describe.each(formats)("format %s", (format) => {
    const objects = RowReader.objectsUnsafe({ columns, formats: format, codegen: codegen })
    const arrays = RowReader.arraysUnsafe({ columns, formats: format, codegen: codegen })

    it("reads objects and arrays", () => {
      const bytes = bytesOf(format)
      assert.deepStrictEqual(objects(bytes, 0, bytes.length), expected)
      assert.deepStrictEqual(arrays(bytes, 0, bytes.length), values)
    })

    it("reads a row anywhere in a larger array", () => {
      const bytes = bytesOf(format)
      const chunk = new Uint8Array(bytes.length + 30).fill(0xff)
      chunk.set(bytes, 11)
      assert.deepStrictEqual(objects(chunk, 11, 11 + bytes.length), expected)
    })

    it("reads NULL as null, in each column", () => {
      for (const [i] of values.entries()) {
        const row = values.map((value, j) => (i === j ? null : value))
        const bytes = bytesOf(format, row)
        assert.deepStrictEqual(arrays(bytes, 0, bytes.length), row)
      }
      const nulls = values.map(() => null)
      const bytes = bytesOf(format, nulls)
      assert.deepStrictEqual(arrays(bytes, 0, bytes.length), nulls)
    })

    it("throws a reason for a row truncated at any byte, and never reads beyond its end", () => {
      const bytes = bytesOf(format)
      const chunk = new Uint8Array(bytes.length * 2)
      chunk.set(bytes)
      chunk.set(bytes, bytes.length)
      for (let end = 0; end < bytes.length; end++) {
        assert.strictEqual(reasonOf(() => objects(chunk, 0, end))._tag, "RowTruncated")
        assert.strictEqual(reasonOf(() => arrays(bytes.subarray(0, end), 0, end))._tag, "RowTruncated")
      }
    })

    it("throws a reason or returns a value if any byte is changed", () => {
      const bytes = bytesOf(format)
      for (let at = 0; at < bytes.length; at++) {
        for (const byte of [0x00, 0x01, 0x7f, 0x80, 0xff]) {
          const changed = Uint8Array.from(bytes)
          changed[at] = byte
          let failure: unknown
          try {
            assert.strictEqual(arrays(changed, 0, changed.length).length, columns.length)
          } catch (thrown) {
            failure = thrown
          }
          if (failure !== undefined) assert.isTrue(ValueError.isReason(failure))
        }
      }
    })
  })

  it("names the column that cannot be read", () => {
    const read = RowReader.objectsUnsafe({ columns: columns.slice(0, 2), formats: 1, codegen: codegen })
    const bytes = dataRow([fromHex("00000001"), fromHex("000001")])
    assert.deepInclude(reasonOf(() => read(bytes, 0, bytes.length)), {
      _tag: "Malformed",
      typeName: "int2",
      format: 1,
      location: "column",
      name: "small",
      index: 1,
      wanted: "2 bytes",
      found: "3 bytes"
    })
  })

  it("rejects another number of columns", () => {
    const read = RowReader.arraysUnsafe({ columns: columns.slice(0, 2), formats: 1, codegen: codegen })
    for (const bytes of [dataRow([null]), dataRow([null, null, null]), fromHex("ffff")]) {
      assert.strictEqual(reasonOf(() => read(bytes, 0, bytes.length))._tag, "ColumnCountMismatch")
    }
  })

  it("rejects bytes after the last column and lengths below -1", () => {
    const read = RowReader.arraysUnsafe({ columns: columns.slice(5, 6), formats: 1, codegen: codegen })
    const trailing = fromHex("0001ffffffff00")
    assert.strictEqual(reasonOf(() => read(trailing, 0, trailing.length))._tag, "Malformed")
    const negative = fromHex("0001fffffffe")
    assert.strictEqual(reasonOf(() => read(negative, 0, negative.length))._tag, "Malformed")
    const huge = fromHex("00017fffffff61")
    assert.strictEqual(reasonOf(() => read(huge, 0, huge.length))._tag, "RowTruncated")
  })

  it("rejects text that is not UTF-8", () => {
    const read = RowReader.arraysUnsafe({ columns: columns.slice(5, 6), formats: 1, codegen: codegen })
    for (const hex of ["ff", "c3", "eda080", "61".repeat(40) + "c0af"]) {
      const bytes = dataRow([fromHex(hex)])
      assert.strictEqual(reasonOf(() => read(bytes, 0, bytes.length))._tag, "Malformed")
    }
  })

  it("treats hostile column names as plain data", () => {
    const names = [
      "__proto__",
      "constructor",
      "toString",
      "",
      "a b",
      "\"]; throw 1; //",
      "\u2028",
      "${x}",
      "1",
      "\\",
      "hasOwnProperty"
    ]
    const read = RowReader.objectsUnsafe({
      columns: names.map((name) => column(name, BuiltIn.json)),
      formats: 1,
      codegen: codegen
    })
    const bytes = dataRow(names.map((_, i) => utf8(JSON.stringify({ polluted: i }))))
    const row = read(bytes, 0, bytes.length)
    assert.sameMembers(Object.keys(row), names)
    assert.strictEqual(Object.getPrototypeOf(row), Object.prototype)
    for (const [i, name] of names.entries()) {
      assert.deepStrictEqual(Object.getOwnPropertyDescriptor(row, name), {
        value: { polluted: i },
        configurable: true,
        enumerable: true,
        writable: true
      })
    }
    assert.isFalse("polluted" in {})
  })

  it("keeps JSON keys named __proto__ as ordinary properties", () => {
    const read = RowReader.arraysUnsafe({ columns: [column("j", BuiltIn.jsonb)], formats: 1, codegen: codegen })
    const bytes = dataRow([utf8("\u0001{\"__proto__\":{\"polluted\":1}}")])
    const [value] = read(bytes, 0, bytes.length)
    assert.deepStrictEqual(Object.keys(value as object), ["__proto__"])
    assert.strictEqual(Object.getPrototypeOf(value), Object.prototype)
  })

  it("copies bytea, so that the chunk is not retained", () => {
    const read = RowReader.arraysUnsafe({ columns: [column("b", BuiltIn.bytea)], formats: 1, codegen: codegen })
    for (const length of [0, 1, 32, 33, 5000]) {
      const bytes = Buffer.from(dataRow([new Uint8Array(length).fill(7)]))
      const value = read(bytes, 0, bytes.length)[0] as Uint8Array
      bytes.fill(0)
      assert.strictEqual(Object.getPrototypeOf(value), Uint8Array.prototype)
      assert.strictEqual(value.buffer.byteLength, length)
      assert.isTrue(value.every((byte) => byte === 7))
    }
  })

  it("copies bytea of some hundred bytes into small aligned slabs, also after one was transferred", () => {
    const read = RowReader.arraysUnsafe({ columns: [column("b", BuiltIn.bytea)], formats: 1, codegen: codegen })
    const readFilled = (length: number, byte: number): Uint8Array => {
      const bytes = Buffer.from(dataRow([new Uint8Array(length).fill(byte)]))
      const value = read(bytes, 0, bytes.length)[0] as Uint8Array
      bytes.fill(0)
      return value
    }
    const lengths = Array.from({ length: 200 }, (_, i) => 60 + i * 37 % 1000)
    const values = lengths.map((length, i) => readFilled(length, i))
    values.forEach((value, i) => {
      assert.strictEqual(value.length, lengths[i])
      assert.isTrue(value.every((byte) => byte === i))
      assert.strictEqual(value.byteOffset % 8, 0)
      assert.isAtMost(value.buffer.byteLength, 8192)
    })
    const last = readFilled(100, 1)
    structuredClone(last, { transfer: [last.buffer as ArrayBuffer] })
    assert.isTrue(readFilled(100, 2).every((byte) => byte === 2))
    assert.strictEqual(readFilled(100, 2).length, 100)
  })

  it("returns values of unknown types as text or UnknownValue", () => {
    const unknown = [{ name: "u", typeOid: 99_999, typeModifier: -1 }]
    const bytes = dataRow([fromHex("c3a90001")])
    for (const format of [1, 2] as const) {
      const [value] = RowReader.arraysUnsafe({ columns: unknown, formats: format, codegen: codegen })(
        bytes,
        0,
        bytes.length
      )
      assert.deepStrictEqual(value, UnknownValue.make(99_999, format, fromHex("c3a90001")))
    }
    const text = dataRow([utf8("é\u0001")])
    assert.deepStrictEqual(
      RowReader.arraysUnsafe({ columns: unknown, formats: 0, codegen: codegen })(text, 0, text.length),
      ["é\u0001"]
    )
  })

  it("reads each column in its own format", () => {
    const mixed = [column("a", BuiltIn.int4), column("b", BuiltIn.int4), column("c", BuiltIn.int4)]
    const read = RowReader.arraysUnsafe({ columns: mixed, formats: [0, 1, 2], codegen: codegen })
    const bytes = dataRow([utf8("258"), fromHex("00000102"), fromHex("02010000")])
    assert.deepStrictEqual(read(bytes, 0, bytes.length), [258, 258, 258])
  })

  it("uses the codecs of the given registry", () => {
    const registry = TypeRegistry.extend(TypeRegistry.builtIn, [{
      ...BuiltIn.int4,
      binary: { read: () => "mine", write: () => {} }
    }, BuiltIn.jsonText])
    const read = RowReader.arraysUnsafe({
      columns: [column("a", BuiltIn.int4), column("j", BuiltIn.json)],
      formats: 1,
      registry,
      codegen: codegen
    })
    const bytes = dataRow([fromHex("00000001"), utf8("{ }")])
    assert.deepStrictEqual(read(bytes, 0, bytes.length), ["mine", "{ }"])
  })
})

describe("RowReader.objects and RowReader.arrays", () => {
  it("rejects duplicate column names in objects, and accepts them in arrays", () => {
    const twice = [column("id", BuiltIn.int4), column("x", BuiltIn.text), column("id", BuiltIn.text)]
    const result = RowReader.objects({ columns: twice, formats: 1 })
    assert.isTrue(Result.isFailure(result))
    if (Result.isFailure(result)) {
      assert.instanceOf(result.failure, ValueError.ValueError)
      assert.deepInclude(result.failure.reason, { _tag: "DuplicateColumn", name: "id", index: 2 })
      assert.include(result.failure.message, "\"id\"")
    }
    assert.isTrue(Result.isSuccess(RowReader.arrays({ columns: twice, formats: 1 })))
  })

  it("returns an UnknownValue for a type without a codec for the format", () => {
    const bytes = dataRow([fromHex("0102")])
    for (const codegen of codegens) {
      const read = RowReader.arraysUnsafe({ columns: [column("j", BuiltIn.jsonb)], formats: 2, codegen: codegen })
      assert.deepStrictEqual(read(bytes, 0, bytes.length), [UnknownValue.make(BuiltIn.jsonb.oid, 2, fromHex("0102"))])
    }
  })

  it("switches from closures to generated code without a difference in rows or errors", () => {
    const read = RowReader.objectsUnsafe({ columns, formats: 1 })
    const bytes = bytesOf(1)
    for (let i = 0; i < 2000; i++) {
      assert.deepStrictEqual(read(bytes, 0, bytes.length), expected)
      assert.strictEqual(reasonOf(() => read(bytes, 0, bytes.length - 1))._tag, "RowTruncated")
    }
  })

  it("reads results without columns", () => {
    const none = RowReader.objectsUnsafe({ columns: [], formats: 1, codegen: "generated" })
    assert.deepStrictEqual(none(fromHex("0000"), 0, 2), {})
  })

  it.each([127, 128, 129, 200, 1600])(
    "reads %s columns with generated code and closures alike, valid or not",
    (count) => {
      const many = Array.from(
        { length: count },
        (_, i) => column(i === 7 ? "__proto__" : `c ${i}`, types[i % types.length]!)
      )
      const row = many.map((_, i) => i % 10 === 3 ? null : write(types[i % types.length]!, 1, values[i % types.length]))
      const bytes = dataRow(row)
      for (const make of [RowReader.objectsUnsafe, RowReader.arraysUnsafe]) {
        const [generated, closures] = codegens.map((codegen) => make({ columns: many, formats: 1, codegen: codegen }))
        const read = make({ columns: many, formats: 1 })
        const expected = closures!(bytes, 0, bytes.length)
        assert.strictEqual(Object.keys(expected).length, count)
        assert.deepStrictEqual(generated!(bytes, 0, bytes.length), expected)
        assert.deepStrictEqual(
          Object.getOwnPropertyNames(generated!(bytes, 0, bytes.length)),
          Object.getOwnPropertyNames(expected)
        )
        // Long enough to switch to generated code; not for the widest results, where it would take long.
        if (count <= 200) { for (let i = 0; i < 600; i++) read(bytes, 0, bytes.length) }
        assert.deepStrictEqual(read(bytes, 0, bytes.length), expected)
        const reasons = [generated!, closures!, read].map((read) => reasonOf(() => read(bytes, 0, bytes.length - 1)))
        assert.strictEqual(reasons[0]!._tag, "RowTruncated")
        assert.deepStrictEqual(reasons[1], reasons[0])
        assert.deepStrictEqual(reasons[2], reasons[0])
      }
    }
  )
})
