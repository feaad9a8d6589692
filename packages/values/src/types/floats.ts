/**
 * `real` and `double precision`.
 *
 * @since 0.1.0
 */
import { code } from "@hyperfect/protocol/internal/codegen"
import * as Schema from "effect/Schema"
import * as Codec from "../internal/codec/codec.ts"
import * as Inline from "../internal/codec/inline.ts"
import * as Numbers from "../internal/codec/numbers.ts"
import * as ValueSchema from "../internal/schema/value.ts"
import { format as print, parse, wanted } from "../internal/text/number.ts"
import type { Format, Type } from "../Type.ts"

/** Converts a `bigint` to a number if a double represents it exactly; returns any other value unchanged. */
const exactNumber = (value: unknown): unknown => {
  const number = typeof value === "bigint" ? Number(value) : NaN
  return Number.isFinite(number) && BigInt(number) === value ? number : value
}

const checkFloat8 = (value: unknown, format: Format): number =>
  typeof value === "number" ? value : fromBigInt("float8", format, value)

const fromBigInt = (typeName: string, format: Format, value: unknown): number => {
  const exact = exactNumber(value)
  return typeof exact === "number" ? exact : Codec.typeMismatch(typeName, format, "number", value)
}

const declareFloat8 = Inline.fixed(8, Inline.stored("Float64", Float64Array), ({ littleEndian, numbers, words }) => ({
  read: code`${numbers.float64}(b, p)`,
  store: Inline.storeWords(words),
  write: Inline.writeFixed(0, Inline.notNumber, code`w.setFloat64(p, v, ${littleEndian})`)
}))

/**
 * `double precision`: a JavaScript number, including NaN, the infinities and negative zero. A `bigint` is accepted when
 * writing if a number represents it exactly.
 *
 * **Gotchas**
 *
 * In text format a server may print fewer digits than the value has: PostgreSQL if `extra_float_digits` is below 1,
 * Hyper by default (15). The binary formats are lossless.
 *
 * @category types
 * @since 0.1.0
 */
export const float8: Type<number, number | bigint> = declareFloat8({
  name: "float8",
  oid: 701,
  arrayOid: 1022,
  category: "float",
  schema: Schema.Number,
  text: Codec.text("float8", wanted, parse, (value: number | bigint) => print(checkFloat8(value, 0))),
  binary: {
    read: (bytes, start, end) =>
      end - start === 8 ? Numbers.float64(bytes, start) : Codec.wrongLength("float8", 1, "8 bytes", end - start),
    write: (out, value) => out.float64(checkFloat8(value, 1))
  },
  hyper: Codec.fixed(8, {
    read: (bytes, start, end) =>
      end - start === 8 ? Numbers.float64LE(bytes, start) : Codec.wrongLength("float8", 2, "8 bytes", end - start),
    write: (out, value) => out.float64LE(checkFloat8(value, 2))
  })
})

const checkFloat4 = (input: unknown, format: Format): number => {
  const value = typeof input === "number" ? input : fromBigInt("float4", format, input)
  const rounded = Math.fround(value)
  // Servers also reject a text that overflows or underflows to 0.
  if (rounded !== value && (rounded === 0 || !Number.isFinite(rounded)) && !Number.isNaN(value)) {
    return Codec.outOfRange("float4", format, "a number that 32 bits can hold", "a larger or smaller one")
  }
  return rounded
}

const declareFloat4 = Inline.fixed(4, Inline.stored("Float32", Float32Array), ({ int32, numbers }) => ({
  read: code`${numbers.float32}(b, p)`,
  store: Inline.storeWord(int32)
}))

/**
 * `real`: a 32-bit number. It is read as the JavaScript number of exactly that value, so 0.1 in a `real` column is
 * 0.10000000149011612.
 *
 * **Details**
 *
 * Writing rounds to the nearest 32-bit number. A number that would overflow, or underflow to 0, is rejected.
 *
 * @category types
 * @since 0.1.0
 */
export const float4: Type<number, number | bigint> = declareFloat4({
  name: "float4",
  oid: 700,
  arrayOid: 1021,
  category: "float",
  schema: ValueSchema.refine("a number of 32 bits", {
    kind: "number",
    is: (u): u is number => typeof u === "number" && Object.is(Math.fround(u), u),
    arbitrary: Schema.Number,
    fromArbitrary: Math.fround
  }),
  text: Codec.text("float4", wanted, (text) => {
    const value = parse(text)
    if (value === undefined) return undefined
    const rounded = Math.fround(value)
    return Number.isFinite(value) && !Number.isFinite(rounded) ? undefined : rounded
  }, (value: number | bigint) => print(checkFloat4(value, 0))),
  binary: {
    read: (bytes, start, end) =>
      end - start === 4 ? Numbers.float32(bytes, start) : Codec.wrongLength("float4", 1, "4 bytes", end - start),
    write: (out, value) => out.float32(checkFloat4(value, 1))
  },
  hyper: Codec.fixed(4, {
    read: (bytes, start, end) =>
      end - start === 4 ? Numbers.float32LE(bytes, start) : Codec.wrongLength("float4", 2, "4 bytes", end - start),
    write: (out, value) => out.float32LE(checkFloat4(value, 2))
  })
})
