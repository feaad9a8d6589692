/**
 * Types that reject values that a server would round, or would reject without naming the row.
 *
 * @internal
 */
import * as BuiltIn from "@hyperfect/values/BuiltIn"
import * as Numeric from "@hyperfect/values/Numeric"
import type * as Type from "@hyperfect/values/Type"
import * as ValueError from "@hyperfect/values/ValueError"
import * as BigDecimal from "effect/BigDecimal"
import { checkWktUnsafe } from "../HyperGeography.ts"

const zero = BigInt(0)

/** True if `numeric(precision, scale)` can store all digits of the number, on either side of the decimal point. */
export const fitsNumeric = (value: BigDecimal.BigDecimal, precision: number, scale: number): boolean => {
  if (value.value === zero) return true
  const normalized = BigDecimal.normalize(value)
  const digits = (normalized.value < zero ? -normalized.value : normalized.value).toString().length
  return normalized.scale <= scale && digits - normalized.scale <= precision - scale
}

/** Counts characters as the servers do: in code points. */
export const countCharacters = (text: string): number => {
  let count = text.length
  for (let i = 0; i < text.length - 1; i++) {
    const unit = text.charCodeAt(i)
    if (unit >= 0xd800 && unit < 0xdc00) count--
  }
  return count
}

const withCheck = <A, I>(codec: Type.Codec<A, I>, check: (value: I) => void): Type.Codec<A, I> => ({
  read: codec.read,
  write: (out, value, typeModifier) => {
    check(value)
    codec.write(out, value, typeModifier)
  }
})

const withTextCheck = (
  type: Type.Type<string>,
  check: (format: Type.Format) => (value: string) => void
): Type.Type<string> => ({
  ...type,
  text: withCheck(type.text, check(0)),
  binary: type.binary && withCheck(type.binary, check(1)),
  hyper: type.hyper && { ...withCheck(type.hyper, check(2)), size: type.hyper.size }
})

/** Returns a text type that is limited to a number of characters. */
export const withMaxLength = (type: Type.Type<string>, length: number): Type.Type<string> =>
  withTextCheck(type, (format) => (value) => {
    // A text has no more characters than UTF-16 code units. The codec rejects what is not a text.
    if (typeof value !== "string" || value.length <= length) return
    const found = countCharacters(value)
    if (found > length) {
      throw ValueError.reason("OutOfRange", type.name, format, `at most ${length} characters`, `${found}`)
    }
  })

/** Returns a text type without U+0000, which Hyper's `char(1)` turns into a blank (H-25). */
export const withoutNul = (type: Type.Type<string>): Type.Type<string> =>
  withTextCheck(type, (format) => (value) => {
    if (typeof value === "string" && value.includes("\0")) {
      throw ValueError.reason("NotRepresentable", type.name, format, "a text without U+0000", "one with")
    }
  })

/** `numeric` for PostgreSQL, which would silently round a number to the scale of the column. */
export const numeric = (precision: number, scale: number): Type.Any => {
  const { binary, text } = BuiltIn.numeric
  const wanted = `a number of numeric(${precision},${scale})`
  const check = (format: Type.Format) => (value: unknown): void => {
    const decimal = typeof value === "bigint" ? BigDecimal.make(value, 0) : value
    if (Numeric.isDecimal(decimal) && !fitsNumeric(decimal, precision, scale)) {
      throw ValueError.reason("OutOfRange", "numeric", format, wanted, "more digits")
    }
  }
  return { ...BuiltIn.numeric, text: withCheck(text, check(0)), binary: binary && withCheck(binary, check(1)) }
}

/** `geography` as well-known text, which Hyper parses in text formats only. */
export const geographyText: Type.Any = {
  ...BuiltIn.geography,
  text: withCheck(BuiltIn.geography.text, (value) => {
    if (typeof value === "string") checkWktUnsafe(value)
  }),
  hyper: undefined
}
