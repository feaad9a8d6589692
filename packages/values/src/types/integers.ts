/**
 * `smallint`, `integer`, `bigint` and `oid`.
 *
 * @since 0.1.0
 */
import { code } from "@hyperfect/protocol/internal/codegen"
import * as Schema from "effect/Schema"
import * as Codec from "../internal/codec/codec.ts"
import * as Inline from "../internal/codec/inline.ts"
import * as Numbers from "../internal/codec/numbers.ts"
import type { Codec as TypeCodec, Format, Type } from "../Type.ts"

const range = (minimum: number, maximum: number): string => `an integer from ${minimum} to ${maximum}`

/** Rejects a number that is out of range, or a value that is not a number. */
const refuse = (typeName: string, format: Format, wanted: string, value: unknown): never =>
  typeof value === "bigint"
    ? Codec.outOfRange(typeName, format, wanted, "another bigint")
    : typeof value !== "number" || Number.isNaN(value)
    ? Codec.typeMismatch(typeName, format, wanted, value)
    : Codec.outOfRange(
      typeName,
      format,
      wanted,
      Number.isInteger(value) ? "another integer" : "a number with a fraction"
    )

/** Converts a `bigint` in range to a number. */
const fromBigInt = (typeName: string, format: Format, minimum: number, maximum: number, value: unknown): number =>
  typeof value === "bigint" && value >= minimum && value <= maximum
    ? Number(value)
    : refuse(typeName, format, range(minimum, maximum), value)

/** Reads decimal digits, at most 10, with an optional sign. */
const readDigits = (bytes: Uint8Array, start: number, end: number): number => {
  const negative = bytes[start] === 0x2d
  let at = negative ? start + 1 : start
  if (at >= end || end - at > 10) return NaN
  let value = 0
  for (; at < end; at++) {
    const digit = bytes[at]! - 0x30
    if (digit < 0 || digit > 9) return NaN
    value = value * 10 + digit
  }
  return negative ? 0 - value : value
}

const textCodec = (typeName: string, minimum: number, maximum: number): TypeCodec<number, number | bigint> => {
  const wanted = range(minimum, maximum)
  return {
    read: (bytes, start, end) => {
      const value = readDigits(bytes, start, end)
      return value >= minimum && value <= maximum ? value : Codec.malformed(typeName, 0, wanted, "another text")
    },
    write: (out, value) => {
      const checked = Number.isInteger(value) && value >= minimum && value <= maximum
        ? value as number
        : fromBigInt(typeName, 0, minimum, maximum, value)
      out.utf8((checked + 0).toString())
    }
  }
}

const checkInt2 = (value: unknown, format: Format): number =>
  typeof value === "number" && value << 16 >> 16 === value ? value : fromBigInt("int2", format, -0x8000, 0x7fff, value)

const declareInt2 = Inline.fixed(2, Inline.stored("Int16", Int16Array), ({ int16, littleEndian }) => ({
  read: int16,
  store: Inline.storeValue(int16),
  write: Inline.writeFixed(0, code`${Inline.notNumber} || v << 16 >> 16 !== v`, code`w.setInt16(p, v, ${littleEndian})`)
}))

/**
 * `smallint`. A `bigint` in range is accepted when writing.
 *
 * @category types
 * @since 0.1.0
 */
export const int2: Type<number, number | bigint> = declareInt2({
  name: "int2",
  oid: 21,
  arrayOid: 1005,
  category: "number",
  schema: Schema.Int.check(Schema.isBetween({ minimum: -0x8000, maximum: 0x7fff })),
  text: textCodec("int2", -0x8000, 0x7fff),
  binary: {
    read: (bytes, start, end) =>
      end - start === 2 ? Numbers.int16(bytes, start) : Codec.wrongLength("int2", 1, "2 bytes", end - start),
    write: (out, value) => out.int16(checkInt2(value, 1))
  },
  hyper: Codec.fixed(2, {
    read: (bytes, start, end) =>
      end - start === 2 ? Numbers.int16LE(bytes, start) : Codec.wrongLength("int2", 2, "2 bytes", end - start),
    write: (out, value) => out.int16LE(checkInt2(value, 2))
  })
})

const checkInt4 = (value: unknown, format: Format): number =>
  typeof value === "number" && (value | 0) === value
    ? value
    : fromBigInt("int4", format, -0x80000000, 0x7fffffff, value)

const declareInt4 = Inline.fixed(4, Inline.stored("Int32", Int32Array), ({ int32, littleEndian }) => ({
  read: int32,
  store: Inline.storeWord(int32),
  write: Inline.writeFixed(0, code`${Inline.notNumber} || (v | 0) !== v`, code`w.setInt32(p, v, ${littleEndian})`)
}))

/**
 * `integer`. A `bigint` in range is accepted when writing.
 *
 * @category types
 * @since 0.1.0
 */
export const int4: Type<number, number | bigint> = declareInt4({
  name: "int4",
  oid: 23,
  arrayOid: 1007,
  category: "number",
  schema: Schema.Int.check(Schema.isInt32()),
  text: textCodec("int4", -0x80000000, 0x7fffffff),
  binary: {
    read: (bytes, start, end) =>
      end - start === 4 ? Numbers.int32(bytes, start) : Codec.wrongLength("int4", 1, "4 bytes", end - start),
    write: (out, value) => out.int32(checkInt4(value, 1))
  },
  hyper: Codec.fixed(4, {
    read: (bytes, start, end) =>
      end - start === 4 ? Numbers.int32LE(bytes, start) : Codec.wrongLength("int4", 2, "4 bytes", end - start),
    write: (out, value) => out.int32LE(checkInt4(value, 2))
  })
})

