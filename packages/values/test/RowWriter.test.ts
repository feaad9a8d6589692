import { assert, describe, it } from "@effect/vitest"
import * as ByteWriter from "@hyperfect/protocol/ByteWriter"
import {
  BuiltIn,
  CalendarDate,
  HyperBinaryCopy,
  type Numeric,
  PgBinaryCopy,
  type RowWriter,
  ValueError
} from "@hyperfect/values"
import { BigDecimal, Result } from "effect"
import { fromHex, reasonOf, toHex } from "./fixtures.ts"

const codegens = ["interpreted", "generated"] as const

const table: ReadonlyArray<RowWriter.Column> = [
  { name: "a", type: BuiltIn.int4, nullable: false },
  { name: "b", type: BuiltIn.text },
  { name: "c", type: BuiltIn.float8 }
]

/** Every kind of column: inlined or not, of fixed size or not, nullable or not. */
const wide: ReadonlyArray<RowWriter.Column> = [
  BuiltIn.bool,
  BuiltIn.int2,
  BuiltIn.int4,
  BuiltIn.int8,
  BuiltIn.float4,
  BuiltIn.float8,
  BuiltIn.numeric,
  BuiltIn.text,
  BuiltIn.varchar,
  BuiltIn.char,
  BuiltIn.bytea,
  BuiltIn.date,
  BuiltIn.uuid,
  BuiltIn.json,
  BuiltIn.oid
].flatMap((type, i) => {
  const typeModifier = type === BuiltIn.numeric ? ((38 << 16) | 2) + 4 : -1
  return [{ name: `n${i}`, type, typeModifier }, { name: `m${i}`, type, typeModifier, nullable: false }]
})

const wideValues = [
  true,
  -2,
  3,
  BigInt(-4),
  0.5,
  Math.PI,
  BigDecimal.make(BigInt(1234), 2),
  "text \u{1f600}",
  "x".repeat(40_000),
  "é",
  new Uint8Array(100).fill(9),
  CalendarDate.makeUnsafe(2024, 2, 29),
  "00112233-4455-6677-8899-aabbccddeeff",
  { a: [1] },
  4_000_000_000
]

const wideRow = wide.map((_, i) => (i % 4 === 0 ? null : wideValues[i >> 1]))

describe.each(codegens)("row writers for COPY, %s", (codegen) => {
  it("write the bytes that hyperd accepted for three rows", () => {
    const out = ByteWriter.make()
    HyperBinaryCopy.writeHeader(out)
    const write = HyperBinaryCopy.objectsUnsafe({ columns: table, codegen: codegen })
    write(out, { a: 1, b: "x", c: 1.5 }, 0)
    write(out, { a: 2, b: null, c: null }, 1)
    write(out, { a: 3, b: "héllo", c: -0.25 }, 2)
    assert.strictEqual(
      toHex(out.take()),
      "48505243505900000000000000000000000000" + "0100000000010000007800000000000000f83f" + "020000000101" +
        "03000000000600000068c3a96c6c6f00000000000000d0bf"
    )
  })

  it("write PostgreSQL's header, field counts, lengths and trailer", () => {
    const out = ByteWriter.make()
    PgBinaryCopy.writeHeader(out)
    const write = PgBinaryCopy.arraysUnsafe({ columns: table, codegen: codegen })
    write(out, [1, "x", 1.5], 0)
    write(out, [2, null, null], 1)
    PgBinaryCopy.writeTrailer(out)
    assert.strictEqual(
      toHex(out.take()),
      "5047434f50590aff0d0a000000000000000000" + "0003" + "0000000400000001" + "0000000178" +
        "000000083ff8000000000000" +
        "0003" + "0000000400000002" + "ffffffff" + "ffffffff" + "ffff"
    )
  })

  it("write rows of any size, also larger than the buffer", () => {
    for (const copy of [HyperBinaryCopy, PgBinaryCopy]) {
      const expected = ByteWriter.make(1 << 20)
      const reference = copy.arraysUnsafe({ columns: wide, codegen: "interpreted" })
      for (let i = 0; i < 5; i++) reference(expected, wideRow, i)
      const small = ByteWriter.make(1)
      const write = copy.arraysUnsafe({ columns: wide, codegen: codegen })
      small.uint8(0)
      small.take() // bytes that were written before must not move
      for (let i = 0; i < 5; i++) write(small, wideRow, i)
      assert.strictEqual(toHex(small.take()), toHex(expected.take()))
    }
  })

  it("name the column and the row of an invalid value, and keep what was written before", () => {
    for (const copy of [HyperBinaryCopy, PgBinaryCopy]) {
      const out = ByteWriter.make(8)
      const write = copy.objectsUnsafe({ columns: table, codegen: codegen })
      write(out, { a: 1, b: "x", c: 1.5 }, 0)
      const before = out.size
      assert.deepInclude(reasonOf(() => write(out, { a: 2, b: "y".repeat(5000), c: "1.5" }, 41)), {
        _tag: "TypeMismatch",
        typeName: "float8",
        location: "column",
        name: "c",
        index: 2,
        row: 41,
        wanted: "number",
        found: "string"
      })
      assert.strictEqual(out.size, before)
    }
  })

  it("reject NULL in a NOT NULL column", () => {
    for (const copy of [HyperBinaryCopy, PgBinaryCopy]) {
      const write = copy.objectsUnsafe({ columns: table, codegen: codegen })
      const out = ByteWriter.make()
      assert.deepInclude(reasonOf(() => write(out, { a: null, b: null, c: null }, 7)), {
        _tag: "NullNotAllowed",
        name: "a",
        index: 0,
        row: 7
      })
      assert.strictEqual(out.size, 0)
    }
  })

  it("reject missing and undefined properties", () => {
    const write = HyperBinaryCopy.objectsUnsafe({ columns: table, codegen: codegen })
    const out = ByteWriter.make()
    assert.deepInclude(reasonOf(() => write(out, { a: 1, c: 2 }, 0)), { name: "b", found: "undefined" })
    assert.deepInclude(reasonOf(() => write(out, { a: 1, b: undefined, c: 2 }, 0)), { name: "b", found: "undefined" })
  })

  it("reject values that are not rows, and arrays of another length", () => {
    const objects = HyperBinaryCopy.objectsUnsafe({ columns: table, codegen: codegen })
    const arrays = HyperBinaryCopy.arraysUnsafe({ columns: table, codegen: codegen })
    const out = ByteWriter.make()
    for (const row of [null, undefined, 1, "row"]) {
      assert.deepInclude(reasonOf(() => objects(out, row as never, 3)), {
        _tag: "TypeMismatch",
        typeName: "row",
        row: 3
      })
      assert.deepInclude(reasonOf(() => arrays(out, row as never, 3)), {
        _tag: "TypeMismatch",
        typeName: "row",
        row: 3
      })
    }
    assert.strictEqual(reasonOf(() => arrays(out, { length: 3 } as never, 0))._tag, "TypeMismatch")
    assert.deepInclude(reasonOf(() => arrays(out, [1, "x"], 9)), { _tag: "ColumnCountMismatch", row: 9, found: "2" })
  })

  it("read a column named __proto__ from own properties only", () => {
    const write = HyperBinaryCopy.objectsUnsafe({
      columns: [{ name: "__proto__", type: BuiltIn.json }],
      codegen: codegen
    })
    const out = ByteWriter.make()
    write(out, JSON.parse("{\"__proto__\":1}"), 0)
    assert.strictEqual(toHex(out.take()), "000100000031")
    assert.deepInclude(reasonOf(() => write(out, {}, 0)), { name: "__proto__", found: "undefined" })
  })

  it("reject U+0000 for PostgreSQL and accept it for Hyper", () => {
    const columns = [{ name: "t", type: BuiltIn.text }]
    const out = ByteWriter.make()
    const postgres = PgBinaryCopy.objectsUnsafe({ columns, codegen: codegen })
    assert.strictEqual(reasonOf(() => postgres(out, { t: "a\0" }, 0))._tag, "NotRepresentable")
    HyperBinaryCopy.objectsUnsafe({ columns, codegen: codegen })(out, { t: "a\0" }, 0)
    assert.strictEqual(toHex(out.take()), "00020000006100")
    for (const copy of [HyperBinaryCopy, PgBinaryCopy]) {
      const write = copy.objectsUnsafe({ columns, codegen: codegen })
      assert.strictEqual(reasonOf(() => write(out, { t: "\ud800" }, 0))._tag, "NotRepresentable")
    }
  })

  it("rethrow the exception of a getter", () => {
    const write = HyperBinaryCopy.objectsUnsafe({ columns: table, codegen: codegen })
    const bug = new Error("bug")
    const row = {
      get a(): number {
        throw bug
      },
      b: "x",
      c: 1
    }
    const out = ByteWriter.make()
    let thrown: unknown
    try {
      write(out, row, 0)
    } catch (error) {
      thrown = error
    }
    assert.strictEqual(thrown, bug)
    assert.strictEqual(out.size, 0)
  })
})

