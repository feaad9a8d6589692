import { assert, describe, it } from "@effect/vitest"
import { BuiltIn, Json, RowReader, Type, ValueError } from "@hyperfect/values"
import { Arbitrary, Effect, Schema } from "effect"
import { dataRow, reasonOf, utf8 } from "./fixtures.ts"

interface Column {
  readonly type: Type.Any
  readonly format: Type.Format
  /** Encodes a document as a column of this format. */
  readonly toBytes: (document: Uint8Array) => Uint8Array
}

const asIs = (document: Uint8Array) => document
const jsonbBinary: Column = {
  type: BuiltIn.jsonb,
  format: Type.binary,
  toBytes: (document) => Uint8Array.of(1, ...document)
}
const all: ReadonlyArray<Column> = [
  jsonbBinary,
  { type: BuiltIn.jsonb, format: Type.text, toBytes: asIs },
  { type: BuiltIn.json, format: Type.text, toBytes: asIs },
  { type: BuiltIn.json, format: Type.binary, toBytes: asIs },
  { type: BuiltIn.json, format: Type.hyperBinary, toBytes: asIs }
]

/** The types that read JSON null as `null`. */
const plainOf = new Map<Type.Any, Type.Any>([[BuiltIn.json, BuiltIn.jsonPlain], [BuiltIn.jsonb, BuiltIn.jsonbPlain]])

const makeReader = ({ format, type }: Column, codegen: "interpreted" | "generated") => {
  const read = RowReader.arraysUnsafe({
    columns: [{ name: "document", typeOid: type.oid, typeModifier: -1, type }],
    formats: format,
    codegen: codegen
  })
  // The bytes around the document would continue it if the reader ignored its bounds.
  return (bytes: Uint8Array): unknown => {
    const row = dataRow([bytes])
    const chunk = utf8(`1${" ".repeat(row.length)}1}]"`)
    chunk.set(row, 1)
    return read(chunk, 1, 1 + row.length)[0]
  }
}

