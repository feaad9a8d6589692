import { assert, describe, it } from "@effect/vitest"
import { BuiltIn } from "@hyperfect/values"
import { read, reasonOf, utf8 } from "./fixtures.ts"

describe("hstore > text format", () => {
  const of = (text: string) => read(BuiltIn.hstore, 0, utf8(text))

  it("reads quoted and unquoted keys and values", () => {
    assert.deepStrictEqual(of(" "), {})
    assert.deepStrictEqual(of(`"a"=>"1", "b"=>NULL`), { a: "1", b: null })
    assert.deepStrictEqual(of(` a =>1 ,null=> nUlL,c=>"NULL" `), { a: "1", null: null, c: "NULL" })
    assert.deepStrictEqual(of(`"q\\"\\\\"=>"\\x", p\\,q=>a=b, n=>nul\\l`), { "q\"\\": "x", "p,q": "a=b", n: "null" })
    assert.deepStrictEqual(of(`""=>"", "a"=>"first", "a"=>"second"`), { "": "", a: "first" })
    assert.deepStrictEqual(Object.entries(of(`"__proto__"=>"x"`) as object), [["__proto__", "x"]])
  })

  it("reads a value of many megabytes", () => {
    const value = "x".repeat(20_000_000)
    assert.strictEqual((of(`"a"=>"${value}"`) as Readonly<Record<string, string>>)["a"]!.length, value.length)
  })

  it("rejects invalid text", () => {
    for (
      const text of [
        `"a"`,
        `"a"=>`,
        `=>"a"`,
        `"a"=>"1",`,
        `,"a"=>"1"`,
        `"a"=>"1" "b"=>"2"`,
        `"a"=>"1`,
        `"a"=>"1\\"`,
        `a=>1\\`,
        `a"=>1`,
        `"a"=>"1"=>"2"`,
        `"a"="1"`
      ]
    ) assert.strictEqual(reasonOf(() => of(text))._tag, "Malformed", text)
  })

  it("reads texts of megabytes", () => {
    const [long, escaped] = ["x".repeat(10_000_000), "\\\"".repeat(1_000_000)]
    assert.isTrue((of(`"a"=>"${long}"`) as { readonly a: string }).a === long)
    assert.strictEqual((of(`"a"=>"${escaped}"`) as { readonly a: string }).a.length, 1_000_000)
  })
})

describe("cube > text format", () => {
  it("reads numbers in any notation", () => {
    const number = `1${"0".repeat(40)}`
    assert.deepStrictEqual(read(BuiltIn.cube, 0, utf8(`(${number}, NaN)`)), { lower: [1e40, NaN], upper: [1e40, NaN] })
  })

  it("rejects invalid numbers", () => {
    for (const text of ["(\u0131)", "(1, x)", "(1,2", `(${"x".repeat(40)})`]) {
      assert.strictEqual(reasonOf(() => read(BuiltIn.cube, 0, utf8(text)))._tag, "Malformed", text)
    }
  })
})
