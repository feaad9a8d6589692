/**
 * 16-bit numbers (IEEE 754 binary16), because not every platform has `Math.f16round`.
 *
 * @internal
 */

/** The largest number plus half of the spacing there: from here on a number rounds to infinity. */
const overflow = 65520
const smallestNormal = 2 ** -14

/** Rounds to the nearest 16-bit number, with ties to even. */
export const round = (value: number): number => {
  const magnitude = Math.abs(value)
  if (!(magnitude < overflow)) return Number.isNaN(value) ? NaN : Math.sign(value) * Infinity
  if (value === 0) return value
  // The distance between neighbours: 11 bits of significand, and a constant distance for subnormal numbers.
  const exponent = magnitude < smallestNormal ? -14 : Math.floor(Math.log2(magnitude))
  const spacing = 2 ** (exponent - 10)
  const units = value / spacing // exact, because the spacing is a power of two
  const below = Math.floor(units)
  const rest = units - below
  const rounded = rest > 0.5 || (rest === 0.5 && below % 2 !== 0) ? below + 1 : below
  // A number that underflows to 0 keeps its sign.
  return rounded === 0 && value < 0 ? -0 : rounded * spacing
}

/** Returns the number that 16 bits represent. */
export const fromBits = (bits: number): number => {
  const sign = (bits & 0x8000) === 0 ? 1 : -1
  const exponent = (bits >> 10) & 0x1f
  const fraction = bits & 0x3ff
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25)
}

/** Returns the bits of a number that 16 bits represent exactly. */
export const toBits = (value: number): number => {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0
  const magnitude = Math.abs(value)
  if (Number.isNaN(value)) return 0x7e00
  if (magnitude === Infinity) return sign | 0x7c00
  if (magnitude < smallestNormal) return sign | magnitude * 2 ** 24
  const exponent = Math.floor(Math.log2(magnitude))
  return sign | (exponent + 15) << 10 | (magnitude / 2 ** (exponent - 10) - 1024)
}
