/**
 * Amounts of money: PostgreSQL's type `money`.
 *
 * An amount is a number of the currency's smallest unit, such as cents. The number of these per unit of currency, and
 * the printed form of an amount, depend on a server setting (`lc_monetary`) that no message contains. So an amount has
 * a type of its own: a plain number could be mistaken for cents in one place and for dollars in another.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as order from "effect/Order"
import * as Schema from "effect/Schema"
import * as ValueSchema from "./internal/schema/value.ts"

const TypeId: unique symbol = Symbol.for("@hyperfect/values/Money")

/**
 * An amount in the smallest unit of the currency.
 *
 * @category models
 * @since 0.1.0
 */
export interface Money extends ValueSchema.Instance {
  readonly [TypeId]: typeof TypeId
  /** The number of smallest units, in 64 bits: 1234 for $12.34. */
  readonly units: bigint
}

const Value = ValueSchema.define(
  "Money",
  TypeId,
  (self: Money) => format(self),
  class {
    readonly units: bigint

    constructor(units: bigint) {
      this.units = units
    }
  }
)

/**
 * True if the value is a {@link Money}.
 *
 * @category guards
 * @since 0.1.0
 */
export const isMoney = (u: unknown): u is Money => typeof u === "object" && u !== null && TypeId in u

/**
 * Creates an amount from a number of smallest units, without checks.
 *
 * **When to use**
 *
 * Use in codecs, and where the number is known to fit in 64 bits.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromUnitsUnsafe = (units: bigint): Money => new Value(units)

/**
 * Creates an amount from a number of smallest units; none if it does not fit in 64 bits.
 *
 * **Example** (An amount in dollars)
 *
 * ```ts
 * import { Money } from "@hyperfect/values"
 * import { Option } from "effect"
 * import { strict as assert } from "node:assert"
 *
 * const price = Option.getOrThrow(Money.fromUnits(BigInt(1234))) // $12.34 where a dollar has 100 cents
 * assert.equal(Money.format(price), "1234")
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromUnits = (units: bigint): Option.Option<Money> =>
  BigInt.asIntN(64, units) === units ? Option.some(new Value(units)) : Option.none()

const pattern = /^-?\d{1,19}$/

/**
 * Parses the output of {@link format}.
 *
 * @category converting
 * @since 0.1.0
 */
export const fromString = (text: string): Option.Option<Money> =>
  pattern.test(text) ? fromUnits(BigInt(text)) : Option.none()

/**
 * Formats the number of smallest units. Servers print and parse another text.
 *
 * @category converting
 * @since 0.1.0
 */
export const format = (self: Money): string => self.units.toString()

/**
 * Orders amounts from the smallest to the largest.
 *
 * @category instances
 * @since 0.1.0
 */
export const Order: order.Order<Money> = order.mapInput(order.BigInt, (self: Money) => self.units)

/**
 * The Schema of the instances; their JSON form is the number of units, as a string.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Money: Schema.declare<Money> = ValueSchema.declare("Money", {
  is: isMoney,
  parse: fromString,
  format,
  arbitrary: Schema.BigInt,
  fromArbitrary: (units: bigint) => fromUnitsUnsafe(BigInt.asIntN(64, units))
}).instance
