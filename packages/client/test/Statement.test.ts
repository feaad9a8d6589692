import { assert, describe, it } from "@effect/vitest"
import * as Statement from "@hyperfect/client/Statement"

const { fragment, fromSegments, fromTextUnsafe, identifier, isFragment, isStatement, join, sql } = Statement

const parts = ({ parameters, text }: Statement.Statement) => [text, parameters]

describe("Statement", () => {
  it("turns values into parameters, whatever they hold", () => {
    const values = ["'; drop table t; --", null, undefined, 1, BigInt(2), true, { a: 1 }, [1], new Date(0)]
    for (const value of values) assert.deepStrictEqual(parts(sql`select ${value}`), ["select $1", [value]])
    assert.deepStrictEqual(parts(sql`a ${1} b ${2}${3} c`), ["a $1 b $2$3 c", [1, 2, 3]])
    assert.deepStrictEqual(parts(sql`select 1`), ["select 1", []])
    assert.deepStrictEqual(parts(sql``), ["", []])
  })

  it("numbers the parameters of nested statements in the order of the text", () => {
    const inner = sql`b = ${2} and c = ${3}`
    const outer = sql`select ${1} where (${inner}) or (${sql`(${inner})`}) and d = ${4}`
    assert.deepStrictEqual(parts(outer), [
      "select $1 where (b = $2 and c = $3) or ((b = $4 and c = $5)) and d = $6",
      [1, 2, 3, 2, 3, 4]
    ])
    assert.deepStrictEqual(parts(inner), ["b = $1 and c = $2", [2, 3]])
  })

  it("takes the text of the template as it is cooked", () => {
    assert.strictEqual(sql`select E'\\n' as "\u00e4"`.text, "select E'\\n' as \"ä\"")
  })

  it("makes statements of one template with other values, and with other pieces", () => {
    const where = (condition: unknown) => sql`select * from t where ${condition}`
    assert.deepStrictEqual(parts(where(1)), ["select * from t where $1", [1]])
    assert.deepStrictEqual(parts(where(sql`a = ${2}`)), ["select * from t where a = $1", [2]])
    assert.deepStrictEqual(parts(where(3)), ["select * from t where $1", [3]])
    assert.deepStrictEqual(parts(sql`(${where(4)})`), ["(select * from t where $1)", [4]])
    assert.deepStrictEqual(where(5).segments, [
      { _tag: "Text", text: "select * from t where " },
      { _tag: "Parameter", value: 5 },
      { _tag: "Text", text: "" }
    ])
  })

  it("lists values, and pieces among them", () => {
    const { list } = Statement
    assert.deepStrictEqual(parts(sql`a in (${list([1, "x", null])})`), ["a in ($1, $2, $3)", [1, "x", null]])
    assert.deepStrictEqual(parts(list([sql`now()`, 1])), ["now(), $1", [1]])
    assert.deepStrictEqual(parts(list(new Set())), ["", []])
  })

  it("makes the columns and rows of an INSERT, and refuses rows that differ", () => {
    const { insert } = Statement
    assert.deepStrictEqual(parts(insert([{ "a\"b": 1, c: sql`default` }, { c: 2, "a\"b": null }])), [
      "(\"a\"\"b\", \"c\") values ($1, default), ($2, $3)",
      [1, null, 2]
    ])
    for (const rows of [[], [{}], [{ a: 1 }, { b: 1 }], [{ a: 1 }, { a: 1, b: 2 }], [{ a: 1 }, {}]]) {
      assert.throws(() => insert(rows), TypeError)
    }
  })

  it("makes the assignments of an UPDATE", () => {
    const { set } = Statement
    assert.deepStrictEqual(parts(sql`update t set ${set({ a: 1, b: sql`b + ${2}` })} where c = ${3}`), [
      "update t set \"a\" = $1, \"b\" = b + $2 where c = $3",
      [1, 2, 3]
    ])
    assert.throws(() => set({}), TypeError)
  })

  it("quotes identifiers so that they mean themselves", () => {
    assert.strictEqual(identifier("plain").text, "\"plain\"")
    assert.strictEqual(identifier("Mixed Case").text, "\"Mixed Case\"")
    assert.strictEqual(identifier("a\"b\"\"c").text, "\"a\"\"b\"\"\"\"c\"")
    assert.strictEqual(identifier("schema", "ta.ble").text, "\"schema\".\"ta.ble\"")
    assert.strictEqual(identifier("$1").text, "\"$1\"")
    assert.strictEqual(sql`select ${identifier("a")} from ${identifier("t")}`.text, "select \"a\" from \"t\"")
  })

  it("joins statements with a separator", () => {
    assert.deepStrictEqual(parts(join([], ", ")), ["", []])
    assert.deepStrictEqual(parts(join([sql`a = ${1}`], " and ")), ["a = $1", [1]])
    const pairs = [[1, 2], [3, 4]].map((pair) => sql`(${join(pair.map((n) => sql`${n}`), ", ")})`)
    assert.deepStrictEqual(parts(sql`insert into t values ${join(pairs, ", ")}`), [
      "insert into t values ($1, $2), ($3, $4)",
      [1, 2, 3, 4]
    ])
    assert.strictEqual(join(new Set([identifier("a"), identifier("b")]), ", ").text, "\"a\", \"b\"")
  })

  it("takes text as it is, as a part only when it numbers no parameters of its own", () => {
    const numbered = fromTextUnsafe("a = $1 or b = $1", [1])
    assert.deepStrictEqual(parts(numbered), ["a = $1 or b = $1", [1]])
    assert.strictEqual(sql`select 1 ${fromTextUnsafe("order by 1 desc")}`.text, "select 1 order by 1 desc")
    assert.throws(() => sql`select 1 where ${numbered}`, TypeError)
    assert.throws(() => join([sql`a`, numbered], " and "), TypeError)
  })

  it("takes what stands for a statement as one", () => {
    const table = { [fragment]: identifier("t"), other: 1 }
    class Table {
      static readonly [fragment] = identifier("u")
    }
    assert.deepStrictEqual(parts(sql`select * from ${table}, ${Table} where a = ${1}`), [
      "select * from \"t\", \"u\" where a = $1",
      [1]
    ])
    assert.isTrue(isFragment(table) && isFragment(Table))
    for (const other of [null, undefined, "t", {}, sql`a`]) assert.isFalse(isFragment(other))
  })

  it("makes statements of segments", () => {
    const statement = fromSegments([
      { _tag: "Text", text: "select " },
      { _tag: "Parameter", value: 1 },
      { _tag: "Text", text: " + " },
      { _tag: "Parameter", value: 2 }
    ])
    assert.deepStrictEqual(parts(statement), ["select $1 + $2", [1, 2]])
    assert.deepStrictEqual(parts(sql`(${statement})`), ["(select $1 + $2)", [1, 2]])
    assert.isTrue(isStatement(statement))
    for (const other of [null, "select 1", { text: "", parameters: [], segments: [] }]) {
      assert.isFalse(isStatement(other))
    }
  })
})