/** Returns the value, or the reason that was thrown. */
const outcome = (run: () => unknown): unknown => {
  try {
    return { value: run() }
  } catch (thrown) {
    if (ValueError.isReason(thrown)) return { reason: thrown }
    throw thrown
  }
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/**
 * Checks that each reader returns what `JSON.parse` returns for each document, including the order of properties, and
 * rejects what it rejects.
 */
const assertParsed = (documents: ReadonlyArray<string | Uint8Array>, column: Column): void => {
  const nullDocument = plainOf.has(column.type) ? Json.Null : null
  for (const codegen of ["interpreted", "generated"] as const) {
    const read = makeReader(column, codegen)
    for (const document of documents) {
      const bytes = typeof document === "string" ? utf8(document) : document
      let wanted: unknown
      try {
        wanted = { value: JSON.parse(decoder.decode(bytes)) ?? nullDocument }
      } catch {
        wanted = "refused"
      }
      const found = outcome(() => read(column.toBytes(bytes)))
      const text = new TextDecoder().decode(bytes)
      if (wanted === "refused") assert.property(found, "reason", text)
      else assert.deepStrictEqual(found, wanted, text)
      if (wanted !== "refused") assert.strictEqual(JSON.stringify(found), JSON.stringify(wanted), text)
    }
  }
}

const document = (i: number): string =>
  `{"id": ${i}, "tags": ["a", "b"], "nested": {"score": ${i / 4}, "it's": null}, "ok": true, "name": "n ${i}"}`

describe.each(all)("JSON columns, $type.name in format $format", (column) => {
  it("reads every kind of value as JSON.parse does", () => {
    const values = [
      "0 -0 -0.0 7 -12 9007199254740991 9007199254740993 123456789012345678901234567890",
      "0.1 -0.25 1.7976931348623157e308 1e400 -1E-400 5e-324 1e5 1E+05 1e-7 0e0",
      "123456789012345.5 12345678901234.5 0.000000000000001 4.35 2.675 1.005 100000000000000.0",
      "true false null [] {} [1] [1,2] [[1],[]] {\"x\":1} {\"x\":[{}]}",
      String.raw`"" "a" "sixteen.letters." "seventeen.letters" "\"" "\\" "\u00e9\n\/" "\ud83d\ude00" "\ud800"`,
      "\"é\u{1f600}\u2028\u007f\""
    ].flatMap((line) => line.split(" "))
    values.push("[1, 2]", "[1 ,2]", "{ }", "[ ]", " 1", "1 ")
    for (
      const shape of [(value: string) => `{"a": ${value}}`, (value: string) => `{"a": {"b": [${value}, ${value}]}}`]
    ) {
      assertParsed(values.map(shape), column)
      for (const value of values) assertParsed([value, value, value, "1"].map(shape), column)
    }
  })

  it("rejects what JSON.parse rejects", () => {
    const good = document(3)
    const broken = [
      "- +1 01 -01 1. .5 1e 1e+ --1 0x1 1_0 NaN Infinity undefined tru truex nul fals",
      String.raw`" "a "\ "\x" "\u12" 'a' [ ] [1 [1, [1,] [,1] { {] {"a" {"a": {"a":1 {"a":1,}`
    ].flatMap((line) => line.split(" "))
    broken.push("", "1 2", "[1 2]", "\"a\nb\"", "\"\t\"")
    for (const value of broken) {
      for (const shape of [(value: string) => `{"a":${value}}`, (value: string) => `{"a":{"b":${value}}}`]) {
        assertParsed([shape("2"), shape(value)], column)
      }
      const inArray = (elements: string) => `{"a":1,"b":[${elements}]}`
      assertParsed(["1", value, `1,${value}`, `1, ${value}`].map(inArray), column)
    }
    // Truncates the document at each byte, changes each byte, and appends more bytes.
    const bytes = utf8(good)
    const cut = Array.from(bytes, (_, i) => bytes.slice(0, i))
    const changed = Array.from(
      bytes,
      (_, i) => [0, 0x20, 0x22, 0x30, 0x5c, 0x7d, 0x80, 0xc3].map((byte) => bytes.with(i, byte))
    )
    const longer = ["}", "1", " ", ",", "\0"].map((more) => good + more)
    assertParsed([good, ...cut, ...longer], column)
    for (const changes of changed) assertParsed([good, ...changes], column)
  })

  it("keeps unusual property names", () => {
    const names = ["", ..."__proto__ constructor toString 0 10 ' ` ${x} </script> */ ü".split(" "), "a b"]
    for (const name of names) {
      const text = `{${JSON.stringify("z")}: 1, ${JSON.stringify(name)}: {"a": 1}, "1": 2}`
      assertParsed([text, text, text], column)
      assert.deepStrictEqual(Object.keys(Object.prototype), [])
    }
    const twice = `{"a": 1, "b": 2, "a": 3}`
    assertParsed([twice, twice, twice], column)
    assertParsed(Array.from({ length: 3 }, () => `{"a\\u0062": 1, "line\\n": 2}`), column)
  })

  it("reads a null document as its type does, also among other documents", () => {
    const documents = [document(1), document(2), document(3), "null", document(4)]
    for (const { format, toBytes, type } of [column, { ...column, type: plainOf.get(column.type)! }]) {
      assertParsed(documents, { format, toBytes, type })
      const read = makeReader({ format, toBytes, type }, "generated")
      for (const text of documents.slice(0, 3)) read(toBytes(utf8(text)))
      assert.strictEqual(read(toBytes(utf8("null"))), type === column.type ? Json.Null : null)
      assert.strictEqual(read(toBytes(utf8(" null "))), type === column.type ? Json.Null : null)
    }
  })

  it.effect("reads random documents as JSON.parse does", () =>
    Effect.gen(function*() {
      const leaf = Schema.Union([Schema.String, Schema.Number, Schema.Boolean, Schema.Null])
      const template = Schema.Struct({ names: Schema.Array(Schema.String), kinds: Schema.Array(Schema.Int) })
      const templates = yield* Arbitrary.sampleEffect(Arbitrary.schema(template), {
        count: 40,
        seed: "shapes",
        size: 8
      })
      const leaves = yield* Arbitrary.sampleEffect(Arbitrary.schema(leaf), { count: 500, seed: "leaves", size: 20 })
      let next = 0
      const value = (kind: number): unknown => {
        const one = () => leaves[next++ % leaves.length]
        const kinds = [
          one,
          () => [one(), one()],
          () => ({ x: one(), y: { z: one() } }),
          () => [{ k: one() }, { k: one() }]
        ]
        return kinds[Math.abs(kind) % kinds.length]!()
      }
      for (const { kinds, names } of templates) {
        const documents = Array.from(
          { length: 12 },
          () => JSON.stringify(Object.fromEntries(names.map((name, i) => [name, value(kinds[i] ?? i)])))
        )
        assertParsed(documents, column)
      }
    }))
})

describe("jsonb in binary", () => {
  it("requires the version byte in each row", () => {
    const read = makeReader(jsonbBinary, "generated")
    const bytes = jsonbBinary.toBytes(utf8(document(1)))
    for (let i = 0; i < 5; i++) read(bytes)
    for (const wrong of [bytes.with(0, 2), bytes.with(0, 0), bytes.slice(1), bytes.slice(0, 1), new Uint8Array(0)]) {
      assert.strictEqual(reasonOf(() => read(wrong))._tag, "Malformed")
    }
    assert.deepStrictEqual(read(bytes), JSON.parse(document(1)))
  })
})
