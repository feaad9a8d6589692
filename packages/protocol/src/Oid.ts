/**
 * The types whose OIDs are known without querying the server.
 *
 * The list is the pg_type of PostgreSQL 18, plus two types of Hyper. It excludes row types of tables and types whose
 * OIDs differ between servers: those of extensions and users, and their arrays.
 *
 * @since 0.1.0
 */
import * as oids from "./internal/oids.ts"

/**
 * The built-in description of a type.
 *
 * @category models
 * @since 0.1.0
 */
export interface Type {
  readonly oid: number
  /** The OID of its array type; 0 for none. */
  readonly array: number
  /** The element type of an array or a vector; 0 if it is neither. */
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

type Listed = typeof oids.types

/** The arrays are not listed: `pg_type` gives an array the name of its element behind an underscore. */
type Arrays = {
  readonly [Element in keyof Listed as Listed[Element]["array"] extends 0 ? never : `_${Element}`]: {
    readonly oid: Listed[Element]["array"]
    readonly array: 0
    readonly element: Listed[Element]["oid"]
    readonly category: "A"
  }
}

const arrays = (): Arrays =>
  Object.fromEntries(
    Object.entries(oids.types).filter(([, { array }]) => array !== 0)
      .map(([name, { array, oid }]) => [`_${name}`, { oid: array, array: 0, element: oid, category: "A" }])
  ) as unknown as Arrays

/**
 * Every type, by its name.
 *
 * @category constants
 * @since 0.1.0
 */
export const types: Omit<Arrays, keyof Listed> & Listed = /* @__PURE__ */ (() => ({ ...arrays(), ...oids.types }))()

/**
 * The name of a type.
 *
 * @category models
 * @since 0.1.0
 */
export type Name = keyof typeof types

/**
 * The OID of a type in the list.
 *
 * @category models
 * @since 0.1.0
 */
export type Oid = (typeof types)[Name]["oid"]

const typesByName: Readonly<Record<Name, Type>> = types

let namesByOid: ReadonlyMap<number, Name> | undefined

/**
 * Returns the name of the type with this OID, or `undefined` if it is not in the list.
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
  namesByOid ??= new Map(Object.entries(typesByName).map(([name, type]) => [type.oid, name as Name]))
  return namesByOid.get(oid)
}

/**
 * True if a type with this OID is in the list.
 *
 * @category guards
 * @since 0.1.0
 */
export const isOid = (oid: number): oid is Oid => name(oid) !== undefined
