/**
 * Types that refuse what a server would round, or refuse without saying in which row.
 *
 * @internal
 */
import * as BuiltIn from "@hyperfect/values/BuiltIn"
import type * as Type from "@hyperfect/values/Type"
import * as ValueError from "@hyperfect/values/ValueError"
import * as BigDecimal from "effect/BigDecimal"

const zero = BigInt(0)

/** Whether a number has no more digits than `numeric(precision, scale)` keeps, on either side of the point. */
export const fits = (value: BigDecimal.BigDecimal, precision: number, scale: number): boolean => {
  if (value.value === zero) return true
  const normalized = BigDecimal.normalize(value)
  const digits = (normalized.value < zero ? -normalized.value : normalized.value).toString().length
  return normalized.scale <= scale && digits - normalized.scale <= precision - scale
}

/** The number of characters as the servers count them: code points. */
export const characters = (text: string): number => {
  let count = text.length
  for (let i = 0; i < text.length - 1; i++) {
    const unit = text.charCodeAt(i)
    if (unit >= 0xd800 && unit < 0xdc00) count--
  }
  return count
}

const guard = <A, I>(codec: Type.Codec<A, I>, check: (value: I) => void): Type.Codec<A, I> => ({
  read: codec.read,
  write: (out, value, typeModifier) => {
    check(value)
    codec.write(out, value, typeModifier)
  }
})

const guardText = (
  type: Type.Type<string>,
  check: (format: Type.Format) => (value: string) => void
): Type.Type<string> => ({
  ...type,
  text: guard(type.text, check(0)),
  binary: type.binary && guard(type.binary, check(1)),
  hyper: type.hyper && { ...guard(type.hyper, check(2)), size: type.hyper.size }
})

/** A type of texts that are no longer than so many characters. */
export const limited = (type: Type.Type<string>, length: number): Type.Type<string> =>
  guardText(type, (format) => (value) => {
    // A text has no more characters than units. What is no text is the codec's to refuse.
    if (typeof value !== "string" || value.length <= length) return
    const found = characters(value)
    if (found > length) {
      throw ValueError.reason("OutOfRange", type.name, format, `at most ${length} characters`, `${found}`)
    }
  })

/** A type of texts without U+0000, of which Hyper's `char(1)` makes a blank (measured). */
export const withoutNul = (type: Type.Type<string>): Type.Type<string> =>
  guardText(type, (format) => (value) => {
    if (typeof value === "string" && value.includes("\0")) {
      throw ValueError.reason("NotRepresentable", type.name, format, "a text without U+0000", "one with")
    }
  })

/** `numeric` for PostgreSQL, which would round a number to the scale of the column without a word. */
export const numeric = (precision: number, scale: number): Type.Any => {
  const { binary, text } = BuiltIn.numeric
  const wanted = `a number of numeric(${precision},${scale})`
  const check = (format: Type.Format) => (value: unknown): void => {
    const decimal = typeof value === "bigint" ? BigDecimal.make(value, 0) : value
    if (BigDecimal.isBigDecimal(decimal) && !fits(decimal, precision, scale)) {
      throw ValueError.reason("OutOfRange", "numeric", format, wanted, "more digits")
    }
  }
  return { ...BuiltIn.numeric, text: guard(text, check(0)), binary: binary && guard(binary, check(1)) }
}
