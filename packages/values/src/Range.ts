/**
 * PostgreSQL's ranges: all values between two bounds, each of which is inclusive, exclusive or absent.
 *
 * Ranges are plain data, which Effect's `Equal` compares by value. The server normalises ranges of integers and days to
 * the form `[lower, upper)`, and a range without values to `empty`; this module does not normalise.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as ValueSchema from "./internal/schema/value.ts"

/**
 * The empty range, which contains no values.
 *
 * @category models
 * @since 0.1.0
 */
export interface Empty {
  readonly _tag: "Empty"
}

/**
 * The values between `lower` and `upper`; `null` is no bound.
 *
 * @category models
 * @since 0.1.0
 */
export interface Between<out A> {
  readonly _tag: "Between"
  readonly lower: A | null
  readonly upper: A | null
  /** True if the range includes `lower`. False if there is no lower bound. */
  readonly includesLower: boolean
  /** True if the range includes `upper`. False if there is no upper bound. */
  readonly includesUpper: boolean
}

/**
 * A range: empty, or the values between two bounds.
 *
 * @category models
 * @since 0.1.0
 */
export type Range<A> = Empty | Between<A>

/**
 * Ranges that do not touch each other, in ascending order. None of them is empty.
 *
 * @category models
 * @since 0.1.0
 */
export interface Multirange<out A> {
  readonly ranges: ReadonlyArray<Between<A>>
}

/**
 * The empty range.
 *
 * @category constants
 * @since 0.1.0
 */
export const empty: Range<never> = { _tag: "Empty" }

/**
 * Creates the range from `lower` to `upper`; `null` is no bound.
 *
 * **Details**
 *
 * `bounds` is written as in SQL: a bracket for an inclusive bound, a parenthesis for an exclusive one. The default is
 * `[)`.
 *
 * **Example** (A range without an upper bound)
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
 * True if the value is a {@link Range}.
 *
 * @category guards
 * @since 0.1.0
 */
export const isRange = (u: unknown): u is Range<unknown> => isEmpty(u) || isBetween(u)

const isEmpty = (u: unknown): u is Empty =>
  typeof u === "object" && u !== null && (u as Partial<Empty>)._tag === "Empty"

/**
 * True if the value is a range that is not empty.
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
 * True if the value is a {@link Multirange}.
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
 * Creates the Schema of ranges whose bounds match another Schema.
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
 * Creates the Schema of multiranges whose bounds match another Schema.
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
