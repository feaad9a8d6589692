/**
 * Intervals as PostgreSQL and Hyper store them: separate months, days and microseconds.
 *
 * The three parts do not convert into each other (a month has no fixed number of days, and a day around a clock change
 * no fixed number of hours), so an interval is not Effect's `Duration`, and two intervals are equal only if all three
 * parts are. PostgreSQL 17 and later also have the intervals `infinity` and `-infinity`.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as IntervalText from "./internal/dateTime/intervalText.ts"
import * as ValueSchema from "./internal/schema/value.ts"

const TypeId: unique symbol = Symbol.for("@hyperfect/values/Interval")

/**
 * An interval of months, days and microseconds, or one of the infinities.
 *
 * @category models
 * @since 0.1.0
 */
export interface Interval extends ValueSchema.Instance, IntervalText.Parts {
  readonly [TypeId]: typeof TypeId
}

const Value = ValueSchema.define(
  "Interval",
  TypeId,
  (self: Interval) => format(self),
  class {
    readonly months: number
    readonly days: number
    readonly microseconds: bigint

    constructor(months: number, days: number, microseconds: bigint) {
      this.months = months
      this.days = days
      this.microseconds = microseconds
    }
  }
)

const minInt32 = -0x80000000
const maxInt32 = 0x7fffffff
const minInt64 = BigInt("-9223372036854775808")
const maxInt64 = BigInt("9223372036854775807")

/**
 * True if the value is an {@link Interval}.
 *
 * @category guards
 * @since 0.1.0
 */
export const isInterval = (u: unknown): u is Interval => typeof u === "object" && u !== null && TypeId in u

/**
 * Creates an interval from its parts, without checks.
 *
 * **When to use**
 *
 * Use in codecs, and where the parts are known to be valid.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromPartsUnsafe = (months: number, days: number, microseconds: bigint): Interval =>
  new Value(months, days, microseconds)

/**
 * Longer than every other interval. The servers send it as the three largest numbers.
 *
 * @category constants
 * @since 0.1.0
 */
export const infinity: Interval = new Value(maxInt32, maxInt32, maxInt64)

/**
 * Shorter than every other interval. The servers send it as the three smallest numbers.
 *
 * @category constants
 * @since 0.1.0
 */
export const negativeInfinity: Interval = new Value(minInt32, minInt32, minInt64)

const isInt32 = (n: number): boolean => Number.isInteger(n) && n >= minInt32 && n <= maxInt32

/**
 * The parts of an interval, each 0 by default.
 *
 * @category models
 * @since 0.1.0
 */
export interface Parts {
  readonly months?: number | undefined
  readonly days?: number | undefined
  readonly microseconds?: bigint | undefined
}

/**
 * Creates an interval from its parts; none if months or days are not 32-bit integers, or the
 * microseconds not a 64-bit integer.
 *
 * **Example** (A month and half a second)
 *
 * ```ts
 * import * as Interval from "@hyperfect/values/Interval"
 * import { strict as assert } from "node:assert"
 *
 * assert.equal(Interval.makeUnsafe({ months: 1, microseconds: 500_000n }).toString(), "P1MT0.5S")
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (parts: Parts): Option.Option<Interval> => {
  const { days = 0, microseconds = BigInt(0), months = 0 } = parts
  return isInt32(months) && isInt32(days) && microseconds >= minInt64 && microseconds <= maxInt64
    // Adding 0 turns -0 into 0.
    ? Option.some(new Value(months + 0, days + 0, microseconds))
    : Option.none()
}

/**
 * Like {@link make}, but throws a `ValueError` if a part is out of range.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeUnsafe = (parts: Parts): Interval =>
  ValueSchema.getOrThrow(make(parts), "interval", "months and days of 32 bits, microseconds of 64 bits")

/**
 * Parses the output of {@link format}, and of PostgreSQL in any of its four `IntervalStyle`s.
 *
 * @category converting
 * @since 0.1.0
 */
export const fromString = (text: string): Option.Option<Interval> => {
  if (text === "infinity") return Option.some(infinity)
  if (text === "-infinity") return Option.some(negativeInfinity)
  const parts = IntervalText.parse(text)
  return parts === undefined ? Option.none() : make(parts)
}

/**
 * Like {@link fromString}, but throws a `ValueError` if the text is not an interval.
 *
 * @category converting
 * @since 0.1.0
 */
export const fromStringUnsafe = (text: string): Interval =>
  ValueSchema.getOrThrow(fromString(text), "interval", "P1Y2M3DT4H5M6.789S, or another style of PostgreSQL")

/**
 * Formats an interval in ISO 8601, which both servers accept, with a sign before each negative part.
 *
 * **Gotchas**
 *
 * Hyper reads one in a hundred fractions of a second a microsecond short (H-66). Send the `Interval` instead of its
 * text: its types write the fraction so that both servers read it exactly.
 *
 * @category converting
 * @since 0.1.0
 */
export const format = (self: Interval): string =>
  isFinite(self) ? IntervalText.format(self) : self.months > 0 ? "infinity" : "-infinity"

/**
 * True if the interval is not one of the infinities.
 *
 * @category guards
 * @since 0.1.0
 */
export const isFinite = (self: Interval): boolean =>
  !(self.months === maxInt32 && self.days === maxInt32 && self.microseconds === maxInt64 ||
    self.months === minInt32 && self.days === minInt32 && self.microseconds === minInt64)

const int32 = Schema.Union([
  Schema.Int.check(Schema.isBetween({ minimum: -400, maximum: 400 })),
  Schema.Int.check(Schema.isBetween({ minimum: minInt32, maximum: maxInt32 }))
])

const schemas = ValueSchema.declare("Interval", {
  is: isInterval,
  parse: fromString,
  format,
  arbitrary: Schema.Union([
    Schema.Tuple([int32, int32, Schema.BigInt.check(Schema.isBetweenBigInt({ minimum: minInt64, maximum: maxInt64 }))]),
    Schema.Tuple([Schema.Literals([maxInt32]), Schema.Literals([maxInt32]), Schema.Literals([maxInt64])]),
    Schema.Tuple([Schema.Literals([minInt32]), Schema.Literals([minInt32]), Schema.Literals([minInt64])])
  ]),
  fromArbitrary: ([months, days, microseconds]) => new Value(months + 0, days + 0, microseconds)
})

/**
 * The Schema of the instances; their JSON form is their text.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Interval: Schema.declare<Interval> = schemas.instance

/**
 * Decodes from and encodes to the text of {@link format}.
 *
 * @category schemas
 * @since 0.1.0
 */
export const IntervalFromString: Schema.decodeTo<Schema.declare<Interval>, Schema.String> = schemas.fromString
