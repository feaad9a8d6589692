/**
 * The types of a statement's values that Parse declares, and their encoders for Bind. All functions throw a
 * `ValueError.Reason`.
 *
 * @internal
 */
import * as Numeric from "@hyperfect/values/Numeric"
import * as Parameter from "@hyperfect/values/Parameter"
import type * as Type from "@hyperfect/values/Type"
import * as ValueError from "@hyperfect/values/ValueError"
import type { Dialect } from "../../Dialect.ts"

type Encoders = ReadonlyArray<Parameter.Encoder>

const checkCount = (values: ReadonlyArray<unknown>, most: number): void => {
  if (values.length > most) {
    throw ValueError.reason("OutOfRange", "parameters", undefined, `at most ${most}`, `${values.length}`)
  }
}

/** Returns the types that Parse declares. */
export const typeOids = (encoders: Encoders): ReadonlyArray<number> => encoders.map(({ typeOid }) => typeOid)

/** Returns encoders for a server that requires every type to be declared: they are inferred from the values. */
export const encodersOfTypes = ({ valueEncoding }: Dialect) => (values: ReadonlyArray<unknown>): Encoders => {
  // Hyper's limit (H-18).
  checkCount(values, 32_767)
  return Parameter.encoders(values, valueEncoding)
}

/** Returns encoders for a statement with these declared types. */
export const encodersForTypes = (
  { valueEncoding }: Dialect,
  values: ReadonlyArray<unknown>,
  types: ReadonlyArray<Type.Any>
): Encoders => {
  Parameter.checkCount(values, types)
  return types.map((type) => Parameter.encoderFor(type, valueEncoding))
}

/** True if a value is a number of any kind. */
export const isNumeric = (value: unknown): boolean =>
  typeof value === "number" || typeof value === "bigint" || (typeof value === "object" && Numeric.isDecimal(value))

/** True if the type of a value may be either declared or left to the server. */
export const isUndecided = (value: unknown): boolean => typeof value === "boolean" || isNumeric(value)

/**
 * Returns the types that Parse declares to PostgreSQL. Numbers, strings and JSON are left to the server, which can
 * infer the type that their place requires.
 */
export const declaredTypes = (values: ReadonlyArray<unknown>): ReadonlyArray<number> => {
  checkCount(values, 65_535)
  return Parameter.forEach(values, (value) => isNumeric(value) ? 0 : Parameter.encoder(value, "postgres").typeOid)
}

/** As {@link declaredTypes}, but with the types of those numbers and booleans for which `isDeclared` is true. */
export const ownTypes = (
  values: ReadonlyArray<unknown>,
  isDeclared: (value: unknown) => boolean
): ReadonlyArray<number> =>
  Parameter.forEach(
    values,
    (value) => isUndecided(value) && !isDeclared(value) ? 0 : Parameter.encoder(value, "postgres").typeOid
  )

/** Returns encoders for a statement that PostgreSQL has not described: see {@link declaredTypes}. */
export const encodersForUndescribed = (values: ReadonlyArray<unknown>): Encoders => {
  checkCount(values, 65_535)
  // A number whose type is not known is sent as its digits.
  return Parameter.forEach(
    values,
    (value) => isNumeric(value) ? Parameter.describedEncoder(value, undefined) : Parameter.encoder(value, "postgres")
  )
}
