/**
 * Database arrays.
 *
 * Usually an array is a JavaScript array, with one level of nesting per dimension, and `null` for NULL. A PostgreSQL
 * array may also start at an index other than 1 (`'[0:2]={1,2,3}'`), which a JavaScript array cannot represent. Such an
 * array is a lossless {@link PgArray}. So is an array of JSON of more than one dimension, because its elements may be
 * arrays themselves.
 *
 * Hyper's arrays have one dimension and start at 1.
 *
 * @since 0.1.0
 */
import * as Equal from "effect/Equal"
import * as Hash from "effect/Hash"
import * as Option from "effect/Option"

const TypeId: unique symbol = Symbol.for("@hyperfect/values/PgArray")

/**
 * The number of elements in one dimension, and the index of the first of them, usually 1.
 *
 * @category models
 * @since 0.1.0
 */
export interface Dimension {
  readonly length: number
  readonly lowerBound: number
}

/**
 * An array with its dimensions and lower bounds.
 *
 * @category models
 * @since 0.1.0
 */
export interface PgArray<out A> extends Equal.Equal {
  readonly [TypeId]: typeof TypeId
  /** The dimensions, outermost first; empty for an empty array. */
  readonly dimensions: ReadonlyArray<Dimension>
  /** All elements, in row-major order (the last index varies fastest). */
  readonly elements: ReadonlyArray<A | null>
}

/**
 * Nested JavaScript arrays; all arrays of one level have the same length.
 *
 * @category models
 * @since 0.1.0
 */
export interface Nested<out A> extends ReadonlyArray<A | null | Nested<A>> {}

/**
 * The values that array columns are read as, and that array parameters accept.
 *
 * @category models
 * @since 0.1.0
 */
export type ArrayValue<A> = Nested<A> | PgArray<A>

class Value<A> implements PgArray<A> {
  readonly dimensions: ReadonlyArray<Dimension>
  readonly elements: ReadonlyArray<A | null>

  constructor(dimensions: ReadonlyArray<Dimension>, elements: ReadonlyArray<A | null>) {
    this.dimensions = dimensions
    this.elements = elements
  }

  get [TypeId](): typeof TypeId {
    return TypeId
  }

  [Equal.symbol](that: Equal.Equal): boolean {
    return isPgArray(that) && Equal.equals(this.dimensions, that.dimensions) &&
      Equal.equals(this.elements, that.elements)
  }

  [Hash.symbol](): number {
    return Hash.combine(Hash.hash(this.dimensions), Hash.hash(this.elements))
  }

  toJSON(): unknown {
    return { _id: "PgArray", dimensions: this.dimensions, elements: this.elements }
  }
}

/** PostgreSQL's limit. */
const maxDimensions = 6

const maxInt32 = 0x7fffffff

/**
 * True if the value is a {@link PgArray}.
 *
 * @category guards
 * @since 0.1.0
 */
export const isPgArray = (u: unknown): u is PgArray<unknown> => typeof u === "object" && u !== null && TypeId in u

/**
 * Creates an array with these dimensions; none if their product is not the number of elements, or there are more than
 * PostgreSQL's 6 dimensions.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <A>(
  dimensions: ReadonlyArray<Dimension>,
  elements: ReadonlyArray<A | null>
): Option.Option<PgArray<A>> => {
  const product = dimensions.reduce((total, { length }) => total * length, dimensions.length === 0 ? 0 : 1)
  return product === elements.length && dimensions.length <= maxDimensions && dimensions.every(isDimension)
    ? Option.some(new Value(dimensions, elements))
    : Option.none()
}

const isDimension = ({ length, lowerBound }: Dimension): boolean =>
  Number.isInteger(length) && length > 0 && (lowerBound | 0) === lowerBound && lowerBound + length - 1 <= maxInt32

/**
 * Creates an array from dimensions and elements, without checks.
 *
 * **When to use**
 *
 * Use in codecs, and where the dimensions are known to fit the elements.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeUnsafe = <A>(dimensions: ReadonlyArray<Dimension>, elements: ReadonlyArray<A | null>): PgArray<A> =>
  new Value(dimensions, elements)

/**
 * Returns the elements as nested JavaScript arrays, without the bounds.
 *
 * @category converting
 * @since 0.1.0
 */
export const toNested = <A>(self: ArrayValue<A>): Nested<A> => {
  if (!isPgArray(self)) return self
  let level: ReadonlyArray<A | null | Nested<A>> = self.elements
  for (let i = self.dimensions.length - 1; i > 0; i--) {
    const { length } = self.dimensions[i]!
    const outer: Array<Nested<A>> = []
    for (let at = 0; at < level.length; at += length) outer.push(level.slice(at, at + length))
    level = outer
  }
  return level
}

/**
 * Converts nested JavaScript arrays to an array whose lower bounds are all 1; none if they are not all of the same
 * length and depth, or one inside another is empty.
 *
 * @category converting
 * @since 0.1.0
 */
export const fromNested = <A>(nested: Nested<A>): Option.Option<PgArray<A>> => {
  const dimensions: Array<Dimension> = []
  let level: ReadonlyArray<unknown> = nested
  if (level.length === 0) return Option.some(new Value<A>(dimensions, []))
  for (;;) {
    const first = level[0]
    if (dimensions.length === 0) dimensions.push({ length: level.length, lowerBound: 1 })
    if (!Array.isArray(first)) break
    if (dimensions.length === maxDimensions || first.length === 0) return Option.none()
    for (const inner of level) if (!Array.isArray(inner) || inner.length !== first.length) return Option.none()
    dimensions.push({ length: first.length, lowerBound: 1 })
    level = (level as ReadonlyArray<ReadonlyArray<unknown>>).flat()
  }
  return level.some(Array.isArray)
    ? Option.none()
    : Option.some(new Value(dimensions, level as ReadonlyArray<A | null>))
}
