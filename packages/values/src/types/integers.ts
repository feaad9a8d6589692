/**
 * `smallint`, `integer`, `bigint` and `oid`.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Codec from "../internal/codec.ts"
import * as Words from "../internal/words.ts"
import type { Codec as TypeCodec, Format, Type } from "../Type.ts"

const range = (minimum: number, maximum: number): string => `an integer from ${minimum} to ${maximum}`

/** Refuses a number, or something that is none. */
const refuse = (typeName: string, format: Format, wanted: string, value: unknown): never =>
  typeof value !== "number" || Number.isNaN(value)
    ? Codec.typeMismatch(typeName, format, wanted, value)
    : Codec.outOfRange(
      typeName,
      format,
      wanted,
      Number.isInteger(value) ? "another integer" : "a number with a fraction"
    )

/** Decimal digits of at most 10 places, with a sign or not. */
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

const textCodec = (typeName: string, minimum: number, maximum: number): TypeCodec<number> => {
  const wanted = range(minimum, maximum)
  return {
    read: (bytes, start, end) => {
      const value = readDigits(bytes, start, end)
      return value >= minimum && value <= maximum ? value : Codec.malformed(typeName, 0, wanted, "another text")
    },
    write: (out, value) => {
      if (!Number.isInteger(value) || value < minimum || value > maximum) refuse(typeName, 0, wanted, value)
      out.utf8((value + 0).toString())
    }
  }
}

const int2Range = range(-0x8000, 0x7fff)

const checkInt2 = (value: unknown, format: Format): number =>
  typeof value === "number" && value << 16 >> 16 === value ? value : refuse("int2", format, int2Range, value)

/**
 * `smallint`.
 *
 * @category types
 * @since 0.1.0
 */
export const int2: Type<number> = {
  name: "int2",
  oid: 21,
  arrayOid: 1005,
  schema: Schema.Int.check(Schema.isBetween({ minimum: -0x8000, maximum: 0x7fff })),
  text: textCodec("int2", -0x8000, 0x7fff),
  binary: {
    read: (bytes, start, end) =>
      end - start === 2 ? Words.int16(bytes, start) : Codec.wrongLength("int2", 1, "2 bytes", end - start),
    write: (out, value) => out.int16(checkInt2(value, 1))
  },
  hyper: Codec.fixed(2, {
    read: (bytes, start, end) =>
      end - start === 2 ? Words.int16LE(bytes, start) : Codec.wrongLength("int2", 2, "2 bytes", end - start),
    write: (out, value) => out.int16LE(checkInt2(value, 2))
  })
}

const int4Range = range(-0x80000000, 0x7fffffff)

const checkInt4 = (value: unknown, format: Format): number =>
  typeof value === "number" && (value | 0) === value ? value : refuse("int4", format, int4Range, value)

/**
 * `integer`.
 *
 * @category types
 * @since 0.1.0
 */
export const int4: Type<number> = {
  name: "int4",
  oid: 23,
  arrayOid: 1007,
  schema: Schema.Int.check(Schema.isInt32()),
  text: textCodec("int4", -0x80000000, 0x7fffffff),
  binary: {
    read: (bytes, start, end) =>
      end - start === 4 ? Words.int32(bytes, start) : Codec.wrongLength("int4", 1, "4 bytes", end - start),
    write: (out, value) => out.int32(checkInt4(value, 1))
  },
  hyper: Codec.fixed(4, {
    read: (bytes, start, end) =>
      end - start === 4 ? Words.int32LE(bytes, start) : Codec.wrongLength("int4", 2, "4 bytes", end - start),
    write: (out, value) => out.int32LE(checkInt4(value, 2))
  })
}

const oidRange = range(0, 0xffffffff)

const checkOid = (value: unknown, format: Format): number =>
  typeof value === "number" && value >>> 0 === value ? value : refuse("oid", format, oidRange, value)

/**
 * `oid`, an unsigned integer of 32 bits.
 *
 * @category types
 * @since 0.1.0
 */
export const oid: Type<number> = {
  name: "oid",
  oid: 26,
  arrayOid: 1028,
  schema: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 0xffffffff })),
  text: textCodec("oid", 0, 0xffffffff),
  binary: {
    read: (bytes, start, end) =>
      end - start === 4 ? Words.int32(bytes, start) >>> 0 : Codec.wrongLength("oid", 1, "4 bytes", end - start),
    write: (out, value) => out.int32(checkOid(value, 1))
  },
  hyper: Codec.fixed(4, {
    read: (bytes, start, end) =>
      end - start === 4 ? Words.int32LE(bytes, start) >>> 0 : Codec.wrongLength("oid", 2, "4 bytes", end - start),
    write: (out, value) => out.int32LE(checkOid(value, 2))
  })
}

const minInt8 = BigInt("-9223372036854775808")
const maxInt8 = BigInt("9223372036854775807")
const int8Wanted = `a bigint from ${minInt8} to ${maxInt8}, or a safe integer`
const int8Pattern = /^-?\d{1,19}$/

const checkInt8 = (value: unknown, format: Format): bigint | number => {
  if (typeof value === "bigint") {
    if (BigInt.asIntN(64, value) === value) return value
    return Codec.outOfRange("int8", format, int8Wanted, "another bigint")
  }
  return Number.isSafeInteger(value) ? value as number : refuse("int8", format, int8Wanted, value)
}

/**
 * `bigint`. It is read as a JavaScript `bigint`; safe integers are taken when writing.
 *
 * @category types
 * @since 0.1.0
 */
export const int8: Type<bigint, bigint | number> = {
  name: "int8",
  oid: 20,
  arrayOid: 1016,
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
      end - start === 8 ? Words.int64(bytes, start) : Codec.wrongLength("int8", 1, "8 bytes", end - start),
    write: (out, value) => {
      const checked = checkInt8(value, 1)
      if (typeof checked === "bigint") return out.int64(checked)
      out.int32(Math.floor(checked / 0x100000000))
      out.int32(checked)
    }
  },
  hyper: Codec.fixed(8, {
    read: (bytes, start, end) =>
      end - start === 8 ? Words.int64LE(bytes, start) : Codec.wrongLength("int8", 2, "8 bytes", end - start),
    write: (out, value) => {
      const checked = checkInt8(value, 2)
      if (typeof checked === "bigint") return out.int64LE(checked)
      out.int32LE(checked)
      out.int32LE(Math.floor(checked / 0x100000000))
    }
  })
}

const safe = (value: bigint, format: Format): number => {
  const number = Number(value)
  return Number.isSafeInteger(number)
    ? number
    : Codec.outOfRange("int8", format, "an integer that a JavaScript number holds exactly", "a larger one")
}

const int8NumberCodec = (codec: TypeCodec<bigint, bigint | number>, format: Format) => ({
  ...codec,
  read: (bytes: Uint8Array, start: number, end: number) => safe(codec.read(bytes, start, end, -1), format)
})

/**
 * `bigint` as a JavaScript number. An integer that a number does not hold exactly is a `ValueError`.
 *
 * **When to use**
 *
 * Use in a preset, by `Preset.withTypes` or `Preset.withColumns`, where integers are known to be small.
 *
 * @category types
 * @since 0.1.0
 */
export const int8Number: Type<number, bigint | number> = {
  ...int8,
  schema: Schema.Int,
  text: int8NumberCodec(int8.text, 0),
  binary: int8.binary && int8NumberCodec(int8.binary, 1),
  hyper: int8.hyper && Codec.fixed(8, int8NumberCodec(int8.hyper, 2))
}
