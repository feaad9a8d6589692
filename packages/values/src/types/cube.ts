/**
 * The type `cube` of the extension `cube`.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Codec from "../internal/codec/codec.ts"
import * as Numbers from "../internal/codec/numbers.ts"
import * as ValueSchema from "../internal/schema/value.ts"
import * as NumberText from "../internal/text/number.ts"
import type { Format, Type } from "../Type.ts"

/**
 * A box with any number of dimensions: two opposite corners, in the order in which they were given. A point has two
 * equal corners.
 *
 * @category models
 * @since 0.1.0
 */
export interface Cube {
  readonly lower: ReadonlyArray<number>
  readonly upper: ReadonlyArray<number>
}

const isNumbers = (u: unknown): u is ReadonlyArray<number> =>
  Array.isArray(u) && u.every((item) => typeof item === "number")

const isCube = (u: unknown): u is Cube => {
  if (typeof u !== "object" || u === null) return false
  const { lower, upper } = u as Partial<Cube>
  return isNumbers(lower) && isNumbers(upper) && lower.length === upper.length
}

const check = (value: unknown, format: Format): Cube =>
  isCube(value) ? value : Codec.typeMismatch("cube", format, "{ lower, upper } with as many numbers in each", value)

/** Compares the corners as the server does: NaN does not equal itself. */
const isPoint = ({ lower, upper }: Cube): boolean => lower.every((value, i) => value === upper[i])

const parseCorner = (text: string): ReadonlyArray<number> =>
  text === "" ? [] : text.split(", ").map(NumberText.parsePart)

const parse = (text: string): Cube | undefined => {
  const found = /^\(([^()]*)\)(?:,\(([^()]*)\))?$/.exec(text)
  if (found === null) return undefined
  const lower = parseCorner(found[1]!)
  const upper = found[2] === undefined ? lower : parseCorner(found[2])
  return lower.length === upper.length ? { lower, upper } : undefined
}

const printCorner = (corner: ReadonlyArray<number>): string => `(${corner.map(NumberText.format).join(", ")})`

/** Bit 31 of the first word is set if both corners are equal and only one is sent. */
const pointBit = 0x80000000
const dimensionMask = 0x7fffffff

/**
 * `cube`: a box or a point with any number of dimensions.
 *
 * @category types
 * @since 0.1.0
 */
export const cube: Type<Cube> = {
  name: "cube",
  oid: 0,
  arrayOid: 0,
  schema: ValueSchema.refine("a cube", {
    kind: "object",
    is: isCube,
    arbitrary: Schema.Array(Schema.Tuple([Schema.Number, Schema.Number])).check(Schema.isMaxLength(4)),
    fromArbitrary: (pairs) => ({ lower: pairs.map(([value]) => value), upper: pairs.map(([, value]) => value) })
  }),
  text: Codec.text("cube", "corners in parentheses", parse, (value: Cube) => {
    const { lower, upper } = check(value, 0)
    return isPoint({ lower, upper }) ? printCorner(lower) : `${printCorner(lower)},${printCorner(upper)}`
  }),
  // The number of dimensions, with a flag for a point, then the corners (cube_send).
  binary: {
    read: (bytes, start, end) => {
      const header = end - start < 4 ? 0 : Numbers.int32(bytes, start)
      const count = header & dimensionMask
      const hasOne = (header & pointBit) !== 0
      const expected = 4 + count * (hasOne ? 8 : 16)
      if (end - start !== expected) {
        return Codec.malformed("cube", 1, "the corners that it announces", `${end - start} bytes`)
      }
      const corner = (from: number): ReadonlyArray<number> =>
        Array.from({ length: count }, (_, i) => Numbers.float64(bytes, from + i * 8))
      const lower = corner(start + 4)
      return { lower, upper: hasOne ? lower : corner(start + 4 + count * 8) }
    },
    write: (out, value) => {
      const { lower, upper } = check(value, 1)
      const hasOne = isPoint({ lower, upper })
      out.int32(hasOne ? lower.length | pointBit : lower.length)
      for (const corner of hasOne ? [lower] : [lower, upper]) for (const number of corner) out.float64(number)
    }
  }
}
