/**
 * Decimal numbers of any size: the type `numeric` of PostgreSQL and Hyper.
 *
 * A number is Effect's `BigDecimal`, which keeps every digit and the scale (`1.50` has scale 2, although it equals
 * `1.5`). PostgreSQL's numerics can also be NaN and, since version 14, infinite. `BigDecimal` has no such values, so
 * these three are strings, spelled as the server prints them. Hyper has none of the three.
 *
 * Compute with a `BigDecimal` by Effect's functions, such as `BigDecimal.sum` and `BigDecimal.isGreaterThan`, not by
 * JavaScript's operators: `x > 1` is always false, and `Number(x)` is `NaN`. `BigDecimal.toNumberUnsafe` returns the
 * nearest number; `Preset.native` reads numerics as strings.
 *
 * @since 0.1.0
 */
import * as BigDecimal from "effect/BigDecimal"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as EffectTypes from "./internal/codec/effectTypes.ts"

/**
 * The special values of `numeric`, which are not decimal numbers.
 *
 * @category models
 * @since 0.1.0
 */
export type Special = "NaN" | "Infinity" | "-Infinity"

/**
 * A decimal number with all its digits, or a {@link Special}.
 *
 * @category models
 * @since 0.1.0
 */
export type Numeric = BigDecimal.BigDecimal | Special

/**
 * True if the value is a {@link Special}.
 *
 * @category guards
 * @since 0.1.0
 */
export const isSpecial = (u: unknown): u is Special => u === "NaN" || u === "Infinity" || u === "-Infinity"

/**
 * True if the value is a `BigDecimal`.
 *
 * **When to use**
 *
 * Use instead of `BigDecimal.isBigDecimal` for values that may come from JSON: Effect checks a string key, which JSON
 * data can contain too.
 *
 * @category guards
 * @since 0.1.0
 */
export const isDecimal: (u: unknown) => u is BigDecimal.BigDecimal = EffectTypes.isBigDecimal

/**
 * True if the value is a {@link Numeric}.
 *
 * @category guards
 * @since 0.1.0
 */
export const isNumeric = (u: unknown): u is Numeric => isDecimal(u) || isSpecial(u)

const pattern = /^(-?)(\d+)(?:\.(\d+))?$/

/**
 * Parses the output of {@link format}, keeping the scale: digits with or without a decimal point, `NaN`, `Infinity`,
 * `-Infinity`.
 *
 * **Example** (The scale is kept)
 *
 * ```ts
 * import * as Numeric from "@hyperfect/values/Numeric"
 * import * as Option from "effect/Option"
 * import { strict as assert } from "node:assert"
 *
 * assert.equal(Numeric.format(Option.getOrThrow(Numeric.fromString("12.30"))), "12.30")
 * ```
 *
 * @category converting
 * @since 0.1.0
 */
export const fromString = (text: string): Option.Option<Numeric> => {
  const match = pattern.exec(text)
  if (match === null) return isSpecial(text) ? Option.some(text) : Option.none()
  const [, sign, whole, fraction = ""] = match
  const unscaled = BigInt(whole! + fraction)
  return Option.some(BigDecimal.make(sign === "-" ? -unscaled : unscaled, fraction.length))
}

/**
 * Formats a number as text that both servers accept and print: all digits, with as many decimals as its scale, and no
 * exponent.
 *
 * @category converting
 * @since 0.1.0
 */
export const format = (self: Numeric): string => {
  if (typeof self === "string") return self
  const { scale, value } = self
  if (scale <= 0) return value === BigInt(0) ? "0" : `${value}${"0".repeat(-scale)}`
  const negative = value < BigInt(0)
  const digits = `${negative ? -value : value}`.padStart(scale + 1, "0")
  const point = digits.length - scale
  return `${negative ? "-" : ""}${digits.slice(0, point)}.${digits.slice(point)}`
}

/**
 * The Schema of the values.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Numeric: Schema.Union<
  readonly [typeof Schema.BigDecimal, Schema.Literals<readonly ["NaN", "Infinity", "-Infinity"]>]
> = Schema.Union([Schema.BigDecimal, Schema.Literals(["NaN", "Infinity", "-Infinity"])])
