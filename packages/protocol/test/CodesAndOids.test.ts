import { assert, describe, it } from "@effect/vitest"
import { ErrorField, Header, Oid, SqlState } from "@hyperfect/protocol"
import { Schema } from "effect"

describe("ErrorField", () => {
  it("has one code for each field", () => {
    const codes = Object.values(ErrorField.codes)
    assert.strictEqual(new Set(codes).size, codes.length)
    // The codes of the chapter "Error and Notice Message Fields", and Hyper's.
    assert.strictEqual(codes.toSorted().join(""), "BCDFHLMPRSVWcdnpqst")
  })

  it("get returns the first of two fields with the same name", () => {
    const fields = [{ code: "M", value: "one" }, { code: "M", value: "two" }, { code: "?", value: "three" }]
    assert.strictEqual(ErrorField.get(fields, "message"), "one")
    assert.isUndefined(ErrorField.get(fields, "detail"))
  })

  it("keeps fields with unknown codes, but not the zero that ends the list", () => {
    assert.isTrue(Schema.is(ErrorField.ErrorField)({ code: "?", value: "" }))
    assert.isTrue(Schema.is(ErrorField.ErrorField)({ code: "\u00ff", value: "" }))
    for (const code of ["\0", "", "MM", "\u0100"]) assert.isFalse(Schema.is(ErrorField.ErrorField)({ code, value: "" }))
  })
})

describe("SqlState", () => {
  it("contains all codes of PostgreSQL 18, and those of Hyper", () => {
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

  it("falls back to the class of an unknown code, otherwise to UnknownCondition", () => {
    assert.strictEqual(SqlState.condition("42XXX"), "SyntaxErrorOrAccessRuleViolation")
    for (const code of ["QQ000", "", "23", "__proto__", "constructor"]) {
      assert.isFalse(SqlState.isSqlState(code))
    }
    assert.strictEqual(SqlState.condition("constructor"), "UnknownCondition")
    assert.strictEqual(SqlState.condition(""), "UnknownCondition")
  })
})

describe("Header.parse", () => {
  it("reads at an offset, and returns undefined for fewer than five bytes", () => {
    const bytes = Uint8Array.of(0xaa, 0x44, 0x7f, 0xff, 0xff, 0xff, 0x00)
    assert.deepStrictEqual(Header.parse(bytes, 1), { tag: "D", length: 0x7fffffff })
    assert.isUndefined(Header.parse(bytes, 3))
    assert.isUndefined(Header.parse(new Uint8Array(0)))
  })

  it("returns a negative length unchanged", () => {
    assert.deepStrictEqual(Header.parse(Uint8Array.of(0x44, 0xff, 0xff, 0xff, 0xff)), { tag: "D", length: -1 })
  })
})

describe("Oid", () => {
  const entries = Object.entries(Oid.types) as ReadonlyArray<[Oid.Name, Oid.Type]>

  it("has the OIDs that are the same on every PostgreSQL server, and Hyper's", () => {
    assert.isAbove(entries.length, 180)
    assert.deepStrictEqual(
      [Oid.types.bool, Oid.types.int8, Oid.types.text, Oid.types.numeric, Oid.types.timestamptz].map(({ oid }) => oid),
      [16, 20, 25, 1700, 1184]
    )
    assert.deepStrictEqual(Oid.types.tabgeography, { oid: 5003, array: 5004, element: 0, category: "U" })
    assert.strictEqual(Oid.types.uuid.array, 2951)
    assert.deepStrictEqual(Oid.types._uuid, { oid: 2951, array: 0, element: 2950, category: "A" })
    assert.deepStrictEqual(Oid.types._record, { oid: 2287, array: 0, element: 2249, category: "P" })
    assert.strictEqual(Oid.types.point.element, 0)
  })

  it("has one OID for each name, below those that servers assign", () => {
    const oids = entries.map(([, { oid }]) => oid)
    assert.strictEqual(new Set(oids).size, oids.length)
    for (const oid of oids) assert.isTrue(oid > 0 && oid < 10_000)
  })

  it("maps a type to its array type and back, and an OID to its name", () => {
    for (const [name, { array, category, element, oid }] of entries) {
      assert.strictEqual(Oid.name(oid), name)
      assert.isTrue(Oid.isOid(oid))
      assert.isTrue(Object.hasOwn(Oid.categories, category))
      if (array !== 0) assert.strictEqual(Oid.types[Oid.name(array)!].element, oid, name)
      if (element !== 0) assert.isDefined(Oid.name(element), name)
    }
  })

  it("returns undefined for unknown OIDs", () => {
    for (const oid of [0, -1, 1, 0.5, 100_000, NaN]) {
      assert.isUndefined(Oid.name(oid))
      assert.isFalse(Oid.isOid(oid))
    }
  })
})
