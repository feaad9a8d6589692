import { assert, describe, it } from "@effect/vitest"
import { BuiltIn, PgArray, type Type, TypeRegistry } from "@hyperfect/values"
import { Equal, Option } from "effect"
import { fromHex, read, reasonOf, toHex, utf8, write } from "./fixtures.ts"

const int4s = BuiltIn.array(BuiltIn.int4)
const texts = BuiltIn.array(BuiltIn.text)

const readText = (type: Type.Any, text: string) => read(type, 0, utf8(text))
const writeText = (type: Type.Any, value: unknown) => new TextDecoder().decode(write(type, 0, value))

describe("BuiltIn.array > text format", () => {
  const cases: ReadonlyArray<readonly [Type.Any, string, unknown]> = [
    [int4s, "{}", []],
    [int4s, "{1,2,NULL}", [1, 2, null]],
    [int4s, "{{1,2},{3,NULL}}", [[1, 2], [3, null]]],
    [int4s, "{{{1},{2}}}", [[[1], [2]]]],
    [texts, "{a,\"b c\",\"\",NULL,\"NULL\",\"null\",\"\\\\\\\"\",\"{}\",\"a,b\",é}", [
      "a",
      "b c",
      "",
      null,
      "NULL",
      "null",
      "\\\"",
      "{}",
      "a,b",
      "é"
    ]],
    [texts, "{\" a \",\"\n\"}", [" a ", "\n"]],
    [int4s, "[0:2]={1,2,3}", PgArray.makeUnsafe([{ length: 3, lowerBound: 0 }], [1, 2, 3])],
    [
      int4s,
      "[-1:0][2:3]={{1,2},{3,4}}",
      PgArray.makeUnsafe([{ length: 2, lowerBound: -1 }, { length: 2, lowerBound: 2 }], [1, 2, 3, 4])
    ],
    [BuiltIn.array(BuiltIn.bytea), "{\"\\\\x00ff\",\"\\\\x\"}", [Uint8Array.of(0, 255), new Uint8Array(0)]],
    [BuiltIn.array(BuiltIn.json), "{\"[1, 2]\",null,NULL}", [[1, 2], null, null]]
  ]

  it.each(cases)("%#: reads what PostgreSQL prints", (type, text, value) => {
    assert.deepStrictEqual(readText(type, text), value)
  })

  it.each(cases.slice(0, -1))("%#: writes what PostgreSQL prints", (type, text, value) => {
    assert.strictEqual(writeText(type, value), text)
  })

  it("accepts whitespace, null in any case, and unnecessary quotes", () => {
    assert.deepStrictEqual(readText(int4s, " { 1 , nUlL,\"3\"}".trim()), [1, null, 3])
    assert.deepStrictEqual(readText(texts, "{ a b , c}"), ["a b", "c"])
    assert.deepStrictEqual(
      readText(texts, "{a\\b}".replace("\\", "\\\\").replace("{a", "{\"a").replace("b}", "b\"}")),
      ["a\\b"]
    )
  })

  it("round-trips bounds with texts of any length in any script", () => {
    const value = PgArray.makeUnsafe([{ length: 40, lowerBound: 0 }], Array.from({ length: 40 }, () => "\u{1f600}é"))
    for (let shift = 0; shift < 4; shift++) {
      const shifted = PgArray.makeUnsafe(value.dimensions, ["x".repeat(shift), ...value.elements.slice(1)])
      assert.deepStrictEqual(read(texts, 0, write(texts, 0, shifted)), shifted)
    }
  })

  it("reads Hyper's syntax as well", () => {
    assert.deepStrictEqual(readText(int4s, "[1,2,NULL]"), [1, 2, null])
    assert.deepStrictEqual(readText(int4s, "[]"), [])
    assert.deepStrictEqual(readText(texts, "[\"a\nb\",\"é\",\"\\\"\\\\\",NULL]"), ["a\nb", "é", "\"\\", null])
  })

  it.each([
    "",
    "{",
    "}",
    "{1",
    "{1,",
    "{1,}",
    "{,1}",
    "{1}}",
    "{1}x",
    "{1 2}",
    "{\"1}",
    "{1]",
    "{{1},2}",
    "{1,{2}}",
    "{{1},{2,3}}",
    "{{1},{{2}}}",
    "{{{{{{{1}}}}}}}",
    "[0:2]={1,2}",
    "[0:1][0:1]={1,2}",
    "[2:1]={}x",
    "[0:2]",
    "1",
    "{a}",
    "{1\\2}"
  ])("rejects %j", (text) => {
    assert.strictEqual(reasonOf(() => readText(int4s, text))._tag, "Malformed")
  })

  it("rejects an array truncated at any position", () => {
    const cases = [[texts, "{{\"a\\\"b\",NULL},{c,\"d\"}}"], [int4s, "[0:1][1:2]={{1,NULL},{2,\"3\"}}"]] as const
    for (const [type, text] of cases) {
      assert.instanceOf(readText(type, text), Object)
      for (let end = 0; end < text.length; end++) {
        assert.strictEqual(reasonOf(() => readText(type, text.slice(0, end)))._tag, "Malformed")
      }
    }
  })
})