const checkOid = (value: unknown, format: Format): number =>
  typeof value === "number" && value >>> 0 === value ? value : fromBigInt("oid", format, 0, 0xffffffff, value)

const declareOid = Inline.fixed(4, Inline.stored("UInt32", Uint32Array), ({ int32, littleEndian }) => ({
  read: code`(${int32}) >>> 0`,
  store: Inline.storeWord(int32),
  write: Inline.writeFixed(0, code`${Inline.notNumber} || v >>> 0 !== v`, code`w.setInt32(p, v, ${littleEndian})`)
}))

/**
 * `oid`, an unsigned 32-bit integer. A `bigint` in range is accepted when writing.
 *
 * @category types
 * @since 0.1.0
 */
export const oid: Type<number, number | bigint> = declareOid({
  name: "oid",
  oid: 26,
  arrayOid: 1028,
  category: "number",
  schema: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 0xffffffff })),
  text: textCodec("oid", 0, 0xffffffff),
  binary: {
    read: (bytes, start, end) =>
      end - start === 4 ? Numbers.int32(bytes, start) >>> 0 : Codec.wrongLength("oid", 1, "4 bytes", end - start),
    write: (out, value) => out.int32(checkOid(value, 1))
  },
  hyper: Codec.fixed(4, {
    read: (bytes, start, end) =>
      end - start === 4 ? Numbers.int32LE(bytes, start) >>> 0 : Codec.wrongLength("oid", 2, "4 bytes", end - start),
    write: (out, value) => out.int32LE(checkOid(value, 2))
  })
})

const minInt8 = BigInt("-9223372036854775808")
const maxInt8 = BigInt("9223372036854775807")
const int8Wanted = `a bigint from ${minInt8} to ${maxInt8}, or a safe integer`
const int8Pattern = /^-?\d{1,19}$/

const checkInt8 = (value: unknown, format: Format): bigint | number => {
  if (typeof value === "bigint") {
    if (BigInt.asIntN(64, value) === value) return value
    return Codec.outOfRange("int8", format, int8Wanted, "another bigint")
  }
  if (Number.isSafeInteger(value)) return value as number
  return Number.isInteger(value)
    ? Codec.outOfRange("int8", format, int8Wanted, "an integer beyond 2^53; pass a bigint")
    : refuse("int8", format, int8Wanted, value)
}

const declareInt8 = Inline.fixed(8, Inline.stored("Int64", BigInt64Array), ({ littleEndian, numbers, words }) => ({
  read: code`${numbers.int64}(b, p)`,
  store: Inline.storeWords(words),
  write: Inline.writeFixed(
    BigInt(0),
    code`typeof v === "bigint" ? BigInt.asIntN(64, v) !== v : !Number.isSafeInteger(v)`,
    code`if (typeof v === "bigint") w.setBigInt64(p, v, ${littleEndian})
      else {
        w.setInt32(p + ${words.highAt}, Math.floor(v / 0x100000000), ${littleEndian})
        w.setInt32(p + ${words.lowAt}, v, ${littleEndian})
      }`
  )
}))

/**
 * `bigint`, read as a JavaScript `bigint`. Safe integers are accepted when writing.
 *
 * @category types
 * @since 0.1.0
 */
export const int8: Type<bigint, bigint | number> = declareInt8({
  name: "int8",
  oid: 20,
  arrayOid: 1016,
  category: "number",
  schema: Schema.BigInt.check(Schema.isBetweenBigInt({ minimum: minInt8, maximum: maxInt8 })),
  text: {
    read: (bytes, start, end) => {
      const text = Codec.utf8(bytes, start, end, "int8", 0)
      const value = int8Pattern.test(text) ? BigInt(text) : undefined
      return value !== undefined && BigInt.asIntN(64, value) === value
        ? value
        : Codec.malformed("int8", 0, "decimal digits of a 64-bit integer", "another text")
    },
    write: (out, value) => {
      const checked = checkInt8(value, 0)
      out.utf8((typeof checked === "number" ? checked + 0 : checked).toString())
    }
  },
  binary: {
    read: (bytes, start, end) =>
      end - start === 8 ? Numbers.int64(bytes, start) : Codec.wrongLength("int8", 1, "8 bytes", end - start),
    write: (out, value) => {
      const checked = checkInt8(value, 1)
      if (typeof checked === "bigint") return out.int64(checked)
      out.int32(Math.floor(checked / 0x100000000))
      out.int32(checked)
    }
  },
  hyper: Codec.fixed(8, {
    read: (bytes, start, end) =>
      end - start === 8 ? Numbers.int64LE(bytes, start) : Codec.wrongLength("int8", 2, "8 bytes", end - start),
    write: (out, value) => {
      const checked = checkInt8(value, 2)
      if (typeof checked === "bigint") return out.int64LE(checked)
      out.int32LE(checked)
      out.int32LE(Math.floor(checked / 0x100000000))
    }
  })
})

const safe = (value: bigint, format: Format): number => {
  const number = Number(value)
  return Number.isSafeInteger(number)
    ? number
    : Codec.outOfRange("int8", format, "an integer that a JavaScript number holds exactly", "a larger one")
}

/**
 * `bigint` as a JavaScript number. An integer that a number does not represent exactly is a `ValueError`.
 *
 * **When to use**
 *
 * Use in a preset, with `Preset.withTypes` or `Preset.withColumns`, if the integers are known to be small.
 *
 * @category types
 * @since 0.1.0
 */
export const int8Number: Type<number, bigint | number> = Codec.mapRead(int8, Schema.Int, safe)
