import { assert, describe, it } from "@effect/vitest"
import { BuiltIn, type Type } from "@hyperfect/values"
import { fromHex, read, reasonOf, toHex, utf8, write } from "./fixtures.ts"

// The layouts are those of vector_send, halfvec_send and sparsevec_send in pgvector's src (0.8). The bytes below were
// derived from them by hand.
const goldens: ReadonlyArray<
  { readonly type: Type.Any; readonly text: string; readonly value: unknown; readonly hex: string }
> = [
  {
    type: BuiltIn.vector,
    text: "[1,2,3]",
    value: [1, 2, 3],
    hex: "0003" + "0000" + "3f800000" + "40000000" + "40400000"
  },
  { type: BuiltIn.vector, text: "[-0.5]", value: [-0.5], hex: "0001" + "0000" + "bf000000" },
  { type: BuiltIn.vector, text: "[0.10000000149011612]", value: [Math.fround(0.1)], hex: "0001" + "0000" + "3dcccccd" },
  { type: BuiltIn.halfvec, text: "[1,-2]", value: [1, -2], hex: "0002" + "0000" + "3c00" + "c000" },
  // The largest, the smallest normal and the smallest positive 16-bit number.
  {
    type: BuiltIn.halfvec,
    text: "[65504,0.00006103515625,5.960464477539063e-8]",
    value: [65504, 2 ** -14, 2 ** -24],
    hex: "0003" + "0000" + "7bff" + "0400" + "0001"
  },
  {
    type: BuiltIn.sparsevec,
    text: "{1:1.5,4:-2}/5",
    value: { dimensions: 5, indices: [0, 3], values: [1.5, -2] },
    hex: "00000005" + "00000002" + "00000000" + "00000000" + "00000003" + "3fc00000" + "c0000000"
  },
  {
    type: BuiltIn.sparsevec,
    text: "{}/3",
    value: { dimensions: 3, indices: [], values: [] },
    hex: "00000003" + "00000000" + "00000000"
  }
]

describe("pgvector types", () => {
  for (const { hex, text, type, value } of goldens) {
    it(`read and write ${type.name} ${text} in text and in binary`, () => {
      assert.deepStrictEqual(read(type, 0, utf8(text)), value)
      assert.deepStrictEqual(read(type, 1, fromHex(hex)), value)
      assert.strictEqual(new TextDecoder().decode(write(type, 0, value)), text)
      assert.strictEqual(toHex(write(type, 1, value)), hex)
    })

    it(`reject ${type.name} ${text} truncated at any byte, or with extra bytes`, () => {
      const bytes = fromHex(hex)
      for (let length = 0; length < bytes.length; length++) {
        assert.strictEqual(reasonOf(() => read(type, 1, bytes.subarray(0, length)))._tag, "Malformed")
      }
      assert.strictEqual(reasonOf(() => read(type, 1, Uint8Array.of(...bytes, 0)))._tag, "Malformed")
    })
  }

  it("round to the nearest 16-bit number, with ties to even", () => {
    const bits = (value: number) => toHex(write(BuiltIn.halfvec, 1, [value])).slice(8)
    // Between 1 (3c00) and its neighbour 1 + 2^-10 (3c01), and between that and the next.
    assert.strictEqual(bits(1 + 2 ** -11), "3c00")
    assert.strictEqual(bits(1 + 2 ** -11 + 2 ** -30), "3c01")
    assert.strictEqual(bits(1 + 3 * 2 ** -11), "3c02")
    // Half of the smallest number becomes 0, and keeps its sign.
    assert.strictEqual(bits(2 ** -25), "0000")
    assert.strictEqual(bits(-(2 ** -25)), "8000")
    assert.strictEqual(bits(2 ** -25 + 2 ** -40), "0001")
    // From here on a number would be infinite.
    assert.strictEqual(bits(65519.999), "7bff")
    assert.strictEqual(reasonOf(() => bits(65520))._tag, "OutOfRange")
  })

  it("round-trip every 16-bit number", () => {
    // NaN and the infinities, which a vector cannot contain, have all exponent bits set.
    const all = Array.from({ length: 0x10000 }, (_, bits) => bits).filter((bits) => (bits & 0x7c00) !== 0x7c00)
    for (let at = 0; at < all.length; at += 1024) {
      const some = all.slice(at, at + 1024)
      const hex = [some.length, 0, ...some].map((word) => word.toString(16).padStart(4, "0")).join("")
      assert.strictEqual(toHex(write(BuiltIn.halfvec, 1, read(BuiltIn.halfvec, 1, fromHex(hex)))), hex)
    }
  })

  it("reject what the server would reject", () => {
    for (const type of [BuiltIn.vector, BuiltIn.halfvec]) {
      for (const format of [0, 1] as const) {
        assert.strictEqual(reasonOf(() => write(type, format, []))._tag, "OutOfRange")
        assert.strictEqual(reasonOf(() => write(type, format, [NaN]))._tag, "OutOfRange")
        assert.strictEqual(reasonOf(() => write(type, format, [Infinity]))._tag, "OutOfRange")
        assert.strictEqual(reasonOf(() => write(type, format, [1e39]))._tag, "OutOfRange")
        assert.strictEqual(reasonOf(() => write(type, format, ["1"]))._tag, "TypeMismatch")
        assert.strictEqual(reasonOf(() => write(type, format, "[1]"))._tag, "TypeMismatch")
      }
      for (const text of ["", "[]", "[1", "[1,]", "[NaN]", "[x]", "[1 2]"]) {
        assert.strictEqual(reasonOf(() => read(type, 0, utf8(text)))._tag, "Malformed", text)
      }
    }
    for (
      const value of [
        { dimensions: 0, indices: [], values: [] },
        { dimensions: 3, indices: [1, 1], values: [1, 2] },
        { dimensions: 3, indices: [2, 1], values: [1, 2] },
        { dimensions: 3, indices: [3], values: [1] },
        { dimensions: 3, indices: [0], values: [0] },
        { dimensions: 3, indices: [0], values: [] },
        { dimensions: 3, indices: [0], values: [NaN] }
      ]
    ) {
      for (const format of [0, 1] as const) {
        assert.strictEqual(reasonOf(() => write(BuiltIn.sparsevec, format, value))._tag, "TypeMismatch")
      }
    }
    for (
      const text of [
        "",
        "{}/0",
        "{1:0}/3",
        "{4:1}/3",
        "{0:1}/3",
        "{2:1,1:1}/3",
        "{1:1}",
        "{1}/3",
        "{1:2:3}/4",
        "{0x1:2}/4"
      ]
    ) {
      assert.strictEqual(reasonOf(() => read(BuiltIn.sparsevec, 0, utf8(text)))._tag, "Malformed", text)
    }
  })
})
