/**
 * How the values of a statement are sent: what Parse declares of them, and the encoders for Bind. All functions throw a
 * `ValueError.Reason`.
 *
 * @internal
 */
import * as Parameter from "@hyperfect/values/Parameter"
import type * as Type from "@hyperfect/values/Type"
import * as ValueError from "@hyperfect/values/ValueError"
import * as BigDecimal from "effect/BigDecimal"

type Encoders = ReadonlyArray<Parameter.Encoder>

const checkCount = (values: ReadonlyArray<unknown>, most: number): void => {
  if (values.length > most) {
    throw ValueError.reason("OutOfRange", "parameters", undefined, `at most ${most}`, `${values.length}`)
  }
}

/** What Parse declares. */
export const typeOids = (encoders: Encoders): ReadonlyArray<number> => encoders.map(({ typeOid }) => typeOid)

/** For Hyper, which wants to be told each type: inferred from the values. */
export const forHyper = (values: ReadonlyArray<unknown>): Encoders => {
  checkCount(values, 32_767)
  return Parameter.encoders(values, "hyper")
}

/** For Hyper, which was told these types. */
export const forHyperTypes = (values: ReadonlyArray<unknown>, types: ReadonlyArray<Type.Any>): Encoders => {
  Parameter.checkCount(values, types)
  return types.map((type) => Parameter.encoderFor(type, "hyper"))
}

const isNumeric = (value: unknown): boolean =>
  typeof value === "number" || typeof value === "bigint" || BigDecimal.isBigDecimal(value)

/**
 * The types that Parse declares to PostgreSQL. Numbers, strings and JSON are left to the server, which knows best what
 * the place that they stand in wants.
 */
export const declaredTypes = (values: ReadonlyArray<unknown>): ReadonlyArray<number> => {
  checkCount(values, 65_535)
  return Parameter.encoders(values, "postgres").map(({ typeOid }, i) => isNumeric(values[i]) ? 0 : typeOid)
}

/** For PostgreSQL, which is asked to run what it has not described: see {@link declaredTypes}. */
export const forUndescribed = (values: ReadonlyArray<unknown>): Encoders => {
  checkCount(values, 65_535)
  // Of a type that nobody knows a number is sent as its digits.
  return Parameter.encoders(values, "postgres")
    .map((encoder, i) => isNumeric(values[i]) ? Parameter.encoderIn(values[i], undefined) : encoder)
}