describe("BuiltIn.array > binary format", () => {
  it("reads and writes PostgreSQL's encoding", () => {
    const hex = "0000000100000001000000170000000200000000" + "0000000400000001" + "ffffffff"
    const value = PgArray.makeUnsafe([{ length: 2, lowerBound: 0 }], [1, null])
    assert.deepStrictEqual(read(int4s, 1, fromHex(hex)), value)
    assert.strictEqual(toHex(write(int4s, 1, value)), hex)
    assert.strictEqual(toHex(write(int4s, 1, [])), "000000000000000000000017")
  })

  it("keeps all dimensions", () => {
    const value = [[[1, 2], [3, 4], [5, 6]]]
    assert.deepStrictEqual(read(int4s, 1, write(int4s, 1, value)), value)
  })

  it("distinguishes arrays of JSON from JSON that is an array", () => {
    const jsons = BuiltIn.array(BuiltIn.jsonb)
    assert.deepStrictEqual(read(jsons, 1, write(jsons, 1, [[1], []])), [[1], []])
    const matrix = PgArray.makeUnsafe([{ length: 1, lowerBound: 1 }, { length: 2, lowerBound: 1 }], [[1], 2])
    assert.deepStrictEqual(read(jsons, 1, write(jsons, 1, matrix)), matrix)
  })

  it("rejects inconsistent counts, lengths and OIDs", () => {
    const header = "000000010000000000000017"
    for (
      const hex of [
        "",
        "000000010000000000000017",
        "000000070000000000000017" + "0000000000000001".repeat(7),
        "ffffffff0000000000000017",
        header + "ffffffff00000001",
        header + "7fffffff00000001",
        header + "0000000100000001",
        header + "000000010000000100000005" + "0000000001",
        header + "0000000100000001fffffffe",
        header + "00000001000000010000000400000001ff",
        "000000010000000000000019" + "0000000100000001" + "00000000"
      ]
    ) assert.strictEqual(reasonOf(() => read(int4s, 1, fromHex(hex)))._tag, "Malformed")
  })
})

