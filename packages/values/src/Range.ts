/**
 * PostgreSQL's ranges: all values between two bounds, each of which may belong to it or not, or be missing.
 *
 * They are plain data and compare with Effect's `Equal`. The server brings ranges of integers and days into the form
 * `[lower, upper)` and a range without any value into `empty`; this module changes nothing.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as ValueSchema from "./internal/valueSchema.ts"

/**
 * The range without any value.
 *
 * @category models
 * @since 0.1.0
 */
export interface Empty {
  readonly _tag: "Empty"
}

/**
 * The values between `lower` and `upper`, where `null` is no bound at all.
 *
 * @category models
 * @since 0.1.0
 */
export interface Between<out A> {
  readonly _tag: "Between"
  readonly lower: A | null
  readonly upper: A | null
  /** Whether `lower` itself belongs to it. False without one. */
  readonly includesLower: boolean
  /** Whether `upper` itself belongs to it. False without one. */
  readonly includesUpper: boolean
}

/**
 * A range: empty, or what lies between two bounds.
 *
 * @category models
 * @since 0.1.0
 */
export type Range<A> = Empty | Between<A>

/**
 * Ranges that do not touch each other, from the lowest to the highest. None of them is empty.
 *
 * @category models
 * @since 0.1.0
 */
export interface Multirange<out A> {
  readonly ranges: ReadonlyArray<Between<A>>
}

/**
 * The range without any value.
 *
 * @category constants
 * @since 0.1.0
 */
export const empty: Range<never> = { _tag: "Empty" }

/**
 * The values from `lower` to `upper`; `null` for no bound.
 *
 * **Details**
 *
 * `bounds` is written as in SQL: a bracket where the bound belongs to the range, a parenthesis where it does not. `[)` when
 * left out.
 *
 * **Example** (Half of a range)
 *
 * ```ts
 * import * as Range from "@hyperfect/values/Range"
 * import { strict as assert } from "node:assert"
 *
 * assert.deepEqual(Range.between(1, null), {
 *   _tag: "Between",
 *   lower: 1,
 *   upper: null,
 *   includesLower: true,
 *   includesUpper: false
 * })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const between = <A>(lower: A | null, upper: A | null, bounds: "[)" | "[]" | "(]" | "()" = "[)"): Range<A> => ({
  _tag: "Between",
  lower,
  upper,
  includesLower: lower !== null && bounds[0] === "[",
  includesUpper: upper !== null && bounds[1] === "]"
})

/**
 * Whether a value is a {@link Range}.
 *
 * @category guards
 * @since 0.1.0
 */
export const isRange = (u: unknown): u is Range<unknown> => isEmpty(u) || isBetween(u)

const isEmpty = (u: unknown): u is Empty =>
  typeof u === "object" && u !== null && (u as Partial<Empty>)._tag === "Empty"

/**
 * Whether a value is a range that is not empty.
 *
 * @category guards
 * @since 0.1.0
 */
export const isBetween = (u: unknown): u is Between<unknown> => {
  if (typeof u !== "object" || u === null) return false
  const { _tag, includesLower, includesUpper, lower, upper } = u as Partial<Between<unknown>>
  return _tag === "Between" && lower !== undefined && upper !== undefined &&
    typeof includesLower === "boolean" && typeof includesUpper === "boolean" &&
    !(lower === null && includesLower) && !(upper === null && includesUpper)
}

/**
 * Whether a value is a {@link Multirange}.
 *
 * @category guards
 * @since 0.1.0
 */
export const isMultirange = (u: unknown): u is Multirange<unknown> => {
  const ranges = typeof u === "object" && u !== null ? (u as Partial<Multirange<unknown>>).ranges : undefined
  return Array.isArray(ranges) && ranges.every(isBetween)
}

const generated = <A>(element: Schema.Schema<A>) => {
  const bound = Schema.NullOr(element as Schema.Codec<A>)
  return Schema.Tuple([bound, bound, Schema.Literals(["[)", "[]", "(]", "()"])])
}

/**
 * The Schema of ranges of what another Schema describes.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Range = <A>(element: Schema.Schema<A>): Schema.declare<Range<A>> => {
  const isElement = Schema.is(element)
  const isBound = (u: unknown) => u === null || isElement(u)
  return ValueSchema.refine("a range", {
    kind: "object",
    is: (u): u is Range<A> => isEmpty(u) || (isBetween(u) && isBound(u.lower) && isBound(u.upper)),
    arbitrary: Schema.NullOr(generated(element)),
    fromArbitrary: (parts) => parts === null ? empty : between<A>(...parts)
  })
}

/**
 * The Schema of multiranges of what another Schema describes.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Multirange = <A>(element: Schema.Schema<A>): Schema.declare<Multirange<A>> => {
  const isElement = Schema.is(Range(element))
  return ValueSchema.refine("a multirange", {
    kind: "object",
    is: (u): u is Multirange<A> => isMultirange(u) && u.ranges.every(isElement),
    arbitrary: Schema.Array(generated(element)).check(Schema.isMaxLength(4)),
    fromArbitrary: (all) => ({ ranges: all.map((parts) => between<A>(...parts) as Between<A>) })
  })
}
