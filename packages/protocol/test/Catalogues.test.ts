import { assert, describe, it } from "@effect/vitest"
import { ErrorField, Header, SqlState } from "@hyperfect/protocol"
import { Schema } from "effect"

describe("error fields", () => {
  it("have one code each", () => {
    const codes = Object.values(ErrorField.codes)
    assert.strictEqual(new Set(codes).size, codes.length)
    // Those of the chapter "Error and Notice Message Fields", and Hyper's.
    assert.strictEqual(codes.toSorted().join(""), "BCDFHLMPRSVWcdnpqst")
  })

  it("are found by name, the first of two", () => {
    const fields = [{ code: "M", value: "one" }, { code: "M", value: "two" }, { code: "?", value: "three" }]
    assert.strictEqual(ErrorField.get(fields, "message"), "one")
    assert.isUndefined(ErrorField.get(fields, "detail"))
  })

  it("keep codes that nobody knows, but not the zero that ends the list", () => {
    assert.isTrue(Schema.is(ErrorField.ErrorField)({ code: "?", value: "" }))
    assert.isTrue(Schema.is(ErrorField.ErrorField)({ code: "\u00ff", value: "" }))
    for (const code of ["\0", "", "MM", "\u0100"]) assert.isFalse(Schema.is(ErrorField.ErrorField)({ code, value: "" }))
  })
})

describe("SQLSTATE", () => {
  it("holds all of PostgreSQL 18, and what Hyper adds", () => {
    assert.isAbove(Object.keys(SqlState.conditions).length, 260)
    assert.strictEqual(SqlState.condition("00000"), "SuccessfulCompletion")
    assert.strictEqual(SqlState.condition("40001"), "SerializationFailure")
    assert.strictEqual(SqlState.condition("57014"), "QueryCanceled")
    assert.strictEqual(SqlState.condition("58S01"), "DatabaseFileUnavailable")
    assert.strictEqual(SqlState.condition("53S01"), "QueryTimeLimitExceeded")
  })

  it("has a title for the class of every code, and one name for each condition", () => {
    for (const code of Object.keys(SqlState.conditions)) {
      assert.match(code, /^[0-9A-Z]{5}$/)
      assert.isTrue(Object.hasOwn(SqlState.classes, code.slice(0, 2)), code)
    }
    const names = Object.values(SqlState.conditions)
    assert.strictEqual(new Set(names).size, names.length)
  })

  it("falls back to the class of an unknown code, and to nothing else", () => {
    assert.strictEqual(SqlState.condition("42XXX"), "SyntaxErrorOrAccessRuleViolation")
    for (const code of ["QQ000", "", "23", "__proto__", "constructor"]) {
      assert.isFalse(SqlState.isSqlState(code))
    }
    assert.strictEqual(SqlState.condition("constructor"), "UnknownCondition")
    assert.strictEqual(SqlState.condition(""), "UnknownCondition")
  })
})

describe("a header", () => {
  it("is read at an offset, and not before five bytes are there", () => {
    const bytes = Uint8Array.of(0xaa, 0x44, 0x7f, 0xff, 0xff, 0xff, 0x00)
    assert.deepStrictEqual(Header.parse(bytes, 1), { tag: "D", length: 0x7fffffff })
    assert.isUndefined(Header.parse(bytes, 3))
    assert.isUndefined(Header.parse(new Uint8Array(0)))
  })

  it("says a negative length as it is", () => {
    assert.deepStrictEqual(Header.parse(Uint8Array.of(0x44, 0xff, 0xff, 0xff, 0xff)), { tag: "D", length: -1 })
  })
})
