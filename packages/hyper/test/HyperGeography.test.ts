import { assert, describe, it } from "@effect/vitest"
import * as HyperGeography from "@hyperfect/hyper/HyperGeography"
import { Result } from "effect"

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex")
const bytes = (text: string) => Uint8Array.from(Buffer.from(text.replaceAll(" ", ""), "hex"))

const valid = [
  ["POINT (1 2)", "POINT (1 2)"],
  ["  point(-8.5   4.74e1 ) ", "POINT (-8.5 47.4)"],
  ["Point(+.5 1.)", "POINT (0.5 1)"],
  ["POINT EMPTY", "POINT EMPTY"],
  ["LINESTRING(0 0,10 10, 180 -90)", "LINESTRING (0 0, 10 10, 180 -90)"],
  ["POLYGON((0 0, 1 0, 1 1, 0 0), (.5 .1, .6 .1, .6 .2, .5 .1))", undefined],
  ["MULTIPOINT((1 2), 3 4)", "MULTIPOINT ((1 2), (3 4))"],
  ["MULTILINESTRING((0 0, 1 1), (2 2, 3 3))", undefined],
  ["MULTIPOLYGON(((0 0, 1 0, 1 1, 0 0)), ((5 5, 6 5, 6 6, 5 5)))", undefined],
  ["GEOMETRYCOLLECTION(POINT EMPTY, GEOMETRYCOLLECTION (LINESTRING(0 0, 1 1)))", undefined],
  ["MULTIPOLYGON EMPTY", "MULTIPOLYGON EMPTY"]
] as const

const invalid = {
  "": "the name of a type of geography at character 1, found the end of the text",
  "nonsense": "the name of a type of geography",
  "SRID=4326;POINT(1 2)": "the name of a type of geography",
  "POINT(1)": "a blank and a latitude at character 8",
  "POINT(1,2)": "a blank and a latitude",
  "POINT(1 2": "\")\" at character 10, found the end of the text",
  "POINT(1 2) x": "the end of the text at character 12",
  "POINT(1 2 3)": "\")\"",
  "POINT Z (1 2 3)": "two coordinates, as Hyper stores no others, found Z",
  "POINT\t(1 2)": "\"(\" at character 6",
  "POINT(nan 2)": "a number",
  "POINT(1e400 2)": "a longitude from -180 to 180, found Infinity",
  "POINT(181 2)": "a longitude from -180 to 180, found 181",
  "POINT(1 90.0000001)": "a latitude from -90 to 90, found 90.0000001",
  "LINESTRING(1 1)": "a line of at least two different positions",
  "LINESTRING(1 1, 1 1)": "a line of at least two different positions",
  "POLYGON((0 0, 1 0, 1 1, 0 1))": "a ring that ends where it begins",
  "POLYGON((0 0, 1 0, 2 0, 0 0))": "a ring that encloses an area",
  "POLYGON((0 0))": "a ring that encloses an area",
  "MULTIPOINT((1 2), EMPTY)": "a number"
}

describe("HyperGeography", () => {
  it("parses and prints well-known text, and preserves it through well-known binary", () => {
    for (const [text, printed] of valid) {
      const geography = Result.getOrThrow(HyperGeography.fromWkt(text))
      if (printed !== undefined) assert.strictEqual(HyperGeography.toWkt(geography), printed)
      assert.deepStrictEqual(
        Result.getOrThrow(HyperGeography.fromWkt(HyperGeography.toWkt(geography))),
        geography
      )
      assert.deepStrictEqual(Result.getOrThrow(HyperGeography.fromWkb(HyperGeography.toWkb(geography))), geography)
    }
  })

  it("rejects what Hyper rejects, and what it would change without an error", () => {
    for (const [text, wanted] of Object.entries(invalid)) {
      const result = HyperGeography.fromWkt(text)
      assert.isTrue(Result.isFailure(result), text)
      if (Result.isFailure(result)) assert.include(result.failure.message, `wanted ${wanted}`)
    }
  })

  it("reads well-known binary in either byte order, mixed ones included", () => {
    const point = Result.getOrThrow(HyperGeography.fromWkt("POINT(1 2)"))
    assert.strictEqual(hex(HyperGeography.toWkb(point)), "0101000000000000000000f03f0000000000000040")
    assert.deepStrictEqual(
      HyperGeography.fromWkb(bytes("00 00000001 3ff0000000000000 4000000000000000")),
      Result.succeed(point)
    )
    const mixed = "00 00000004 00000002 01 01000000 000000000000f03f 0000000000000040" +
      "00 00000001 3ff0000000000000 4000000000000000"
    assert.strictEqual(
      HyperGeography.toWkt(Result.getOrThrow(HyperGeography.fromWkb(bytes(mixed)))),
      "MULTIPOINT ((1 2), (1 2))"
    )
  })

  it("rejects damaged well-known binary, cut at any byte", () => {
    const whole = HyperGeography.toWkb(
      Result.getOrThrow(HyperGeography.fromWkt("GEOMETRYCOLLECTION(POINT(1 2), POLYGON((0 0, 1 0, 1 1, 0 0)))"))
    )
    for (let end = 0; end < whole.length; end++) {
      assert.isTrue(Result.isFailure(HyperGeography.fromWkb(whole.subarray(0, end))), `${end}`)
    }
    for (
      const wrong of [
        "02 01000000",
        "01 e9030000 000000000000f03f 0000000000000040 0000000000000840",
        "01 01000020 e6100000 000000000000f03f 0000000000000040",
        "01 02000000 ffffffff",
        "01 04000000 01000000 01 02000000 00000000",
        "01 01000000 000000000000f03f 0000000000000040 00",
        "01 01000000 000000000000f07f 0000000000000040",
        "01 01000000 000000000000f87f 0000000000000040",
        "504f494e5420283120322900"
      ]
    ) assert.isTrue(Result.isFailure(HyperGeography.fromWkb(bytes(wrong))), wrong)
  })

  it("limits the depth of collections", () => {
    const nested = (depth: number) => `${"GEOMETRYCOLLECTION(".repeat(depth)}POINT(1 2)${")".repeat(depth)}`
    assert.isTrue(Result.isSuccess(HyperGeography.fromWkt(nested(8))))
    assert.isTrue(Result.isFailure(HyperGeography.fromWkt(nested(100_000))))
    const deep = new Uint8Array(9 * 100_000)
    for (let at = 0; at < deep.length; at += 9) deep.set([1, 7, 0, 0, 0, 1, 0, 0, 0], at)
    assert.isTrue(Result.isFailure(HyperGeography.fromWkb(deep)))
  })
})
