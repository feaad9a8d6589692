/**
 * Guards for Effect's types that objects made by `JSON.parse` cannot pass. Effect's own guards check string keys only,
 * which such objects can have; they cannot contain bigints or methods.
 *
 * @internal
 */
import * as BigDecimal from "effect/BigDecimal"
import * as DateTime from "effect/DateTime"

export const isBigDecimal = (u: unknown): u is BigDecimal.BigDecimal =>
  BigDecimal.isBigDecimal(u) && typeof u.value === "bigint"

export const isDateTime = (u: unknown): u is DateTime.DateTime => DateTime.isDateTime(u) && typeof u.pipe === "function"
