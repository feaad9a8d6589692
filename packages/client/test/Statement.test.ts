import { assert, describe, it } from "@effect/vitest"
import * as Statement from "@hyperfect/client/Statement"
import * as BuiltIn from "@hyperfect/values/BuiltIn"
import * as Interval from "@hyperfect/values/Interval"
import * as Json from "@hyperfect/values/Json"
import * as Money from "@hyperfect/values/Money"
import * as Parameter from "@hyperfect/values/Parameter"
import * as Preset from "@hyperfect/values/Preset"
import * as Timestamp from "@hyperfect/values/Timestamp"
import * as UnknownValue from "@hyperfect/values/UnknownValue"
import * as ValueError from "@hyperfect/values/ValueError"
import { BigDecimal, DateTime, Schema } from "effect"
import { format, inspect } from "node:util"

const { fragment, fromSegmentsUnsafe, fromTextUnsafe, identifier, isFragment, isStatement, join, sql } = Statement

const parts = ({ parameters, text }: Statement.Statement) => [text, parameters]

describe("Statement", () => {
  it("turns values into parameters, whatever they contain", () => {
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

  it("uses the cooked text of the template", () => {
    assert.strictEqual(sql`select E'\\n' as "\u00e4"`.text, "select E'\\n' as \"ä\"")
  })

  it("makes statements of one template with different values, and with different pieces", () => {
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

  it("lists values and pieces", () => {
    const { list } = Statement
    assert.deepStrictEqual(parts(sql`a in (${list([1, "x", null])})`), ["a in ($1, $2, $3)", [1, "x", null]])
    assert.deepStrictEqual(parts(list([sql`now()`, 1])), ["now(), $1", [1]])
    assert.deepStrictEqual(parts(list(new Set())), ["", []])
  })

  it("makes the columns and rows of an INSERT, and refuses rows with different keys", () => {
    const { insert } = Statement
    assert.deepStrictEqual(parts(insert([{ "a\"b": 1, c: sql`default` }, { c: 2, "a\"b": null }])), [
      "(\"a\"\"b\", \"c\") values ($1, default), ($2, $3)",
      [1, null, 2]
    ])
    const body = [JSON.parse(`{ "a": 1, "b": 2, "admin": true, "__proto__": 3 }`)] as const
    assert.deepStrictEqual(parts(insert(body, { columns: ["b", "a"] })), [`("b", "a") values ($1, $2)`, [2, 1]])
    assert.deepStrictEqual(parts(insert(body, { columns: ["__proto__"] })), [`("__proto__") values ($1)`, [3]])
    for (const columns of [["c"], ["a", "toString"], []]) assert.throws(() => insert(body, { columns }), TypeError)
    assert.throws(() => insert([], { columns: ["a"] }), TypeError)
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
    const body = JSON.parse(`{ "a": 1, "admin": true, "__proto__": 3 }`) as Readonly<Record<string, unknown>>
    assert.deepStrictEqual(parts(set(body, { columns: ["b", "a"] })), [`"a" = $1`, [1]])
    for (const columns of [["b"], ["toString"], []]) assert.throws(() => set(body, { columns }), TypeError)
  })

  it.prop(
    "uses the keys of a row as quoted names only",
    { row: Schema.Record(Schema.String, Schema.Int) },
    ({ row }) => {
      const keys = Object.keys(row)
      if (keys.length === 0) return
      const names = keys.map((key) => `"${key.replaceAll("\"", "\"\"")}"`)
      const numbers = keys.map((_, i) => `$${i + 1}`)
      assert.deepStrictEqual(parts(Statement.insert([row])), [
        `(${names.join(", ")}) values (${numbers.join(", ")})`,
        Object.values(row)
      ])
      assert.strictEqual(Statement.set(row).text, names.map((name, i) => `${name} = $${i + 1}`).join(", "))
    }
  )

  it("shows its text and number of parameters when printed", () => {
    const statement = sql`select * from users where password = ${"hunter2"}`
    const { text } = statement
    for (
      const shown of [statement, Statement.withPreset(statement, Preset.native), sql`${statement} and a = ${"hunter2"}`]
    ) {
      for (
        const printed of [inspect(shown, { depth: 9, showHidden: true }), JSON.stringify(shown), format("%o", shown)]
      ) {
        assert.include(printed, "select * from users where password = $1")
        assert.notInclude(printed, "hunter2")
      }
    }
    assert.deepStrictEqual(JSON.parse(JSON.stringify(statement)), { _id: "Statement", text, parameters: 1 })
  })

  it("quotes identifiers so that they are taken literally", () => {
    assert.strictEqual(identifier("plain").text, "\"plain\"")
    assert.strictEqual(identifier("Mixed Case").text, "\"Mixed Case\"")
    assert.strictEqual(identifier("a\"b\"\"c").text, "\"a\"\"b\"\"\"\"c\"")
    assert.strictEqual(identifier("schema", "ta.ble").text, "\"schema\".\"ta.ble\"")
    assert.strictEqual(identifier("$1").text, "\"$1\"")
    assert.strictEqual(sql`select ${identifier("a")} from ${identifier("t")}`.text, "select \"a\" from \"t\"")
  })

  it("writes literals that are independent of a server's settings", () => {
    const moment = new Date("2026-02-28T12:34:56.789Z")
    const cases: ReadonlyArray<readonly [unknown, string]> = [
      [null, "NULL"],
      [true, "true"],
      [false, "false"],
      [1, "1"],
      [-1, " -1"],
      [-0, "'-0'::double precision"],
      [0.1, "0.1"],
      [1e21, "1e+21"],
      [-1e-7, " -1e-7"],
      [NaN, "'NaN'::double precision"],
      [-Infinity, "'-Infinity'::double precision"],
      [BigInt("-123456789012345678901234567890"), " -123456789012345678901234567890"],
      [BigDecimal.make(BigInt(-1250), 2), " -12.50"],
      ["", "''"],
      ["it's", "'it''s'"],
      ["\\", " E'\\\\'"],
      ["\\'; drop table t; --", " E'\\\\''; drop table t; --'"],
      ["$1 ? :a $$x$$", "'$1 ? :a $$x$$'"],
      [Uint8Array.of(0, 255), " E'\\\\x00ff'"],
      [moment, "'2026-02-28 12:34:56.789+00'"],
      [DateTime.makeUnsafe(moment), "'2026-02-28 12:34:56.789+00'"],
      [Timestamp.fromStringUnsafe("2026-02-28 12:34:56"), "'2026-02-28 12:34:56'"],
      [Interval.makeUnsafe({ months: 1 }), "'P1M'"],
      [[1, -2, null], "ARRAY[1,  -2, NULL]"],
      [[["a"], ["it's"]], "ARRAY[ARRAY['a'], ARRAY['it''s']]"],
      [[], "ARRAY[]"],
      [{ a: "it's" }, "'{\"a\":\"it''s\"}'"],
      [Json.Null, "'null'"],
      [Parameter.make(null, BuiltIn.jsonb), "NULL"],
      [Parameter.make([1, "a"], BuiltIn.jsonb), "'[1,\"a\"]'"],
      [Parameter.make([1, null], BuiltIn.array(BuiltIn.int4)), "'{1,NULL}'"],
      [Parameter.make(1 as never, BuiltIn.numeric), "'1'"]
    ]
    for (const [value, text] of cases) {
      assert.deepStrictEqual(parts(sql`select ${Statement.literal(value)} = ${1}`), [`select ${text} = $1`, [1]])
    }
  })

  it("refuses literals of values that cannot be sent", () => {
    const cycle: Array<unknown> = []
    cycle.push(cycle)
    const refused = [
      undefined,
      Symbol("s"),
      () => 1,
      new Map(),
      sql`select 1`,
      "a\0b",
      "\ud800",
      { a: "\ud800" },
      [undefined],
      cycle,
      { cycle },
      new Date(NaN),
      BigDecimal.make(BigInt(1), 20_000),
      Money.fromUnitsUnsafe(BigInt(1)),
      UnknownValue.make(99_999, 1, Uint8Array.of(1)),
      UnknownValue.make(23, 1, Uint8Array.of(1)),
      Parameter.make("1" as never, BuiltIn.int4)
    ]
    for (const value of refused) assert.throws(() => Statement.literal(value), ValueError.ValueError)
  })

  it("joins statements with a separator", () => {
    assert.deepStrictEqual(parts(join([], sql`, `)), ["", []])
    assert.deepStrictEqual(parts(join([sql`a = ${1}`], sql` and `)), ["a = $1", [1]])
    const pairs = [[1, 2], [3, 4]].map((pair) => sql`(${join(pair.map((n) => sql`${n}`), sql`, `)})`)
    assert.deepStrictEqual(parts(sql`insert into t values ${join(pairs, sql`, `)}`), [
      "insert into t values ($1, $2), ($3, $4)",
      [1, 2, 3, 4]
    ])
    assert.deepStrictEqual(parts(join(sql` ${1} `)([sql`a`, sql`b`, sql`c`])), ["a $1 b $2 c", [1, 1]])
    assert.throws(() => join([sql`a`, sql`b`], ", " as never), TypeError)
    assert.strictEqual(join(new Set([identifier("a"), identifier("b")]), sql`, `).text, "\"a\", \"b\"")
  })

  it("uses text verbatim, and as a part only if it numbers no parameters", () => {
    const numbered = fromTextUnsafe("a = $1 or b = $1", [1])
    assert.deepStrictEqual(parts(numbered), ["a = $1 or b = $1", [1]])
    assert.strictEqual(sql`select 1 ${fromTextUnsafe("order by 1 desc")}`.text, "select 1 order by 1 desc")
    assert.throws(() => sql`select 1 where ${numbered}`, TypeError)
    assert.throws(() => join([sql`a`, numbered], sql` and `), TypeError)
  })

  it("accepts values that stand for a statement", () => {
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

  it("can be piped", () => {
    const statement = fromTextUnsafe("select $1", [1])
    const piped = statement.pipe(Statement.withPreset(Preset.native))
    assert.deepStrictEqual([...parts(piped), piped.preset], ["select $1", [1], Preset.native])
    assert.strictEqual(sql`select ${1}`.pipe(({ text }) => text), "select $1")
  })

  it("is made from segments", () => {
    const statement = fromSegmentsUnsafe([
      { _tag: "Text", text: "select " },
      { _tag: "Parameter", value: 1 },
      { _tag: "Text", text: " + " },
      { _tag: "Parameter", value: 2 }
    ])
    assert.deepStrictEqual(parts(statement), ["select $1 + $2", [1, 2]])
    assert.deepStrictEqual(parts(sql`(${statement})`), ["(select $1 + $2)", [1, 2]])
    assert.isTrue(isStatement(statement))
    assert.isFalse(isStatement(JSON.parse(JSON.stringify({ ...statement, pipe: 1, text: "" }))))
    for (const other of [null, "select 1", { text: "", parameters: [], segments: [] }]) {
      assert.isFalse(isStatement(other))
    }
  })
})
