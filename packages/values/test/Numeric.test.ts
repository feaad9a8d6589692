import { assert, describe, it } from "@effect/vitest"
import { BuiltIn, Numeric, type Type } from "@hyperfect/values"
import { BigDecimal, Effect, Schema } from "effect"
import { fromHex, read, reasonOf, toHex, utf8, write } from "./fixtures.ts"

const formats = [0, 1, 2] as const

const big = (digits: string): bigint => BigInt(digits)

/** numeric(38, 10) */
const typeModifier = ((38 << 16) | 10) + 4

describe("numeric", () => {
  // Bytes as encoded by PostgreSQL's numeric_send.
  const cases: ReadonlyArray<readonly [string, string]> = [
    ["0", "0000000000000000"],
    ["0.00", "0000000000000002"],
    ["1", "00010000000000000001"],
    ["-1", "00010000400000000001"],
    ["10000", "00010001000000000001"],
    ["12345678", "000200010000000004d2162e"],
    ["0.0001", "0001ffff000000040001"],
    ["0.00010", "0001ffff000000050001"],
    ["0.1", "0001ffff0000000103e8"],
    ["1.5", "00020000000000010001" + "1388"],
    ["1.50", "00020000000000020001" + "1388"],
    ["12345.6789", "0003000100000004" + "0001" + "0929" + "1a85"],
    ["-0.00000000000000000001", "0001fffb400000140001"],
    ["NaN", "00000000c0000000"],
    ["Infinity", "00000000d0000000"],
    ["-Infinity", "00000000f0000000"]
  ]

  it.each(cases)("encodes %s as PostgreSQL does", (text, hex) => {
    const value = read(BuiltIn.numeric, 0, utf8(text)) as Numeric.Numeric
    assert.strictEqual(Numeric.format(value), text)
    assert.strictEqual(toHex(write(BuiltIn.numeric, 1, value)), hex)
    assert.strictEqual(Numeric.format(read(BuiltIn.numeric, 1, fromHex(hex)) as Numeric.Numeric), text)
  })

  it("keeps every digit and the scale", () => {
    const long = `${"123456789".repeat(200)}.${"987654321".repeat(100)}0`
    for (const text of [long, `-${long}`, `0.${"0".repeat(1000)}1`, "1" + "0".repeat(500), "7".repeat(131_072)]) {
      const value = read(BuiltIn.numeric, 0, utf8(text))
      for (const format of [0, 1] as const) {
        const back = read(BuiltIn.numeric, format, write(BuiltIn.numeric, format, value))
        assert.strictEqual(Numeric.format(back as Numeric.Numeric), text)
      }
    }
  })

  it("writes bigints and decimals with a negative scale", () => {
    const decimal = BigDecimal.make(big("12"), -3)
    for (const format of [0, 1] as const) {
      assert.strictEqual(
        Numeric.format(read(BuiltIn.numeric, format, write(BuiltIn.numeric, format, decimal)) as Numeric.Numeric),
        "12000"
      )
      assert.strictEqual(
        Numeric.format(read(BuiltIn.numeric, format, write(BuiltIn.numeric, format, big("-7"))) as Numeric.Numeric),
        "-7"
      )
      assert.strictEqual(
        Numeric.format(
          read(
            BuiltIn.numeric,
            format,
            write(BuiltIn.numeric, format, BigDecimal.make(big("0"), -5))
          ) as Numeric.Numeric
        ),
        "0"
      )
    }
  })

  it("keeps digits that a server sends beyond the scale", () => {
    const value = read(
      BuiltIn.numeric,
      1,
      fromHex("0002000000000001" + "00011388".replace("1388", "0d80"))
    ) as BigDecimal.BigDecimal
    assert.strictEqual(Numeric.format(value), "1.3456")
  })

  it("writes any number, including NaN and the infinities", () => {
    const written = (value: unknown, format: Type.Format) => toHex(write(BuiltIn.numeric, format, value, typeModifier))
    for (const format of [0, 1] as const) {
      for (const value of [NaN, Infinity, -Infinity]) {
        assert.strictEqual(written(value, format), written(String(value), format))
      }
    }
    for (const format of formats) {
      assert.strictEqual(written(0.5, format), written(BigDecimal.make(big("5"), 1), format))
    }
    for (const value of [NaN, Infinity, -Infinity]) {
      assert.strictEqual(reasonOf(() => written(value, 2))._tag, "NotRepresentable")
    }
  })

  it("rejects values that are not numbers, and too many digits", () => {
    for (const value of [true, "1", "nan", "Inf", null]) {
      for (const format of formats) {
        assert.strictEqual(
          reasonOf(() => write(BuiltIn.numeric, format, value, typeModifier))._tag,
          "TypeMismatch"
        )
      }
    }
    for (
      const value of [
        BigDecimal.make(big("1"), 16_384),
        BigDecimal.make(big("1"), -131_073),
        BigDecimal.make(big("1"), 1e9)
      ]
    ) {
      for (const format of formats) {
        assert.strictEqual(
          reasonOf(() => write(BuiltIn.numeric, format, value, typeModifier))._tag,
          "OutOfRange"
        )
      }
    }
  })

  it("rejects malformed text and bytes", () => {
    for (const text of ["", "-", ".", "1.", ".5", "1e3", "+1", " 1", "1,5", "nan", "inf"]) {
      assert.strictEqual(reasonOf(() => read(BuiltIn.numeric, 0, utf8(text)))._tag, "Malformed")
    }
    for (
      const hex of [
        "",
        "00",
        "00010000000000",
        "0001000000000000",
        "00010000000000002710",
        "00000000800000",
        "0000000080000000",
        "00000000000040000",
        "ffff000000000000",
        "0000000000004000"
      ]
    ) {
      assert.strictEqual(reasonOf(() => read(BuiltIn.numeric, 1, fromHex(hex)))._tag, "Malformed")
    }
    assert.strictEqual(
      reasonOf(() => read(BuiltIn.numeric, 2, new Uint8Array(12), typeModifier))._tag,
      "Malformed"
    )
  })

  it.effect.prop(
    "has the HyperBinary size of its precision",
    { digits: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 38 })), unscaled: Schema.BigInt },
    ({ digits, unscaled }) =>
      Effect.sync(() => {
        const scale = digits >> 1
        const typeModifier = ((digits << 16) | scale) + 4
        const value = BigDecimal.make(unscaled % BigInt(10) ** BigInt(digits), scale)
        const bytes = write(BuiltIn.numeric, 2, value, typeModifier)
        assert.strictEqual(bytes.length, digits <= 18 ? 8 : 16)
        const back = read(BuiltIn.numeric, 2, bytes, typeModifier) as BigDecimal.BigDecimal
        assert.deepStrictEqual([back.value, back.scale], [value.value, value.scale])
      })
  )
})
