/**
 * `numeric`, which has a fixed precision and scale in Hyper.
 *
 * @since 0.1.0
 */
import * as BigDecimal from "effect/BigDecimal"
import * as Option from "effect/Option"
import * as Codec from "../internal/codec/codec.ts"
import * as Numbers from "../internal/codec/numbers.ts"
import * as Numeric from "../Numeric.ts"
import type { Format, Type } from "../Type.ts"

const zero = BigInt(0)
const wanted = "a BigDecimal, a bigint, a number, or one of NaN, Infinity, -Infinity as a string"

/**
 * PostgreSQL's maximum number of digits before and after the decimal point (its documentation, "Arbitrary Precision
 * Numbers").
 */
const maxWhole = 131_072
const maxScale = 16_383

type Input = Numeric.Numeric | bigint | number

/** Converts a number to the decimal that JavaScript prints, and NaN and the infinities to their names. */
const fromNumber = (input: Input): Numeric.Numeric | bigint => {
  if (typeof input !== "number") return input
  if (Number.isFinite(input)) return BigDecimal.fromNumberUnsafe(input)
  return Number.isNaN(input) ? "NaN" : input > 0 ? "Infinity" : "-Infinity"
}

const refuse = (value: unknown, format: Format): never => Codec.typeMismatch("numeric", format, wanted, value)

const tooBig = (format: Format): never =>
  Codec.outOfRange("numeric", format, `${maxWhole} digits before and ${maxScale} behind the point`, "more digits")

/** The scale in a type modifier; `numeric` without a precision has none. */
const scaleOf = (typeModifier: number): number => (typeModifier - 4) & 0x7ff

const precisionOf = (typeModifier: number): number => (typeModifier - 4) >> 16 & 0xffff

// -- PostgreSQL's binary format: 16-bit words, with digits in base 10000 (numeric_recv and numeric_send)

const positive = 0x0000
const negative = 0x4000
const specials = new Map<number, Numeric.Special>([[0xc000, "NaN"], [0xd000, "Infinity"], [0xf000, "-Infinity"]])

const readBinary = (bytes: Uint8Array, start: number, end: number): Numeric.Numeric => {
  if (end - start < 8) return Codec.wrongLength("numeric", 1, "at least 8 bytes", end - start)
  const count = Numbers.int16(bytes, start) & 0xffff
  const weight = Numbers.int16(bytes, start + 2)
  const sign = Numbers.int16(bytes, start + 4) & 0xffff
  const scale = Numbers.int16(bytes, start + 6)
  if (end - start !== 8 + count * 2) {
    return Codec.wrongLength("numeric", 1, `8 bytes and ${count} digits of 2`, end - start)
  }
  if (sign !== positive && sign !== negative) {
    return specials.get(sign) ?? Codec.malformed("numeric", 1, "a known sign", `0x${sign.toString(16)}`)
  }
  if (scale < 0 || scale > maxScale) return Codec.malformed("numeric", 1, `a scale up to ${maxScale}`, `${scale}`)
  // The number of decimals if all digits are taken as one integer.
  const decimals = (count - 1 - weight) * 4
  const shift = scale - decimals
  if (count <= 3 && shift >= -3 && shift <= 3) {
    // Most numbers stay below 10^15 here, and are converted to a bigint only at the end.
    let value = 0
    for (let at = start + 8; at < end; at += 2) value = value * 10_000 + digit(bytes, at)
    const shifted = shift < 0 ? value / powers[-shift]! : value * powers[shift]!
    if (Number.isInteger(shifted)) return BigDecimal.make(BigInt(sign === negative ? -shifted : shifted), scale)
  }
  let digits = ""
  for (let at = start + 8; at < end; at += 2) digits += digit(bytes, at).toString().padStart(4, "0")
  let scaled = scale
  if (shift > 0) digits += "0".repeat(shift)
  else if (/^0*$/.test(digits.slice(shift))) digits = shift === 0 ? digits : digits.slice(0, shift)
  else scaled = decimals // servers do not send digits beyond the scale, but if one does they are kept
  const value = BigInt(digits)
  return BigDecimal.make(sign === negative ? -value : value, count === 0 ? scale : scaled)
}

const powers = [1, 10, 100, 1000]

const digit = (bytes: Uint8Array, at: number): number => {
  const value = (bytes[at]! << 8) | bytes[at + 1]!
  return value < 10_000 ? value : Codec.malformed("numeric", 1, "digits below 10000", `${value}`)
}

const writeBinary = (out: Codec.ByteWriter, value: Input): void => {
  const input = fromNumber(value)
  if (typeof input === "string") {
    const sign = input === "NaN" ? 0xc000 : input === "Infinity" ? 0xd000 : input === "-Infinity" ? 0xf000 : undefined
    if (sign === undefined) return refuse(input, 1)
    out.int32(0)
    out.int16(sign)
    out.int16(0)
    return
  }
  const { scale, value: unscaled } = decimal(input, 1)
  const absolute = unscaled < zero ? -unscaled : unscaled
  let digits = absolute === zero ? "" : absolute.toString()
  if (scale < 0 && digits !== "") digits += "0".repeat(-scale)
  const shown = Math.max(scale, 0)
  if (digits.length - shown > maxWhole) tooBig(1)
  // Groups of four digits start at the decimal point, in both directions.
  const fraction = (4 - shown % 4) % 4
  digits += "0".repeat(fraction)
  let decimals = shown + fraction
  digits = digits.padStart(Math.ceil(digits.length / 4) * 4, "0")
  let first = 0
  let last = digits.length
  while (first < last && digits.startsWith("0000", first)) first += 4
  while (last > first && digits.startsWith("0000", last - 4)) {
    last -= 4
    decimals -= 4
  }
  const count = (last - first) / 4
  out.ensure(8 + count * 2)
  out.int16(count)
  out.int16(count === 0 ? 0 : count - 1 - decimals / 4)
  out.int16(unscaled < zero ? negative : positive)
  out.int16(shown)
  for (let at = first; at < last; at += 4) out.int16(Number(digits.slice(at, at + 4)))
}

