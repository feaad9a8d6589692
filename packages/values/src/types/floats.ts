/**
 * `real` and `double precision`.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Codec from "../internal/codec.ts"
import * as ValueSchema from "../internal/valueSchema.ts"
import * as Words from "../internal/words.ts"
import type { Format, Type } from "../Type.ts"

const pattern = /^-?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/

const parse = (text: string): number | undefined => {
  if (text === "NaN") return NaN
  if (text === "Infinity") return Infinity
  if (text === "-Infinity") return -Infinity
  const value = pattern.test(text) ? Number(text) : NaN
  // Few digits may round the largest numbers to one that is no longer finite, which is not what the server holds.
  return Number.isFinite(value) ? value : undefined
}

const print = (value: number): string => Object.is(value, -0) ? "-0" : value.toString()

const wanted = "digits, with a point and an exponent or not, or NaN, Infinity, -Infinity"

const checkFloat8 = (value: unknown, format: Format): number =>
  typeof value === "number" ? value : Codec.typeMismatch("float8", format, "number", value)

/**
 * `double precision`: a JavaScript number, with NaN, the infinities and the negative zero.
 *
 * **Gotchas**
 *
 * In text a server may print fewer digits than the value has: PostgreSQL when `extra_float_digits` is below 1, Hyper by
 * default (15). In the binary formats nothing is lost.
 *
 * @category types
 * @since 0.1.0
 */
export const float8: Type<number> = {
  name: "float8",
  oid: 701,
  arrayOid: 1022,
  schema: Schema.Number,
  text: Codec.text("float8", wanted, parse, (value: number) => print(checkFloat8(value, 0))),
  binary: {
    read: (bytes, start, end) =>
      end - start === 8 ? Words.float64(bytes, start) : Codec.wrongLength("float8", 1, "8 bytes", end - start),
    write: (out, value) => out.float64(checkFloat8(value, 1))
  },
  hyper: Codec.fixed(8, {
    read: (bytes, start, end) =>
      end - start === 8 ? Words.float64LE(bytes, start) : Codec.wrongLength("float8", 2, "8 bytes", end - start),
    write: (out, value) => out.float64LE(checkFloat8(value, 2))
  })
}

const checkFloat4 = (value: unknown, format: Format): number => {
  if (typeof value !== "number") return Codec.typeMismatch("float4", format, "number", value)
  const rounded = Math.fround(value)
  // What the servers say to a text that overflows or vanishes.
  if (rounded !== value && (rounded === 0 || !Number.isFinite(rounded)) && !Number.isNaN(value)) {
    return Codec.outOfRange("float4", format, "a number that 32 bits can hold", "a larger or smaller one")
  }
  return rounded
}

/**
 * `real`: a number of 32 bits. It is read as the JavaScript number of exactly its value, so 0.1 in a `real` column is
 * 0.10000000149011612.
 *
 * **Details**
 *
 * Writing rounds to the nearest number of 32 bits. What is beyond them is refused, and so is what would become 0.
 *
 * @category types
 * @since 0.1.0
 */
export const float4: Type<number> = {
  name: "float4",
  oid: 700,
  arrayOid: 1021,
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
  }, (value: number) => print(checkFloat4(value, 0))),
  binary: {
    read: (bytes, start, end) =>
      end - start === 4 ? Words.float32(bytes, start) : Codec.wrongLength("float4", 1, "4 bytes", end - start),
    write: (out, value) => out.float32(checkFloat4(value, 1))
  },
  hyper: Codec.fixed(4, {
    read: (bytes, start, end) =>
      end - start === 4 ? Words.float32LE(bytes, start) : Codec.wrongLength("float4", 2, "4 bytes", end - start),
    write: (out, value) => out.float32LE(checkFloat4(value, 2))
  })
}
