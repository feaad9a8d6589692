/**
 * Numbers in the text of `double precision`, which other types contain as well.
 *
 * @internal
 */
import * as Codec from "../codec/codec.ts"

const pattern = /^-?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/

export const wanted = "digits, with a point and an exponent or not, or NaN, Infinity, -Infinity"

export const parse = (text: string): number | undefined => {
  if (text === "NaN") return NaN
  if (text === "Infinity") return Infinity
  if (text === "-Infinity") return -Infinity
  const value = pattern.test(text) ? Number(text) : NaN
  // A text with few digits may round the largest numbers to infinity, which is not the server's value.
  return Number.isFinite(value) ? value : undefined
}

/** As {@link parse}, for a part of another type's text. Throws the reason of `float8`. */
export const parsePart = (text: string): number =>
  parse(text) ?? Codec.malformed("float8", 0, wanted, `${text.length} other bytes`)

export const format = (value: number): string => Object.is(value, -0) ? "-0" : value.toString()