/** Returns the unscaled number and the scale of a value to be written, within the server's limits. */
const decimal = (input: unknown, format: Format): { readonly value: bigint; readonly scale: number } => {
  if (typeof input === "bigint") return { value: input, scale: 0 }
  if (!Numeric.isDecimal(input)) return refuse(input, format)
  if (input.scale > maxScale || input.scale < -maxWhole) return tooBig(format)
  return input
}

// -- HyperBinary: the unscaled number as a 64-bit or 128-bit integer; the type modifier contains the scale

const bits64 = BigInt(64)

const hyperScale = (typeModifier: number): number =>
  typeModifier >= 4
    ? scaleOf(typeModifier)
    : Codec.notRepresentable("numeric", 2, "a type modifier with precision and scale", `${typeModifier}`)

const readHyper = (bytes: Uint8Array, start: number, end: number, typeModifier: number): Numeric.Numeric => {
  const scale = hyperScale(typeModifier)
  if (end - start === 8) {
    const high = Numbers.int32LE(bytes, start + 4)
    const low = Numbers.int32LE(bytes, start)
    // Below 2^53, converting a double to a bigint is faster.
    return BigDecimal.make(
      high >= -0x200000 && high < 0x200000 ? BigInt(high * 0x100000000 + (low >>> 0)) : Numbers.int64LE(bytes, start),
      scale
    )
  }
  if (end - start !== 16) return Codec.wrongLength("numeric", 2, "8 or 16 bytes", end - start)
  return BigDecimal.make(
    Numbers.int64LE(bytes, start + 8) << bits64 | BigInt.asUintN(64, Numbers.int64LE(bytes, start)),
    scale
  )
}

const hyperSize = (typeModifier: number): number => (precisionOf(typeModifier) <= 18 ? 8 : 16)

const powersOfTen: Array<bigint> = []

const powerOfTen = (exponent: number): bigint => powersOfTen[exponent] ??= BigInt(10) ** BigInt(exponent)

const writeHyper = (out: Codec.ByteWriter, given: Input, typeModifier: number): void => {
  const input = fromNumber(given)
  const wantedScale = hyperScale(typeModifier)
  if (Numeric.isSpecial(input)) Codec.notRepresentable("numeric", 2, "a finite number", "NaN or an infinity")
  const { scale, value } = decimal(input, 2)
  const precision = precisionOf(typeModifier)
  const what = `a number of numeric(${precision},${wantedScale})`
  let unscaled = value
  if (scale < wantedScale) {
    if (value !== zero && wantedScale - scale > 38) Codec.outOfRange("numeric", 2, what, "more digits before the point")
    if (value !== zero) unscaled = value * powerOfTen(wantedScale - scale)
  } else if (scale > wantedScale) {
    const divisor = powerOfTen(scale - wantedScale)
    unscaled = value / divisor
    if (unscaled * divisor !== value) Codec.outOfRange("numeric", 2, what, "more digits behind the point")
  }
  const limit = powerOfTen(precision)
  if (unscaled >= limit || unscaled <= -limit) Codec.outOfRange("numeric", 2, what, "more digits before the point")
  if (precision <= 18) return out.int64LE(unscaled)
  out.int64LE(BigInt.asIntN(64, unscaled))
  out.int64LE(unscaled >> bits64)
}

/**
 * `numeric`: an Effect `BigDecimal` with all digits and the scale, or `"NaN"`, `"Infinity"`, `"-Infinity"`. Writing
 * also accepts a `bigint` or any number: a number is written with the digits that JavaScript prints, including NaN and
 * the infinities.
 *
 * **Gotchas**
 *
 * JavaScript's operators do not work with a `BigDecimal`: `x > 1` is false and `Number(x)` is `NaN`. Use the functions
 * of Effect's `BigDecimal`.
 *
 * HyperBinary has exactly the precision and scale of the type modifier: a number that would have to be rounded is
 * rejected, and so are NaN and the infinities.
 *
 * @category types
 * @since 0.1.0
 */
export const numeric: Type<Numeric.Numeric, Numeric.Numeric | bigint | number> = {
  name: "numeric",
  oid: 1700,
  arrayOid: 1231,
  category: "number",
  schema: Numeric.Numeric,
  text: Codec.text(
    "numeric",
    "decimal digits with a point or not, or NaN, Infinity, -Infinity",
    (text) => Option.getOrUndefined(Numeric.fromString(text)),
    (input: Input) => {
      const value = fromNumber(input)
      if (Numeric.isSpecial(value)) return value
      const { scale, value: unscaled } = decimal(value, 0)
      return Numeric.format(BigDecimal.make(unscaled, scale))
    }
  ),
  binary: { read: readBinary, write: writeBinary },
  hyper: { read: readHyper, write: writeHyper, size: hyperSize, needsModifier: true }
}
