/**
 * Arrays of the database.
 *
 * A usual one is a JavaScript array, nested as deep as the array has dimensions, with `null` for NULL. PostgreSQL also lets
 * an array begin at another index than 1 (`'[0:2]={1,2,3}'`), which a JavaScript array has no place for. Such an array is a
 * {@link PgArray}, so that nothing is lost, and so is an array of JSON of more than one dimension, whose elements may be
 * arrays themselves.
 *
 * Hyper has arrays of one dimension that begin at 1.
 *
 * @since 0.1.0
 */
import * as Equal from "effect/Equal"
import * as Hash from "effect/Hash"
import * as Option from "effect/Option"

const TypeId = "~@hyperfect/values/PgArray"

/**
 * How many elements there are in one direction, and the index of the first of them, which is usually 1.
 *
 * @category models
 * @since 0.1.0
 */
export interface Dimension {
  readonly length: number
  readonly lowerBound: number
}

/**
 * An array with its dimensions and bounds.
 *
 * @category models
 * @since 0.1.0
 */
export interface PgArray<out A> extends Equal.Equal {
  readonly [TypeId]: typeof TypeId
  /** The outermost first; none for an empty array. */
  readonly dimensions: ReadonlyArray<Dimension>
  /** All elements, the last index running fastest. */
  readonly elements: ReadonlyArray<A | null>
}

/**
 * JavaScript arrays, all of one length where they are beside each other.
 *
 * @category models
 * @since 0.1.0
 */
export interface Nested<out A> extends ReadonlyArray<A | null | Nested<A>> {}

/**
 * What array columns are read as, and what is taken for them.
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
 * Whether a value is a {@link PgArray}.
 *
 * @category guards
 * @since 0.1.0
 */
export const isPgArray = (u: unknown): u is PgArray<unknown> =>
  typeof u === "object" && u !== null && (u as { readonly [TypeId]?: unknown })[TypeId] === TypeId

/**
 * An array of these dimensions; none when they do not hold exactly these elements, or are more than the 6 of PostgreSQL.
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
 * Takes dimensions and elements as they are.
 *
 * **When to use**
 *
 * Use in codecs, and where they are known to fit: nothing is checked.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeUnsafe = <A>(dimensions: ReadonlyArray<Dimension>, elements: ReadonlyArray<A | null>): PgArray<A> =>
  new Value(dimensions, elements)

/**
 * The elements as nested JavaScript arrays, without the bounds.
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
 * The dimensions and elements of nested JavaScript arrays, whose bounds are all 1; none when they are not all of one length
 * and depth, or empty inside another.
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
