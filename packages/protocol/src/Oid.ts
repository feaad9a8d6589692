/**
 * The types whose OIDs are known without asking the server.
 *
 * The list is the pg_type of PostgreSQL 18, with two types of Hyper's. Row types of tables are not in it, nor types whose
 * OIDs differ between servers: those of extensions, of users, and arrays of them.
 *
 * @since 0.1.0
 */
import { types } from "./internal/oids.ts"

export { types } from "./internal/oids.ts"

/**
 * What is known of a type.
 *
 * @category models
 * @since 0.1.0
 */
export interface Type {
  readonly oid: number
  /** The type of arrays of it; 0 for none. */
  readonly array: number
  /** What an array, or a vector, consists of; 0 when it is neither. */
  readonly element: number
  readonly category: Category
}

/**
 * The name of each category (`pg_type.typcategory`).
 *
 * @category constants
 * @since 0.1.0
 */
export const categories = {
  A: "Array",
  B: "Boolean",
  C: "Composite",
  D: "DateTime",
  E: "Enum",
  G: "Geometric",
  I: "NetworkAddress",
  N: "Numeric",
  P: "Pseudo",
  R: "Range",
  S: "String",
  T: "Timespan",
  U: "User",
  V: "BitString",
  X: "Unknown",
  Z: "Internal"
} as const

/**
 * The letter of a category in {@link categories}.
 *
 * @category models
 * @since 0.1.0
 */
export type Category = keyof typeof categories

/**
 * The name of a type.
 *
 * @category models
 * @since 0.1.0
 */
export type Name = keyof typeof types

/**
 * The OID of a type that is in the list.
 *
 * @category models
 * @since 0.1.0
 */
export type Oid = (typeof types)[Name]["oid"]

const all: Readonly<Record<Name, Type>> = types

let names: ReadonlyMap<number, Name> | undefined

/**
 * The name of the type with this OID, or `undefined` when it is not in the list.
 *
 * **Example** (From the OID of a column to its type)
 *
 * ```ts
 * import { Oid } from "@hyperfect/protocol"
 * import { strict as assert } from "node:assert"
 *
 * assert.equal(Oid.types.int4.oid, 23)
 * assert.equal(Oid.name(1007), "_int4")
 * assert.equal(Oid.name(Oid.types._int4.element), "int4")
 * assert.equal(Oid.name(100_000), undefined)
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const name = (oid: number): Name | undefined => {
  names ??= new Map(Object.entries(all).map(([name, type]) => [type.oid, name as Name]))
  return names.get(oid)
}

/**
 * Whether a type with this OID is in the list.
 *
 * @category guards
 * @since 0.1.0
 */
export const isOid = (oid: number): oid is Oid => name(oid) !== undefined