describe("row writers for COPY", () => {
  it("reject types that the format does not have", () => {
    const make = () => HyperBinaryCopy.objectsUnsafe({ columns: [{ name: "j", type: BuiltIn.jsonb }] })
    const result = Result.try({ try: make, catch: ValueError.fromThrown })
    assert.isTrue(Result.isFailure(result))
    if (Result.isFailure(result)) {
      assert.instanceOf(result.failure, ValueError.ValueError)
      assert.deepInclude(result.failure.reason, { _tag: "FormatUnsupported", name: "j", index: 0 })
    }
  })

  it("require precision and scale for Hyper's numerics, and neither round nor overflow", () => {
    const numeric = (typeModifier: number) =>
      HyperBinaryCopy.arraysUnsafe({ columns: [{ name: "n", type: BuiltIn.numeric, typeModifier }] })
    const out = ByteWriter.make()
    const write = numeric(((5 << 16) | 2) + 4)
    write(out, [BigDecimal.make(BigInt(99999), 2)], 0)
    write(out, [BigDecimal.make(BigInt(5000), 4)], 0) // 0.5000 is 0.50
    write(out, [BigDecimal.make(BigInt(9), -2)], 0)
    write(out, [BigInt(-7)], 0)
    assert.strictEqual(
      toHex(out.take()),
      "00" + "9f86010000000000" + "00" + "3200000000000000" + "00" + "905f010000000000" + "00" + "44fdffffffffffff"
    )
    for (
      const value of [BigDecimal.make(BigInt(1), 3), BigDecimal.make(BigInt(100000), 2), BigDecimal.make(BigInt(1), -4)]
    ) {
      assert.strictEqual(reasonOf(() => write(out, [value], 0))._tag, "OutOfRange")
    }
    const special: Numeric.Numeric = "NaN"
    assert.strictEqual(reasonOf(() => write(out, [special], 0))._tag, "NotRepresentable")
    assert.strictEqual(reasonOf(() => numeric(-1)(out, [BigInt(1)], 0))._tag, "NotRepresentable")
  })

  it("write only the header if there are no rows", () => {
    const out = ByteWriter.make()
    HyperBinaryCopy.writeHeader(out)
    assert.deepStrictEqual(out.take(), fromHex("48505243505900000000000000000000000000"))
  })
})
