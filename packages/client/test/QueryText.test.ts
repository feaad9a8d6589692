import { assert, describe, it } from "@effect/vitest"
import { operationOf, withoutLiterals } from "@hyperfect/client/QueryText"

describe("QueryText", () => {
  it("returns the command, whatever precedes it", () => {
    const texts: Readonly<Record<string, string | undefined>> = {
      "select 1": "SELECT",
      "  -- a comment\n/* and /* one inside */ another */ insert into t values (1)": "INSERT",
      " ; -- a comment\rbegin": "BEGIN",
      "((select 1) union (select 2))": "SELECT",
      "WITH a as (select 1) select * from a": "WITH",
      "": undefined,
      "/* never closed": undefined,
      "42": undefined
    }
    for (const [text, operation] of Object.entries(texts)) assert.strictEqual(operationOf(text), operation, text)
  })

  it("removes literals from the text", () => {
    const texts: Readonly<Record<string, string>> = {
      "select 'secret', \"a 'name'\" from t where n = 42 and m = $1":
        "select ?, \"a 'name'\" from t where n = ? and m = $1",
      "select 'it''s secret', e'it\\'s secret', E'\\\\', 'end'": "select ?, ?, ?, ?",
      "select $$secret$$, $tag$ secret $$ secret $tag$, $1": "select ?, ?, $1",
      "select -1.5e-10, .5, 0xff, 1_000, t1.c2, x$1": "select -?, ?, ?, ?, t1.c2, x$1",
      "select b'101', x'ff', U&'\\0061', n'secret'": "select ?, ?, ?, ?",
      "select 1 -- secret 'token'\n, 2 /* secret /* nested */ secret */": "select ? \n, ?",
      "select 1 -- it's\r, 'never\n secret'": "select ? \r, ?",
      "alter role app password 'secret'": "alter role app password ?",
      "select 'never closed secret": "select ?",
      "select $$never closed secret": "select ?",
      "select \"never closed secret": "select ?",
      "select e'never closed secret\\'": "select ?",
      "select 'ä€😀', \"ä€😀\" from größe": "select ?, \"ä€😀\" from größe"
    }
    for (const [text, shown] of Object.entries(texts)) assert.strictEqual(withoutLiterals(text), shown, text)
  })

  it("ends a dollar-quoted literal at its own tag only", () => {
    assert.strictEqual(withoutLiterals("select $A$ secret $a$ secret $A$, $$ $a$ $$"), "select ?, ?")
  })

  it("reads tokens of any length", () => {
    const long = "x".repeat(20_000_000)
    for (const literal of [`'${long}'`, `e'\\'${long}'`]) {
      assert.strictEqual(withoutLiterals(`select ${literal}`), "select ?")
    }
    assert.isTrue(withoutLiterals(`select "${long}"`) === `select "${long}"`)
    assert.strictEqual(operationOf(`${" ".repeat(long.length)}begin`), "BEGIN")
  })

  it("runs in linear time", () => {
    for (const piece of ["'", "$a", "$", "/*", "\"", "e'\\", "--", "((", "1e", "$$a$"]) {
      assert.isString(withoutLiterals(piece.repeat(50_000)))
      assert.doesNotThrow(() => operationOf(piece.repeat(50_000)))
    }
  })
})
