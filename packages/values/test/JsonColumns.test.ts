import { assert, describe, it, vi } from "@effect/vitest"
import { BuiltIn, RowReader, Type, ValueError } from "@hyperfect/values"
import { Arbitrary, Effect, Schema } from "effect"
import { dataRow, reasonOf, utf8 } from "./fixtures.ts"

interface Column {
  readonly type: Type.Any
  readonly format: Type.Format
  /** Around the document. */
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

const make = ({ format, type }: Column, backEnd: "closures" | "generated") => {
  const read = RowReader.arraysUnsafe({
    columns: [{ name: "document", typeOid: type.oid, typeModifier: -1 }],
    formats: format,
    backEnd
  })
  // In front of the document and behind it is what would belong to it if its ends were not looked at.
  return (bytes: Uint8Array): unknown => {
    const row = dataRow([bytes])
    const chunk = utf8(`1${" ".repeat(row.length)}1}]"`)
    chunk.set(row, 1)
    return read(chunk, 1, 1 + row.length)[0]
  }
}

/** A value, or the reason why there is none. */
const outcome = (run: () => unknown): unknown => {
  try {
    return { value: run() }
  } catch (thrown) {
    if (ValueError.isReason(thrown)) return { reason: thrown }
    throw thrown
  }
}

/**
 * The outcomes have to be the same down to the order of properties and the sign of zero. `good` is read before each of the
 * documents, so that they meet code and patience.
 */
const assertSame = (documents: ReadonlyArray<string | Uint8Array>, column: Column, good?: string): void => {
  const [closures, generated] = [make(column, "closures"), make(column, "generated")]
  for (const document of good === undefined ? documents : documents.flatMap((document) => [good, document])) {
    const bytes = column.toBytes(typeof document === "string" ? utf8(document) : document)
    const [wanted, found] = [outcome(() => closures(bytes)), outcome(() => generated(bytes))]
    const text = new TextDecoder().decode(bytes)
    assert.deepStrictEqual(found, wanted, text)
    assert.strictEqual(JSON.stringify(found), JSON.stringify(wanted), text)
  }
}

const document = (i: number): string =>
  `{"id": ${i}, "tags": ["a", "b"], "nested": {"score": ${i / 4}, "it's": null}, "ok": true, "name": "n ${i}"}`

/** How often documents are parsed while `run` runs. */
const countParses = (run: () => void): number => {
  const spy = vi.spyOn(JSON, "parse")
  try {
    run()
    return spy.mock.calls.length
  } finally {
    spy.mockRestore()
  }
}

describe.each(all)("a column of $type.name in format $format", (column) => {
  it("is read without JSON.parse once its documents are known to look alike", () => {
    const read = make(column, "generated")
    const [first, second, ...others] = Array.from({ length: 50 }, (_, i) => column.toBytes(utf8(document(i))))
    read(first!)
    read(second!)
    const parses = countParses(() => {
      for (const [i, bytes] of others.entries()) {
        assert.deepStrictEqual(read(bytes), {
          id: i + 2,
          tags: ["a", "b"],
          nested: { score: (i + 2) / 4, "it's": null },
          ok: true,
          name: `n ${i + 2}`
        })
      }
    })
    assert.strictEqual(parses, 0)
  })

  it("learns a few shapes, in any order", () => {
    const shapes = [
      (i: number) => `{"a":${i}}`,
      (i: number) => `{"b": {"c": ${i}}}`,
      (i: number) => `[{"a": ${i}, "b": ${i}}, {"a": 1, "b": 2}]`,
      (i: number) => `{"b": {"c": ${i}}, "d": ""}`
    ]
    const documents = Array.from({ length: 80 }, (_, i) => shapes[(i * 7 + (i >> 2)) % 4]!(i))
    assertSame(documents, column)
    const read = make(column, "generated")
    for (const text of documents) read(column.toBytes(utf8(text)))
    assert.strictEqual(countParses(() => documents.forEach((text) => read(column.toBytes(utf8(text))))), 0)
  })

  it("stops looking for shapes where there are none", () => {
    const read = make(column, "generated")
    for (let i = 0; i < 200; i++) read(column.toBytes(utf8(`{"key ${i}": ${i}}`)))
    const same = column.toBytes(utf8(document(1)))
    assert.strictEqual(countParses(() => Array.from({ length: 10 }, () => read(same))), 10)
  })

  it("leaves documents that are much longer than others to JSON.parse", () => {
    const read = make(column, "generated")
    const list = (length: number) =>
      column.toBytes(utf8(`{"id":1,"ok":true,"list":[${Array.from({ length }, (_, i) => i).join(",")}]}`))
    read(list(1))
    read(list(1))
    assert.strictEqual(countParses(() => read(list(2))), 0)
    assert.strictEqual(countParses(() => read(list(100))), 1)
  })

  it("gives up where documents often look like those that it knows and are not, so that they cost no more", () => {
    const read = make(column, "generated")
    const small = (name: string) => column.toBytes(utf8(`{"id": 1, "ok": true, "list": [1, 2], "${name}": 1}`))
    for (const name of ["a", "b", "c", "d"]) {
      read(small(name))
      read(small(name))
    }
    assert.strictEqual(countParses(() => read(small("a"))), 0)
    for (let i = 0; i < 50; i++) {
      read(small("a"))
      read(small("z"))
    }
    assert.strictEqual(countParses(() => read(small("a"))), 1)
  })

  it("reads each kind of value as JSON.parse does", () => {
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
      assertSame(values.map(shape), column, shape("1"))
      for (const value of values) assertSame([value, value, value, "1"].map(shape), column)
    }
  })

  it("never takes what JSON.parse refuses", () => {
    const good = document(3)
    const broken = [
      "- +1 01 -01 1. .5 1e 1e+ --1 0x1 1_0 NaN Infinity undefined tru truex nul fals",
      String.raw`" "a "\ "\x" "\u12" 'a' [ ] [1 [1, [1,] [,1] { {] {"a" {"a": {"a":1 {"a":1,}`
    ].flatMap((line) => line.split(" "))
    broken.push("", "1 2", "[1 2]", "\"a\nb\"", "\"\t\"")
    for (const value of broken) {
      for (const shape of [(value: string) => `{"a":${value}}`, (value: string) => `{"a":{"b":${value}}}`]) {
        assertSame([shape("2"), shape(value)], column, shape("1"))
      }
      const inArray = (elements: string) => `{"a":1,"b":[${elements}]}`
      assertSame(["1", value, `1,${value}`, `1, ${value}`].map(inArray), column, inArray("1"))
    }
    // Each end that a document can have too early, each byte that can be another, and more behind it.
    const bytes = utf8(good)
    const cut = Array.from(bytes, (_, i) => bytes.slice(0, i))
    const changed = Array.from(
      bytes,
      (_, i) => [0, 0x20, 0x22, 0x30, 0x5c, 0x7d, 0x80, 0xc3].map((byte) => bytes.with(i, byte))
    )
    const longer = ["}", "1", " ", ",", "\0"].map((more) => good + more)
    assertSame([good, ...cut, ...longer], column, good)
    for (const changes of changed) assertSame([good, ...changes], column, good)
  })

  it("makes no code for names that code could take for something else", () => {
    const names = ["", ..."__proto__ constructor toString 0 10 ' ` ${x} </script> */ ü".split(" "), "a b"]
    for (const name of names) {
      const text = `{${JSON.stringify("z")}: 1, ${JSON.stringify(name)}: {"a": 1}, "1": 2}`
      assertSame([text, text, text], column)
      assert.deepStrictEqual(Object.keys(Object.prototype), [])
    }
    const twice = `{"a": 1, "b": 2, "a": 3}`
    assertSame([twice, twice, twice], column)
    assertSame(Array.from({ length: 3 }, () => `{"a\\u0062": 1, "line\\n": 2}`), column)
  })

  it.effect("reads random documents of one shape as JSON.parse does", () =>
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
        assertSame(documents, column)
      }
    }))
})

describe("jsonb in binary", () => {
  it("has to say its version in each row", () => {
    const read = make(jsonbBinary, "generated")
    const bytes = jsonbBinary.toBytes(utf8(document(1)))
    for (let i = 0; i < 5; i++) read(bytes)
    for (const wrong of [bytes.with(0, 2), bytes.with(0, 0), bytes.slice(1), bytes.slice(0, 1), new Uint8Array(0)]) {
      assert.strictEqual(reasonOf(() => read(wrong))._tag, "Malformed")
    }
    assert.deepStrictEqual(read(bytes), JSON.parse(document(1)))
  })
})