describe("BuiltIn.array > HyperBinary", () => {
  it.each([0, 1, 7, 8, 9, 64, 65])("round-trips %i elements", (count) => {
    for (const element of [BuiltIn.bool, BuiltIn.int4, BuiltIn.uuid, BuiltIn.text] as ReadonlyArray<Type.Any>) {
      const type = BuiltIn.array(element)
      const one: unknown = element === BuiltIn.bool
        ? true
        : element === BuiltIn.int4
        ? -5
        : element === BuiltIn.text
        ? "é"
        : "00112233-4455-6677-8899-aabbccddeeff"
      const value = Array.from({ length: count }, (_, i) => (i % 3 === 1 ? null : one))
      assert.deepStrictEqual(read(type, 2, write(type, 2, value)), value)
    }
  })

  it("rejects more than one dimension, and a lower bound other than 1", () => {
    assert.strictEqual(reasonOf(() => write(int4s, 2, [[1], [2]]))._tag, "NotRepresentable")
    const shifted = PgArray.makeUnsafe([{ length: 1, lowerBound: 0 }], [1])
    assert.strictEqual(reasonOf(() => write(int4s, 2, shifted))._tag, "NotRepresentable")
  })

  it("has no bitmap in COPY if elements are NOT NULL", () => {
    const type = BuiltIn.arrayNotNull(BuiltIn.text)
    assert.strictEqual(toHex(write(type, 2, ["a", "bb"])), "02000000010000000300000061" + "6262")
    assert.strictEqual(reasonOf(() => write(type, 2, ["a", null]))._tag, "NullNotAllowed")
  })

  it("rejects lengths that no array has, and offsets that decrease or exceed the array", () => {
    for (const hex of ["00", "00000000", "00".repeat(11)]) {
      assert.strictEqual(reasonOf(() => read(int4s, 2, fromHex(hex)))._tag, "Malformed")
    }
    for (
      const hex of [
        "00",
        "00000000",
        "01000000",
        "ffffffff" + "00".repeat(8),
        "01000000" + "02000000" + "00" + "61",
        "01000000" + "00000000" + "00" + "61",
        "02000000" + "01000000" + "00000000" + "00" + "61",
        "01000000" + "ffffffff" + "00" + "61"
      ]
    ) assert.strictEqual(reasonOf(() => read(texts, 2, fromHex(hex)))._tag, "Malformed")
  })
})

describe("PgArray and nested JavaScript arrays", () => {
  it("rejects arrays that are not rectangular", () => {
    for (const value of [[1, [2]], [[1], [2, 3]], [[1], 2], [[], []], [[[[[[[1]]]]]]], [[1], null]]) {
      for (const format of [0, 1] as const) {
        assert.strictEqual(reasonOf(() => write(int4s, format, value))._tag, "OutOfRange")
      }
    }
    for (const value of [undefined, 1, "{1}", {}, new Set([1])]) {
      assert.strictEqual(reasonOf(() => write(int4s, 1, value))._tag, "TypeMismatch")
    }
    assert.strictEqual(reasonOf(() => write(int4s, 1, [1, undefined]))._tag, "TypeMismatch")
    const impossible = PgArray.makeUnsafe([{ length: 3, lowerBound: 1 }], [1])
    assert.strictEqual(reasonOf(() => write(int4s, 1, impossible))._tag, "OutOfRange")
  })

  it("converts nested arrays to PgArray and back", () => {
    const nested = [[1, 2, 3], [4, 5, null]]
    const array = Option.getOrThrow(PgArray.fromNested<number>(nested))
    assert.deepStrictEqual(array.dimensions, [{ length: 2, lowerBound: 1 }, { length: 3, lowerBound: 1 }])
    assert.deepStrictEqual(PgArray.toNested(array), nested)
    assert.isTrue(Option.isNone(PgArray.fromNested<number>([[1], [2, 3]])))
  })

  it("compares PgArrays by value", () => {
    const make = (lowerBound: number) => PgArray.makeUnsafe([{ length: 2, lowerBound }], [1, null])
    assert.isTrue(Equal.equals(make(0), make(0)))
    assert.isFalse(Equal.equals(make(0), make(2)))
  })

  it("has an array type for every type of the registry with an array OID", () => {
    for (const type of TypeRegistry.builtIn.types) {
      if (type.arrayOid !== 0) assert.strictEqual(TypeRegistry.builtIn.find(type.arrayOid)?.name, `${type.name}[]`)
    }
  })
})
